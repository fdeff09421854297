// What every page does: menus, dialogs, messages, and plain words when a request of htmx fails.

const STATUS_WORDS = {
  403: "Your role does not allow this, or you were logged out. Nothing was changed.",
  404: "This is not here any more. Load the page again to see what is.",
  409: "Somebody else changed this first. Load the page again to see their version.",
  413: "The file is too large for this server.",
  429: "Too many requests at once. Wait a moment and try again.",
};

/** Shows a message twice: in the message region, where it stays, and as a toast, where it is seen. */
export function say(sentence, kind = "error") {
  const box = (place) => {
    const element = document.createElement("div");
    element.className = `note-box is-${kind}`;
    element.dataset.dismissible = "";
    const text = document.createElement("div");
    text.textContent = sentence;
    const close = document.createElement("button");
    Object.assign(close, { type: "button", className: "close", textContent: "\u00d7" });
    close.dataset.dismisses = "";
    close.setAttribute("aria-label", "Close this message");
    element.append(text, close);
    place.append(element);
    return element;
  };
  box(document.getElementById("messages"));
  const toast = box(document.getElementById("toasts"));
  setTimeout(() => toast.remove(), 10000);
}

function sentenceFor(xhr) {
  if (xhr.getResponseHeader("Content-Type")?.startsWith("text/plain") && xhr.responseText) return xhr.responseText;
  if (STATUS_WORDS[xhr.status]) return STATUS_WORDS[xhr.status];
  if (xhr.status >= 500) return "The server could not do this. Nothing was changed. Try again, and tell your admin if it stays.";
  return "This could not be done. Load the page again and try once more.";
}

function onClick(event) {
  const target = event.target;
  const opener = target.closest("[data-opens]");
  if (opener) {
    opener.closest("[data-menu]")?.removeAttribute("open");
    document.getElementById(opener.dataset.opens)?.showModal();
  }
  if (target.closest("[data-closes]")) target.closest("dialog")?.close();
  if (target.closest("[data-dismisses]")) target.closest("[data-dismissible]").remove();
  if (target.closest("[aria-disabled='true']")) event.preventDefault();
  for (const menu of document.querySelectorAll("[data-menu][open]")) if (!menu.contains(target)) menu.open = false;
}

function onEscape(event) {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
}

export function mountFrame() {
  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onEscape);
  document.addEventListener("htmx:responseError", (event) => say(sentenceFor(event.detail.xhr)));
  document.addEventListener("htmx:sendError", () => say("The server cannot be reached. Nothing was changed. Check the network and try again."));
  document.addEventListener("htmx:timeout", () => say("The server took too long to answer. Load the page again to see whether it was done."));
}

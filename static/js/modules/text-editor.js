// A text about the note: the text area becomes the payload {text}, and its words are counted as the server counts them.

export function mount(root) {
  const field = root.querySelector("[data-part=words-of]");
  const payload = root.querySelector("[data-part=payload]");
  const count = root.querySelector("[data-part=n-words]");
  const undo = root.querySelector("[data-part=undo]");
  const [least, most] = [Number(field.dataset.min), Number(field.dataset.max)];
  // The browser's own undo knows every keystroke of a text area; ours would only get in its way.
  undo.hidden = true;

  function follow() {
    payload.value = JSON.stringify({ text: field.value });
    const n = field.value.split(/\s+/u).filter(Boolean).length;
    count.textContent = n;
    count.parentElement.classList.toggle("is-short", n < least);
    count.parentElement.classList.toggle("is-long", n > most);
  }

  // Capturing on the root: the payload is right before autosave hears of it on the form.
  root.addEventListener("input", follow, true);
  follow();
  return () => root.removeEventListener("input", follow, true);
}

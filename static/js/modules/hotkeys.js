// Keys for what is on the page: data-key="s", "ctrl+enter" or "g r" presses that control, or focuses it when it is a field.
import { chosenKey, isCharacterKey, keyName } from "../lib/keys.js";

const STORE = "clinicalft.keys";
const WAIT_MS = 1200;
let settings = read();
let pending = "";
let timer = 0;

function read() {
  try {
    return { off: false, changes: {}, ...JSON.parse(localStorage.getItem(STORE) ?? "{}") };
  } catch {
    // A browser that keeps nothing, or keeps something unreadable, gets the original keys.
    return { off: false, changes: {} };
  }
}

function save() {
  localStorage.setItem(STORE, JSON.stringify(settings));
  document.documentElement.classList.toggle("keys-off", settings.off);
}

const isTyping = (target) => target.closest?.("input:not([type=radio], [type=checkbox], [type=button]), textarea, select, [contenteditable=true], [data-takes-keys]");
const ground = () => [...document.querySelectorAll("dialog[open]")].at(-1) ?? document;
const isUsable = (element) => !element.disabled && element.getAttribute("aria-disabled") !== "true";
const isShown = (element) => element.checkVisibility({ visibilityProperty: true }) || element.closest("[data-menu]") !== null;

function controls() {
  return [...ground().querySelectorAll("[data-key]")].filter((element) => isUsable(element) && isShown(element));
}

function press(element) {
  if (element.matches("input:not([type=radio], [type=checkbox], [type=submit]), textarea, select")) {
    element.focus();
    element.select?.();
  } else {
    element.click();
  }
}

function onKeydown(event) {
  if (event.defaultPrevented || event.isComposing) return;
  const name = keyName(event);
  if (!name) return;
  if (isCharacterKey(name) && (settings.off || isTyping(event.target))) return;
  const whole = pending ? `${pending} ${name}` : name;
  pending = "";
  const all = controls();
  const found = all.find((element) => chosenKey(element.dataset.key, settings.changes) === whole);
  if (found) {
    event.preventDefault();
    press(found);
  } else if (all.some((element) => chosenKey(element.dataset.key, settings.changes).startsWith(`${whole} `))) {
    event.preventDefault();
    pending = whole;
    clearTimeout(timer);
    timer = setTimeout(() => (pending = ""), WAIT_MS);
  }
}

function labelOf(element) {
  if (element.dataset.keyLabel) return element.dataset.keyLabel;
  const copy = element.cloneNode(true);
  for (const key of copy.querySelectorAll("kbd, .visually-hidden")) key.remove();
  return element.getAttribute("aria-label") ?? (copy.textContent.trim() || element.labels?.[0]?.textContent.trim() || "");
}

function row(key, label, original) {
  const term = document.createElement("dt");
  for (const part of key.split(" ")) {
    const badge = document.createElement("kbd");
    Object.assign(badge, { className: "key", textContent: part });
    term.append(badge, " ");
  }
  const what = document.createElement("dd");
  what.textContent = label;
  const change = document.createElement("dd");
  if (original) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", className: "btn btn-quiet btn-small", textContent: "Change" });
    button.setAttribute("aria-label", `Change the key for ${label}`);
    button.addEventListener("click", () => listen(button, original));
    change.append(button);
  }
  return [term, what, change];
}

function listen(button, original) {
  button.textContent = "Press the new key";
  button.dataset.takesKeys = "";
  button.addEventListener(
    "keydown",
    function choose(event) {
      const name = keyName(event);
      if (!name || name === "tab" || name === "shift+tab") return;
      event.preventDefault();
      event.stopPropagation();
      button.removeEventListener("keydown", choose);
      if (name !== "esc") settings.changes[original] = name;
      save();
      badges(document);
      fill();
    },
  );
}

function fill() {
  const sheet = document.getElementById("keys-sheet");
  const rows = [];
  const seen = new Set();
  for (const element of document.querySelectorAll("[data-key-notes]"))
    for (const line of element.dataset.keyNotes.split("|")) {
      const [key, label] = line.split(":");
      rows.push(...row(key.trim(), label.trim(), ""));
    }
  // The keys of the page come first, those of the frame are the same everywhere.
  const all = [...document.querySelectorAll("[data-key]")];
  for (const element of [...all.filter((each) => !each.closest(".bar")), ...all.filter((each) => each.closest(".bar"))]) {
    const original = element.dataset.key;
    if (!isShown(element) || !isUsable(element) || seen.has(original)) continue;
    seen.add(original);
    rows.push(...row(chosenKey(original, settings.changes), labelOf(element), original));
  }
  sheet.querySelector("[data-part=keys]").replaceChildren(...rows);
  sheet.querySelector("[data-part=switch]").checked = !settings.off;
}

/** Makes badges and aria-keyshortcuts say the key that works now. */
function badges(root) {
  for (const element of root.querySelectorAll("[data-key]")) {
    const key = chosenKey(element.dataset.key, settings.changes);
    if (!key.includes(" ")) element.setAttribute("aria-keyshortcuts", key.replace("ctrl", "Control").replace("enter", "Enter"));
    const badge = element.querySelector("kbd.key");
    if (badge) badge.textContent = key;
  }
}

export function mountHotkeys() {
  const sheet = document.getElementById("keys-sheet");
  document.documentElement.classList.toggle("keys-off", settings.off);
  document.addEventListener("keydown", onKeydown);
  document.addEventListener("htmx:load", (event) => badges(event.target));
  badges(document);
  new MutationObserver(() => sheet.open && fill()).observe(sheet, { attributeFilter: ["open"] });
  sheet.querySelector("[data-part=switch]").addEventListener("change", (event) => {
    settings.off = !event.target.checked;
    save();
  });
  sheet.querySelector("[data-part=reset]").addEventListener("click", () => {
    settings = { off: settings.off, changes: {} };
    save();
    badges(document);
    fill();
  });
}

// The words of keys: how a key press is named, and which presses count as typing.

const NAMES = { " ": "space", Escape: "esc", ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right", Enter: "enter", Delete: "del", Backspace: "backspace" };

/** The name of a key press: "s", "?", "ctrl+enter", "alt+1"; Meta counts as ctrl; "" for a modifier alone. */
export function keyName(press) {
  if (["Shift", "Control", "Alt", "Meta", "AltGraph", "Dead"].includes(press.key)) return "";
  const base = NAMES[press.key] ?? (press.key.length === 1 ? press.key.toLowerCase() : press.key.toLowerCase());
  const parts = [];
  if (press.ctrlKey || press.metaKey) parts.push("ctrl");
  if (press.altKey) parts.push("alt");
  // Shift is part of a printed character such as "?"; it is named only where the character does not tell.
  const tellsItself = press.key.length === 1 && press.key.toLowerCase() === press.key.toUpperCase();
  if (press.shiftKey && !tellsItself) parts.push("shift");
  return [...parts, base].join("+");
}

/** True when the name is a single character, which WCAG 2.1.4 wants to be switched off or remapped at will. */
export const isCharacterKey = (name) => !name.includes("ctrl+") && !name.includes("alt+") && name.split(" ").at(-1).replace("shift+", "").length === 1;

/** The keys after a person's own changes: `changes` maps the original name to the chosen one. */
export const chosenKey = (original, changes) => changes[original] ?? original;

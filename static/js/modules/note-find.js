// Finds words within the note: all places are painted, Enter goes to the next one, Shift+Enter back, Escape ends it.
import { noteText } from "./note-text.js";
import { painterFor } from "./span-editor/painter.js";

const MOST = 500;

/** Where `words` stand in `text`, whatever the case; at most 500 places. */
function placesOf(text, words) {
  const pattern = new RegExp(words.trim().replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replace(/\s+/g, "\\s+"), "giu");
  return [...text.matchAll(pattern)].slice(0, MOST).map((match) => [match.index, match.index + match[0].length]);
}

export function mount(root) {
  const input = root.querySelector("input");
  const count = root.querySelector("[data-part=count]");
  const element = root.dataset.for ? document.querySelector(root.dataset.for) : root.closest(".bench, [data-module~=span-editor]").querySelector("[data-part=text]");
  let note;
  let painter;
  let places = [];
  let current = 0;

  function clear() {
    painter?.clear();
    places = [];
    count.textContent = "";
  }

  function go(step) {
    if (!places.length) return;
    current = (current + step + places.length) % places.length;
    painter.set("found", "found", ...places[current]);
    note.paragraphAt(places[current][0]).scrollIntoView({ block: "center" });
    count.textContent = `${current + 1} of ${places.length}`;
  }

  function find() {
    clear();
    if (!input.value.trim()) return;
    // Read late: the span editor may have built the paragraphs after this was mounted.
    note = noteText(element);
    painter = painterFor(note);
    places = placesOf(note.text, input.value);
    places.forEach((place, i) => painter.set(i, "find", ...place));
    current = 0;
    if (places.length) go(0);
    else count.textContent = "not in this note";
  }

  function onKeydown(event) {
    if (event.key === "Enter") go(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") {
      input.value = "";
      clear();
      element.focus({ preventScroll: true });
    } else return;
    event.preventDefault();
  }

  input.addEventListener("input", find);
  input.addEventListener("keydown", onKeydown);
  return () => {
    clear();
    input.removeEventListener("input", find);
    input.removeEventListener("keydown", onKeydown);
  };
}

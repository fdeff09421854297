// Paints ranges of a note in the colours of their labels: as CSS highlights, or as <mark> where a browser has none.
import { runs } from "../../lib/spans.js";

export const hasHighlights = typeof Highlight === "function" && CSS.highlights !== undefined;

// Later names lie on top of earlier ones.
const PRIORITY = { pending: 20, active: 30, find: 40, found: 50 };

function highlightOf(name) {
  let highlight = CSS.highlights.get(name);
  if (!highlight) {
    highlight = new Highlight();
    highlight.priority = PRIORITY[name] ?? 0;
    CSS.highlights.set(name, highlight);
  }
  return highlight;
}

/** Highlights are shared by all notes of a page; a painter only touches the ranges that it made. */
function highlightPainter(note) {
  const painted = new Map();
  const remove = (key) => {
    const old = painted.get(key);
    if (!old) return;
    old.highlight.delete(old.range);
    painted.delete(key);
  };
  return {
    set(key, name, from, to) {
      remove(key);
      const highlight = highlightOf(name);
      const range = note.staticRange(from, to);
      highlight.add(range);
      painted.set(key, { highlight, range });
    },
    remove,
    clear: () => [...painted.keys()].forEach(remove),
  };
}

function markPainter(note) {
  const painted = new Map();
  const redraw = (from, to) => {
    const marks = [...painted.values()];
    for (const { start, length, paragraph } of note.linesIn(from, to)) {
      const pieces = runs(marks, start, start + length).map((run) => {
        const text = note.text.slice(run.from, run.to);
        if (!run.marks.length) return document.createTextNode(text);
        const mark = document.createElement("mark");
        mark.className = run.marks.map((one) => `on-${one.name}`).join(" ");
        mark.textContent = text;
        return mark;
      });
      paragraph.replaceChildren(...pieces.filter((piece) => piece.textContent));
    }
  };
  const remove = (key) => {
    const old = painted.get(key);
    if (!old) return;
    painted.delete(key);
    redraw(old.from, old.to);
  };
  return {
    set(key, name, from, to) {
      const old = painted.get(key);
      if (old && old.name === name && old.from === from && old.to === to) return;
      remove(key);
      painted.set(key, { name, from, to });
      redraw(from, to);
    },
    remove,
    clear: () => [...painted.keys()].forEach(remove),
  };
}

/** set(key, name, from, to), remove(key), clear(): `name` is a label colour ("label-3") or pending, active, find, found. */
export const painterFor = (note) => (hasHighlights ? highlightPainter(note) : markPainter(note));

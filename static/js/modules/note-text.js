// The text of a note on the page: one paragraph per line, and positions in UTF-16 units of the whole text.

/** The paragraphs of `element`, made anew when they do not say `text` (a page without script has them already). */
function paragraphsOf(element, text) {
  let paragraphs = [...element.querySelectorAll(":scope > p")];
  if (text === undefined || text === paragraphs.map((p) => p.textContent).join("\n")) return paragraphs;
  paragraphs = text.split("\n").map((line) => {
    const paragraph = document.createElement("p");
    paragraph.dir = "auto";
    if (line) paragraph.append(line);
    return paragraph;
  });
  element.replaceChildren(...paragraphs);
  return paragraphs;
}

/** The note in `element`: its text, its paragraphs, and the way between positions and places in the document. */
export function noteText(element, given) {
  const paragraphs = paragraphsOf(element, given);
  for (const paragraph of paragraphs) paragraph.normalize();
  const lines = paragraphs.map((p) => p.textContent);
  const text = given ?? lines.join("\n");
  const index = new Map(paragraphs.map((p, i) => [p, i]));
  const starts = [];
  let start = 0;
  for (const line of lines) {
    starts.push(start);
    start += line.length + 1;
  }

  function lineAt(unit) {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle] <= unit) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Node and offset of a position. A paragraph holds one text node, or several where marks cut it. */
  function place(unit) {
    const line = lineAt(unit);
    let rest = unit - starts[line];
    const walker = document.createTreeWalker(paragraphs[line], NodeFilter.SHOW_TEXT);
    let node = walker.nextNode();
    if (!node) return [paragraphs[line], 0];
    while (rest > node.length) {
      const next = walker.nextNode();
      if (!next) break;
      rest -= node.length;
      node = next;
    }
    return [node, Math.min(rest, node.length)];
  }

  /** The position of a place in the document, or null when it lies outside the note. */
  function position(node, offset) {
    if (!element.contains(node)) return null;
    if (node === element) {
      const before = [...element.childNodes].slice(0, offset).filter((child) => index.has(child)).at(-1);
      return before ? starts[index.get(before)] + lines[index.get(before)].length : 0;
    }
    const paragraph = (node.nodeType === Node.TEXT_NODE ? node.parentElement : node).closest("p");
    if (!index.has(paragraph)) return null;
    const base = starts[index.get(paragraph)];
    if (node === paragraph.firstChild && node.nodeType === Node.TEXT_NODE) return base + offset;
    const range = document.createRange();
    range.setStart(paragraph, 0);
    range.setEnd(node, offset);
    return base + range.toString().length;
  }

  function staticRange(from, to) {
    const [startContainer, startOffset] = place(from);
    const [endContainer, endOffset] = place(to);
    return new StaticRange({ startContainer, startOffset, endContainer, endOffset });
  }

  function range(from, to) {
    const made = document.createRange();
    made.setStart(...place(from));
    made.setEnd(...place(to));
    return made;
  }

  /** The position under a point of the window, or null. */
  function at(x, y) {
    const caret = document.caretPositionFromPoint?.(x, y);
    if (caret) return position(caret.offsetNode, caret.offset);
    const old = document.caretRangeFromPoint?.(x, y);
    return old ? position(old.startContainer, old.startOffset) : null;
  }

  const paragraphAt = (unit) => paragraphs[lineAt(unit)];
  /** The lines that [from, to) touches, each with its number, start and paragraph. */
  const linesIn = (from, to) => {
    const found = [];
    for (let i = lineAt(from); i < lines.length && starts[i] < to; i++) found.push({ start: starts[i], length: lines[i].length, paragraph: paragraphs[i] });
    return found;
  };
  return { element, text, lines, paragraphs, starts, place, position, range, staticRange, at, paragraphAt, linesIn };
}

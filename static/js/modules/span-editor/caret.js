// The caret of the keyboard in a note that nobody edits: the browser moves the selection, this draws where it is.

const STEPS = { ArrowLeft: ["left", "character"], ArrowRight: ["right", "character"], ArrowUp: ["backward", "line"], ArrowDown: ["forward", "line"], Home: ["backward", "lineboundary"], End: ["forward", "lineboundary"] };

export function caretIn(note, readonly) {
  const { element } = note;
  const bar = document.createElement("span");
  bar.className = "caret";
  bar.setAttribute("aria-hidden", "true");
  bar.hidden = true;
  element.append(bar);
  if (!element.hasAttribute("tabindex")) element.tabIndex = 0;

  /** The position of the moving end of the selection, or null outside the note. */
  function unit() {
    const { focusNode, focusOffset } = document.getSelection();
    return focusNode ? note.position(focusNode, focusOffset) : null;
  }

  function draw() {
    const here = unit();
    const isShown = document.activeElement === element && here !== null && !readonly;
    bar.hidden = !isShown;
    if (!isShown) return;
    const range = document.createRange();
    range.setStart(...note.place(here));
    const line = note.paragraphAt(here).getBoundingClientRect();
    const rect = range.getClientRects()[0] ?? line;
    const ground = element.getBoundingClientRect();
    bar.style.left = `${rect.left - ground.left - element.clientLeft + element.scrollLeft}px`;
    bar.style.top = `${rect.top - ground.top - element.clientTop + element.scrollTop}px`;
    bar.style.height = `${Math.min(rect.height, 40)}px`;
  }

  function to(place) {
    const selection = document.getSelection();
    selection.collapse(...note.place(place));
    if (document.activeElement !== element) element.focus({ preventScroll: true });
    draw();
  }

  function press(event) {
    const step = STEPS[event.key];
    if (!step || event.altKey || readonly) return;
    event.preventDefault();
    const [direction, size] = step;
    const isWord = (event.ctrlKey || event.metaKey) && size === "character";
    if (unit() === null) to(0);
    document.getSelection().modify(event.shiftKey ? "extend" : "move", direction, isWord ? "word" : size);
    const here = unit();
    if (here === null) return to(event.key === "ArrowUp" || event.key === "ArrowLeft" ? 0 : note.text.length);
    draw();
    bar.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  const onFocus = () => {
    if (unit() === null) document.getSelection().collapse(...note.place(0));
    draw();
  };
  const listeners = [
    [element, "focus", onFocus],
    [element, "blur", draw],
    [document, "selectionchange", draw],
  ];
  for (const [target, name, listener] of listeners) target.addEventListener(name, listener);
  const destroy = () => {
    for (const [target, name, listener] of listeners) target.removeEventListener(name, listener);
    bar.remove();
  };
  return { unit, to, press, destroy };
}

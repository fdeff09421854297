// The covered original: a short press keeps it open, a long one shows it as long as it is held, a key toggles it.

const HELD_MS = 350;

/** Listens on `button`, whose `reveal` event fetches the text once, and covers or uncovers `pane`. */
export function revealIn(button, pane, signal) {
  const isOpen = () => button.getAttribute("aria-pressed") === "true";
  const reveal = (open) => {
    // htmx fetches it at the first time only; the server writes into the audit log that it did.
    if (open) button.dispatchEvent(new CustomEvent("reveal"));
    button.setAttribute("aria-pressed", open);
    pane.classList.toggle("is-covered", !open);
  };
  let before = false;
  let downAt = 0;
  const down = (event) => {
    button.setPointerCapture(event.pointerId);
    [before, downAt] = [isOpen(), event.timeStamp];
    reveal(true);
  };
  const click = (event) => {
    const byPointer = event.detail > 0;
    reveal(byPointer ? event.timeStamp - downAt < HELD_MS && !before : !isOpen());
  };
  button.addEventListener("pointerdown", down, { signal });
  button.addEventListener("click", click, { signal });
}

// The page around one item: time in use, text size, focus on arrival, and the sentence when an answer is not taken.
import { clock } from "../lib/format.js";

const IDLE_MS = 60_000;
const SIZES = [15, 16, 17, 18, 20, 22];

/** Counts seconds while the page is looked at and used, on top of what earlier visits took. */
function timeIn(root, signal) {
  const input = root.querySelector("[data-part=seconds]");
  const shown = root.querySelector("[data-part=clock]");
  let usedAt = Date.now();
  for (const name of ["keydown", "pointermove", "scroll"]) document.addEventListener(name, () => (usedAt = Date.now()), { signal, passive: true, capture: true });
  const tick = () => {
    if (!document.hidden && Date.now() - usedAt < IDLE_MS) input.value = Number(input.value) + 1;
    shown.textContent = clock(Number(input.value));
  };
  shown.textContent = clock(Number(input.value));
  return setInterval(tick, 1000);
}

/** The size of note text is a setting of the person, kept by the form in the user menu. */
function resize(step) {
  const select = document.querySelector("select[name=text_size]");
  const at = SIZES.indexOf(Number(select.value)) + Number(step);
  if (!SIZES[at]) return;
  select.value = SIZES[at];
  select.dispatchEvent(new Event("change", { bubbles: true }));
}

/** The server names a place for the sentence about a refused answer; without this htmx would drop it. */
function onBeforeSwap(event) {
  if (event.detail.xhr.status === 409 && event.detail.xhr.getResponseHeader("HX-Retarget")) Object.assign(event.detail, { shouldSwap: true, isError: false });
}

function onFault(root) {
  const box = root.querySelector("#work-fault .note-box");
  if (!box) return;
  box.scrollIntoView({ block: "nearest" });
  root.dispatchEvent(new CustomEvent("field-fault", { bubbles: true, detail: { field: box.dataset.field ?? "" } }));
}

export function mount(root) {
  const abort = new AbortController();
  const { signal } = abort;
  const form = root.querySelector("form");
  const timer = timeIn(root, signal);
  root.addEventListener("click", (event) => event.target.closest("[data-size]") && resize(event.target.closest("[data-size]").dataset.size), { signal });
  // Enter means one thing at a time: in a field it never submits the item.
  form.addEventListener("keydown", (event) => event.key === "Enter" && event.target.matches("input") && !event.ctrlKey && !event.metaKey && event.preventDefault(), { signal });
  document.body.addEventListener("htmx:beforeSwap", onBeforeSwap, { signal });
  document.body.addEventListener("htmx:afterSwap", (event) => event.detail.target.id === "work-fault" && onFault(root), { signal });
  form.addEventListener("input", () => root.querySelector("#work-fault").replaceChildren(), { signal });
  (root.querySelector("[data-first]") ?? root.querySelector("[data-part=text]")).focus({ preventScroll: true });
  return () => {
    abort.abort();
    clearInterval(timer);
  };
}

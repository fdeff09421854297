// One row per question: a digit answers the framed row and goes on, up and down move the frame.
//
// A row with data-flag is answered no or yes; yes opens the rows with it as data-parent, no closes them and takes back the
// words that were marked for it. Marking words under its label in any span editor of the page is a yes, too.
import { keyName } from "../lib/keys.js";

const KEY_NOTES = "1 to 9: answer the framed question|up, down: previous or next question";
const EDITORS = "[data-module~=span-editor]";

class Rating {
  constructor(root) {
    this.root = root;
    this.rows = [...root.querySelectorAll("[data-part=row]")];
    this.count = root.querySelector("[data-part=count]");
    this.dots = root.querySelector("[data-part=dots]");
    this.seconds = document.querySelector("[data-part=seconds]");
    this.marked = new Map();
    this.abort = new AbortController();
    root.dataset.keyNotes ??= KEY_NOTES;
    const { signal } = this.abort;
    document.addEventListener("keydown", (event) => this.onKeydown(event), { signal });
    document.addEventListener("spans-changed", (event) => this.onSpans(event.target, event.detail.spans), { signal });
    root.addEventListener("change", (event) => this.onChange(event.target), { signal });
    root.addEventListener("focusin", (event) => this.frame(event.target.closest("[data-part=row]")), { signal });
    this.clock = setInterval(() => !document.hidden && this.seconds && this.seconds.value++, 1000);
    this.frame(this.shown().find((row) => !this.isAnswered(row)) ?? this.rows[0]);
    this.show();
  }

  shown = () => this.rows.filter((row) => !row.hidden);
  answers = (row) => [...row.querySelectorAll("input[data-part=answer]")];
  isAnswered = (row) => this.answers(row).some((input) => input.checked);
  rowOf = (name) => this.rows.find((row) => row.dataset.row === name);

  frame(row) {
    if (!row || row === this.current) return;
    this.current?.classList.remove("is-current");
    this.current = row;
    row.classList.add("is-current");
  }

  go(step) {
    const shown = this.shown();
    const row = shown[shown.indexOf(this.current) + step];
    if (!row) return;
    this.frame(row);
    const answers = this.answers(row);
    (answers.find((input) => input.checked) ?? answers[0]).focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  onKeydown(event) {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (document.documentElement.classList.contains("keys-off") && !this.root.contains(event.target)) return;
    if (event.target.matches("input:not([type=radio], [type=checkbox]), textarea, select, [data-part=text]")) return;
    const name = keyName(event);
    if (/^[1-9]$/.test(name)) this.answer(Number(name));
    else if (name === "down" || name === "up") this.go(name === "down" ? 1 : -1);
    else return;
    event.preventDefault();
  }

  answer(digit) {
    const input = this.answers(this.current)[digit - 1];
    if (!input) return;
    this.choose(input);
    this.go(1);
  }

  choose(input) {
    input.checked = true;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  onChange(input) {
    const row = input.closest("[data-part=row]");
    if (row?.dataset.flag !== undefined) this.open(row, input.value === "yes");
    this.show();
  }

  /** Opens or closes what a flag asks; closed, it sends nothing and its marked words are taken back. */
  open(row, isOpen) {
    for (const part of this.root.querySelectorAll(`[data-parent="${row.dataset.row}"]`)) {
      part.hidden = !isOpen;
      if (part.matches("fieldset")) part.disabled = !isOpen;
    }
    if (isOpen) return;
    for (const editor of document.querySelectorAll(EDITORS)) editor.dispatchEvent(new CustomEvent("span-remove", { detail: { label: row.dataset.row } }));
  }

  onSpans(editor, spans) {
    this.marked.set(editor, spans);
    // Editors that have not changed yet say what they began with.
    for (const other of document.querySelectorAll(EDITORS)) if (!this.marked.has(other)) this.marked.set(other, JSON.parse(other.querySelector("[data-part=value]")?.value || "[]"));
    const all = [...this.marked.values()].flat();
    for (const place of this.root.querySelectorAll("[data-part=evidence]")) {
      const own = all.filter((span) => span.label === place.dataset.label);
      const quotes = place.querySelector("[data-part=quotes]");
      quotes.textContent = own.length ? own.map((span) => `\u201c${span.quote}\u201d`).join(", ") : quotes.dataset.empty;
      const yes = this.answers(this.rowOf(place.dataset.label)).find((input) => input.value === "yes");
      if (own.length && !yes.checked) this.choose(yes);
    }
  }

  show() {
    const shown = this.shown();
    const n = shown.filter(this.isAnswered).length;
    if (this.count) this.count.textContent = `${n} of ${shown.length} answered`;
    this.dots?.replaceChildren(
      ...shown.map((row) => Object.assign(document.createElement("i"), { className: this.isAnswered(row) ? "is-done" : "" })),
    );
  }

  destroy() {
    this.abort.abort();
    clearInterval(this.clock);
  }
}

export function mount(root) {
  const rating = new Rating(root);
  return () => rating.destroy();
}

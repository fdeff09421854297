// One row per question: a digit answers the framed row and goes on, up and down move the frame, x opens the flag of the row.
//
// A flag wants its words marked: opening it tells the page `rating-flag` {row}; `spans-changed` with spans of that label
// shows them in the row's [data-part=flag-spans].
import { keyName } from "../lib/keys.js";

const KEY_NOTES = "1 to 9: answer the framed question|up, down: previous or next question|x: flag the framed question";

class Rating {
  constructor(root) {
    this.root = root;
    this.rows = [...root.querySelectorAll("[data-part=row]")];
    this.count = root.querySelector("[data-part=count]");
    this.dots = root.querySelector("[data-part=dots]");
    this.abort = new AbortController();
    root.dataset.keyNotes ??= KEY_NOTES;
    const { signal } = this.abort;
    document.addEventListener("keydown", (event) => this.onKeydown(event), { signal });
    root.addEventListener("change", () => this.show(), { signal });
    root.addEventListener("focusin", (event) => this.frame(event.target.closest("[data-part=row]")), { signal });
    root.addEventListener("click", (event) => this.onClick(event), { signal });
    document.addEventListener("spans-changed", (event) => this.showSpans(event.detail.spans), { signal });
    this.dots?.replaceChildren(...this.rows.map(() => document.createElement("i")));
    this.frame(this.rows.find((row) => !this.isAnswered(row)) ?? this.rows[0]);
    this.show();
  }

  answers = (row) => [...row.querySelectorAll("input[type=radio][data-part=answer]")];
  isAnswered = (row) => this.answers(row).some((input) => input.checked);

  frame(row) {
    if (!row || row === this.current) return;
    this.current?.classList.remove("is-current");
    this.current = row;
    row.classList.add("is-current");
  }

  go(step) {
    const row = this.rows[this.rows.indexOf(this.current) + step];
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
    else if (name === "x" && this.current.querySelector("[data-part=flag]")) this.current.querySelector("[data-part=flag]").click();
    else return;
    event.preventDefault();
  }

  answer(digit) {
    const input = this.answers(this.current)[digit - 1];
    if (!input) return;
    input.checked = true;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    const isFlagged = this.current.querySelector("[data-part=flag][aria-expanded=true]");
    if (!isFlagged) this.go(1);
  }

  onClick(event) {
    const flag = event.target.closest("[data-part=flag]");
    if (!flag) return;
    const row = flag.closest("[data-part=row]");
    const choices = row.querySelector("[data-part=flag-choices]");
    choices.hidden = !choices.hidden;
    flag.setAttribute("aria-expanded", !choices.hidden);
    this.frame(row);
    // A closed flag sends nothing, and an opened one has to be filled in.
    for (const input of choices.querySelectorAll("input")) input.disabled = choices.hidden;
    if (!choices.hidden) choices.querySelector("input").focus();
    this.root.dispatchEvent(new CustomEvent("rating-flag", { bubbles: true, detail: { row: row.dataset.row, isOpen: !choices.hidden } }));
    this.root.dispatchEvent(new Event("change", { bubbles: true }));
  }

  showSpans(spans) {
    for (const row of this.rows) {
      const place = row.querySelector("[data-part=flag-spans]");
      const own = spans.filter((span) => span.label === row.dataset.row);
      if (place) place.textContent = own.length ? own.map((span) => `\u201c${span.quote}\u201d`).join(", ") : place.dataset.empty;
    }
  }

  show() {
    const n = this.rows.filter(this.isAnswered).length;
    if (this.count) this.count.textContent = `${n} of ${this.rows.length} answered`;
    this.rows.forEach((row, i) => this.dots?.children[i].classList.toggle("is-done", this.isAnswered(row)));
  }
}

export function mount(root) {
  const rating = new Rating(root);
  return () => rating.abort.abort();
}

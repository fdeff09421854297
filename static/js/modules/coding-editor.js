// Codes beside a note, each with the words that prove it. The span editor on the same element marks the words; this module
// holds the codes, says which one is current, and writes both as the payload.
import { COLORS, labelsOf, payloadOf, stateOf, withCode, withPrimary, withoutCode, withoutSpan } from "../lib/coding.js";
import { History } from "../lib/spans.js";

const HEADER = "A heading: choose a more specific code if the note says so.";

class CodingEditor {
  constructor(root) {
    this.root = root;
    this.list = this.part("codes");
    this.allowsNone = this.list.dataset.allowsNone === "1";
    this.history = new History(stateOf(JSON.parse(this.part("payload").value)));
    this.current = this.state.codes[0]?.code ?? null;
    this.colors = new Map();
    this.abort = new AbortController();
    this.listen();
    // Whichever of the two editors mounts first: this one tells what it has now and when the other is ready.
    this.tellEditor();
    this.show();
  }

  part = (name, inside = this.root) => inside.querySelector(`[data-part=${name}]`);

  get state() {
    return this.history.spans;
  }

  listen() {
    const { signal } = this.abort;
    const on = (name, act) => this.root.addEventListener(name, act, { signal });
    on("code-picked", ({ detail }) => this.pick(detail));
    on("spans-changed", ({ detail }) => this.onSpans(detail.spans));
    on("span-focused", ({ detail }) => this.choose(detail.span.label));
    on("span-ready", () => this.tellEditor());
    this.root.addEventListener("keydown", (event) => this.onUndoKeys(event), { signal, capture: true });
    this.list.addEventListener("click", (event) => this.onClick(event), { signal });
    this.list.addEventListener("input", (event) => this.onReason(event), { signal });
    this.list.addEventListener("pointerover", (event) => this.point(event), { signal });
    this.list.addEventListener("focusin", (event) => this.point(event), { signal });
    this.part("undo").addEventListener("click", () => this.walk("undo"), { signal });
    this.part("none").addEventListener("change", (event) => this.change({ ...this.state, none: event.target.checked }), { signal });
    document.addEventListener("field-fault", ({ detail }) => this.showFault(detail.field), { signal });
  }

  // ---------- changing

  change(state) {
    if (state === this.state) return;
    this.history.set(state);
    this.follow();
  }

  walk(act) {
    this.history[act]();
    this.follow();
  }

  follow() {
    if (!this.state.codes.some(({ code }) => code === this.current)) this.current = this.state.codes[0]?.code ?? null;
    this.tellEditor();
    this.show();
    this.part("payload").dispatchEvent(new Event("input", { bubbles: true }));
  }

  pick(result) {
    if (this.state.codes.length >= Number(this.list.dataset.max)) return this.say(`At most ${this.list.dataset.max} codes are asked for.`);
    this.current = result.value;
    this.change(withCode(this.state, result));
    this.choose(result.value);
    // On to the evidence: the caret of the note is one key press from a selection.
    this.part("text").focus({ preventScroll: true });
  }

  choose(code) {
    if (!this.state.codes.some((each) => each.code === code)) return;
    this.current = code;
    this.tell("span-target", { value: code });
    this.showCurrent();
  }

  onSpans(spans) {
    if (this.isTelling) return;
    this.history.set({ ...this.state, spans });
    this.show();
    this.part("payload").dispatchEvent(new Event("input", { bubbles: true }));
  }

  onReason(event) {
    const code = event.target.closest(".code-row").dataset.code;
    const codes = this.state.codes.map((each) => (each.code === code ? { ...each, no_evidence: event.target.value } : each));
    this.history.set({ ...this.state, codes });
    this.write();
  }

  onUndoKeys(event) {
    if (!(event.ctrlKey || event.metaKey) || event.target.matches("input[type=text], textarea")) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.walk(key === "y" || event.shiftKey ? "redo" : "undo");
  }

  onClick(event) {
    const button = event.target.closest("[data-act]");
    const code = event.target.closest(".code-row")?.dataset.code;
    if (!button) return;
    const span = button.closest("[data-start]")?.dataset;
    const acts = {
      choose: () => this.choose(code),
      remove: () => this.change(withoutCode(this.state, code)),
      up: () => this.change(withPrimary(this.state, code)),
      unmark: () => this.change(withoutSpan(this.state, { start: Number(span.start), end: Number(span.end), label: code })),
    };
    acts[button.dataset.act]();
    if (button.dataset.act !== "choose") this.list.querySelector(".is-current [data-act=choose]")?.focus();
  }

  // ---------- showing

  tell(name, detail) {
    this.root.dispatchEvent(new CustomEvent(name, { detail }));
  }

  /** Labels, spans and target of the span editor, as they are here; what it answers meanwhile is only an echo. */
  tellEditor() {
    this.isTelling = true;
    for (const { code } of this.state.codes) if (!this.colors.has(code)) this.colors.set(code, this.colors.size % COLORS);
    this.tell("span-labels", { labels: labelsOf(this.state.codes, this.colors) });
    this.tell("span-set", { spans: this.state.spans });
    this.tell("span-target", { value: this.current });
    this.isTelling = false;
  }

  write() {
    this.part("payload").value = JSON.stringify(payloadOf(this.state));
  }

  show() {
    this.write();
    this.list.replaceChildren(...this.state.codes.map((code, i) => this.rowOf(code, i)));
    this.part("undo").disabled = !this.history.canUndo;
    this.part("none").checked = this.state.none;
    this.part("none").disabled = this.state.codes.length > 0;
    this.showCurrent();
  }

  showCurrent() {
    for (const row of this.list.children) {
      const isCurrent = row.dataset.code === this.current;
      row.classList.toggle("is-current", isCurrent);
      this.part("code", row).closest("button").setAttribute("aria-pressed", isCurrent);
    }
  }

  rowOf({ code, description, no_evidence, is_header }, i) {
    const row = this.part("code-row").content.firstElementChild.cloneNode(true);
    const spans = this.state.spans.filter((span) => span.label === code);
    row.dataset.code = code;
    const say = (name, words) => (this.part(name, row).textContent = words);
    say("code", code);
    say("description", description);
    say("badge", String.fromCharCode(65 + (i % 26)));
    this.part("badge", row).classList.add(`label-bg-${this.colors.get(code) ?? i % COLORS}`);
    this.part("key", row).textContent = i < 9 ? i + 1 : "";
    if (i < 9) row.querySelector("[data-act=choose]").dataset.key = i + 1;
    this.part("primary", row).hidden = i > 0;
    this.part("up", row).hidden = i === 0;
    this.part("remove", row).setAttribute("aria-label", `Remove ${code}`);
    say("warning", [is_header ? HEADER : "", spans.length || no_evidence ? "" : "No evidence yet."].filter(Boolean).join(" "));
    this.part("evidence", row).replaceChildren(...spans.map((span) => this.evidenceRow(span)));
    this.part("reason", row).hidden = spans.length > 0 || !this.allowsNone;
    this.part("reason", row).querySelector("input").value = no_evidence;
    return row;
  }

  evidenceRow(span) {
    const row = this.part("evidence-row").content.firstElementChild.cloneNode(true);
    Object.assign(row.dataset, { start: span.start, end: span.end });
    this.part("quote", row).textContent = span.quote;
    return row;
  }

  point(event) {
    this.tell("span-show", { label: event.target.closest(".code-row")?.dataset.code });
  }

  showFault(field) {
    const row = this.list.children[Number(/^codes\.(\d+)/.exec(field)?.[1] ?? NaN)];
    if (!row) return;
    this.choose(row.dataset.code);
    row.scrollIntoView({ block: "nearest" });
  }

  say(words) {
    this.root.querySelector(".code-picker [role=status]").textContent = words;
  }
}

export function mount(root) {
  const editor = new CodingEditor(root);
  return () => editor.abort.abort();
}

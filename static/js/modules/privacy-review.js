// The review of a de-identified note: hits one by one, tags dropped, added and relabelled, the original while a key or button asks.
//
// Parts: a JSON script tag {findings: [{id, start, end, label, score, source, on}], labels: [{value, name, letter, color}]};
// panes [data-part=tagged] and [data-part=original] of pieces with data-start (code points of the original; data-end where the
// piece shows a label instead of its words) and data-finding; [data-part=list] with a row per finding, [data-part=row] (template
// for more), [data-part=value] (hidden input), buttons next, drop, tag, retag, everywhere, undo, reveal; [data-part=live].
import { History } from "../lib/spans.js";
import { pieceRange, selectedSpan, wordsAt } from "./privacy-review/places.js";
import { hasHighlights } from "./span-editor/painter.js";
import { pickerIn } from "./span-editor/picker.js";

const HELD_MS = 350;

class PrivacyReview {
  constructor(root) {
    this.root = root;
    const config = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
    this.labels = config.labels;
    this.byValue = new Map(config.labels.map((label) => [label.value, label]));
    this.history = new History(config.findings.map(Object.freeze));
    this.start = this.history.spans;
    this.panes = ["tagged", "original"].map((name) => this.part(name));
    this.painted = [];
    this.abort = new AbortController();
    this.picker = pickerIn(root, () => {});
    this.listen();
    this.show();
  }

  part(name) {
    return this.root.querySelector(`[data-part=${name}]`);
  }

  get findings() {
    return this.history.spans;
  }

  listen() {
    const { signal } = this.abort;
    const acts = {
      next: () => this.step(),
      drop: () => this.drop(),
      tag: () => this.tag(),
      retag: () => this.retag(),
      everywhere: () => this.tagEverywhere(),
      undo: () => this.undo(),
    };
    for (const [name, act] of Object.entries(acts)) {
      // The selection in the note must survive the press.
      this.part(name)?.addEventListener("pointerdown", (event) => event.preventDefault(), { signal });
      this.part(name)?.addEventListener("click", act, { signal });
    }
    // Before the keys of the page: while the picker asks, a digit is a label.
    document.addEventListener("keydown", (event) => this.picker.press(event), { signal, capture: true });
    document.addEventListener("pointerdown", (event) => this.picker.contains(event.target) || this.picker.close(), { signal });
    this.root.addEventListener("click", (event) => this.onClick(event), { signal });
    this.root.addEventListener("htmx:afterSwap", () => this.show(), { signal });
    this.root.addEventListener("submit", () => (this.isSaving = true), { signal });
    window.addEventListener("beforeunload", (event) => this.findings !== this.start && !this.isSaving && event.preventDefault(), { signal });
    this.listenToReveal(signal);
  }

  onClick(event) {
    const element = event.target.closest("[data-finding]");
    if (element && getSelection().isCollapsed) this.goTo(Number(element.dataset.finding));
  }

  // ---------- the original

  /** A short press keeps the original open, a long one shows it as long as it is held. */
  listenToReveal(signal) {
    const button = this.part("reveal");
    let before = false;
    let downAt = 0;
    button.addEventListener("pointerdown", (event) => {
      button.setPointerCapture(event.pointerId);
      [before, downAt] = [this.isOpen, event.timeStamp];
      this.reveal(true);
    }, { signal });
    button.addEventListener("click", (event) => {
      const byPointer = event.detail > 0;
      this.reveal(byPointer ? event.timeStamp - downAt < HELD_MS && !before : !this.isOpen);
    }, { signal });
  }

  get isOpen() {
    return this.part("reveal").getAttribute("aria-pressed") === "true";
  }

  reveal(isOpen) {
    // htmx fetches it at the first time only; the server writes into the audit log that it did.
    if (isOpen) this.part("reveal").dispatchEvent(new CustomEvent("reveal"));
    this.part("reveal").setAttribute("aria-pressed", isOpen);
    this.part("original").classList.toggle("is-covered", !isOpen);
  }

  // ---------- going from hit to hit

  step() {
    const rows = [...this.part("list").children];
    if (!rows.length) return this.say("Nothing was found.");
    const here = rows.findIndex((row) => Number(row.dataset.finding) === this.current);
    this.goTo(Number(rows[(here + 1) % rows.length].dataset.finding));
  }

  goTo(id) {
    this.current = id;
    this.show();
    const finding = this.find(id);
    for (const pane of this.panes) this.elementIn(pane, finding)?.scrollIntoView({ block: "center", behavior: "instant" });
    const row = this.rowOf(id);
    row?.scrollIntoView({ block: "nearest" });
    const place = [...this.part("list").children].indexOf(row) + 1;
    this.say(`${place} of ${this.findings.length}: ${this.labelOf(finding).name}, ${this.stateOf(finding)}.`);
  }

  find(id) {
    return this.findings.find((finding) => finding.id === id);
  }

  rowOf(id) {
    return this.part("list").querySelector(`[data-finding="${id}"]`);
  }

  elementIn(pane, finding) {
    return pane.querySelector(`[data-finding="${finding.id}"]`) ?? pieceRange(pane, finding)?.startContainer.parentElement;
  }

  labelOf(finding) {
    return this.byValue.get(finding.label);
  }

  stateOf({ on, added, settled, score, source }) {
    if (added || source === "person") return on ? "by hand" : "taken back";
    if (source.startsWith("second-scan/")) return on ? "tagged" : settled ? "no identifier" : "second scan";
    return on ? `${Math.round(score * 100)} % sure` : "no identifier";
  }

  // ---------- changing

  change(id, changes) {
    this.history.set(this.findings.map((finding) => (finding.id === id ? Object.freeze({ ...finding, ...changes }) : finding)));
    this.show();
  }

  drop() {
    const finding = this.find(this.current);
    if (!finding) return this.say("Go to a hit first, with n.");
    this.change(finding.id, { on: false, settled: true });
    this.step();
  }

  tag() {
    const span = this.panes.map((pane) => selectedSpan(pane)).find(Boolean);
    const finding = this.find(this.current);
    if (span) this.ask(getSelection().getRangeAt(0).getBoundingClientRect(), "Tag these words as", (label) => this.add([{ ...span, label }]));
    else if (finding && !finding.on) {
      this.change(finding.id, { on: true });
      this.say(`Tagged as ${this.labelOf(finding).name}.`);
    } else this.say("Select the words to tag first.");
  }

  retag() {
    const finding = this.find(this.current);
    if (!finding) return this.say("Go to a hit first, with n.");
    this.ask(this.rowOf(finding.id).getBoundingClientRect(), "Another label for this", (label) => this.change(finding.id, { label, on: true, source: "person" }));
  }

  ask(rect, title, act) {
    this.picker.open(this.labels, rect, (choice) => act(choice.value), title);
    this.say(`${title}: press a digit, or type to filter.`);
  }

  /** Adds tags; what they touch becomes part of them. */
  add(spans) {
    let findings = [...this.findings];
    for (const span of spans) {
      const touches = (finding) => finding.on && finding.start < span.end && span.start < finding.end;
      const inside = findings.filter(touches);
      const start = Math.min(span.start, ...inside.map((finding) => finding.start));
      const end = Math.max(span.end, ...inside.map((finding) => finding.end));
      findings = findings.map((finding) => (touches(finding) ? Object.freeze({ ...finding, on: false, settled: true }) : finding));
      const id = Math.max(-1, ...findings.map((finding) => finding.id)) + 1;
      findings.push(Object.freeze({ ...span, start, end, id, on: true, added: true, source: "person" }));
    }
    this.history.set(findings);
    this.current = findings.at(-1).id;
    getSelection().removeAllRanges();
    this.show();
    this.say(`Tagged. ${spans.length > 1 ? `${spans.length} places.` : ""}`);
  }

  tagEverywhere() {
    const finding = this.find(this.current);
    const words = finding?.words;
    if (!words) return this.say("This works for words that you have tagged by hand.");
    const free = ({ start, end }) => !this.findings.some((each) => each.on && each.start < end && start < each.end);
    const more = this.panes.flatMap((pane) => wordsAt(pane, words)).filter(free);
    const once = [...new Map(more.map((span) => [span.start, span])).values()];
    if (once.length) this.add(once.map((span) => ({ ...span, label: finding.label, words })));
    else this.say("These words stand nowhere else.");
  }

  undo() {
    this.history.undo();
    if (!this.find(this.current)) this.current = undefined;
    this.show();
    this.say("Undone.");
  }

  // ---------- showing

  show() {
    const kept = this.findings.filter((finding) => finding.on).map(({ start, end, label }) => ({ start, end, label }));
    this.part("value").value = JSON.stringify(kept.sort((a, b) => a.start - b.start));
    if (this.part("undo")) this.part("undo").disabled = !this.history.canUndo;
    this.showRows();
    this.showMarks();
    this.paintAdded();
  }

  showRows() {
    const list = this.part("list");
    for (const row of [...list.children]) if (!this.find(Number(row.dataset.finding))) row.remove();
    for (const finding of this.findings) {
      let row = this.rowOf(finding.id);
      if (!row) {
        row = this.part("row").content.firstElementChild.cloneNode(true);
        row.dataset.finding = finding.id;
        list.append(row);
      }
      const label = this.labelOf(finding);
      const badge = row.querySelector(".label-badge");
      badge.className = `label-badge label-bg-${label.color}`;
      badge.textContent = label.value[0];
      Object.assign(row.querySelector("[data-part=name]"), { textContent: label.value, title: label.name });
      row.querySelector("[data-part=how]").textContent = this.stateOf(finding);
      row.classList.toggle("is-off", !finding.on && Boolean(finding.settled));
      row.classList.toggle("is-shown", finding.id === this.current);
    }
    list.classList.toggle("is-empty", !list.children.length);
  }

  showMarks() {
    for (const element of this.root.querySelectorAll(".note [data-finding]")) {
      const finding = this.find(Number(element.dataset.finding));
      const isLabel = element.dataset.end !== undefined;
      const { color, value } = this.labelOf(finding);
      const look = finding.on ? `on-label-${color}` : finding.settled ? "is-off" : "suspect";
      element.className = `${isLabel ? "tag " : ""}${look}${finding.id === this.current ? " is-current" : ""}`;
      if (isLabel) element.textContent = value;
    }
  }

  /** Words tagged by hand stay where they stand, painted in the colour of their label, until they are saved. */
  paintAdded() {
    if (!hasHighlights) return;
    for (const [name, range] of this.painted) CSS.highlights.get(name)?.delete(range);
    this.painted = [];
    for (const finding of this.findings.filter((each) => each.added && each.on)) {
      for (const pane of this.panes) {
        const range = pieceRange(pane, finding);
        if (!range) continue;
        const names = [`label-${this.labelOf(finding).color}`, ...(finding.id === this.current ? ["active"] : [])];
        for (const name of names) {
          if (!CSS.highlights.has(name)) CSS.highlights.set(name, new Highlight());
          CSS.highlights.get(name).add(range);
          this.painted.push([name, range]);
        }
      }
    }
  }

  say(sentence) {
    this.part("live").textContent = sentence;
  }

  destroy() {
    this.abort.abort();
    for (const [name, range] of this.painted) CSS.highlights.get(name)?.delete(range);
    this.picker.destroy();
  }
}

export function mount(root) {
  const review = new PrivacyReview(root);
  return () => review.destroy();
}

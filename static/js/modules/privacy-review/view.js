// What the page shows of the findings: rows of the list, marks in both panes, paint over words that were tagged by hand.
import { noteText } from "../note-text.js";
import { caretIn } from "../span-editor/caret.js";
import { hasHighlights } from "../span-editor/painter.js";
import { pieceRange } from "./places.js";

/** How sure a finding is, in the words of its row. */
export function stateOf({ on, added, settled, score, source }) {
  if (added || source === "person") return on ? "by hand" : "taken back";
  if (source.startsWith("second-scan/")) return on ? "tagged" : settled ? "no identifier" : "second scan";
  return on ? `${Math.round(score * 100)} % sure` : "no identifier";
}

export class ReviewView {
  /** `list` has a row per finding, made of `template` when it has none yet; `labels` is value -> {value, name, color}. */
  constructor({ list, template, panes, labels }) {
    Object.assign(this, { list, template, panes, labels, painted: [], carets: new Map() });
  }

  rowOf(id) {
    return this.list.querySelector(`[data-finding="${id}"]`);
  }

  show(findings, current) {
    this.showRows(findings, current);
    this.showMarks(findings, current);
    this.paintAdded(findings, current);
  }

  showRows(findings, current) {
    const ids = new Set(findings.map((finding) => finding.id));
    for (const row of [...this.list.children]) if (!ids.has(Number(row.dataset.finding))) row.remove();
    for (const finding of findings) {
      const row = this.rowOf(finding.id) ?? this.newRow(finding.id);
      const label = this.labels.get(finding.label);
      const badge = row.querySelector(".label-badge");
      Object.assign(badge, { className: `label-badge label-bg-${label.color}`, textContent: label.letter });
      Object.assign(row.querySelector("[data-part=name]"), { textContent: label.value, title: label.name });
      row.querySelector("[data-part=how]").textContent = stateOf(finding);
      row.classList.toggle("is-off", !finding.on && Boolean(finding.settled));
      row.classList.toggle("is-shown", finding.id === current);
    }
    this.list.classList.toggle("is-empty", !findings.length);
  }

  newRow(id) {
    const row = this.template.content.firstElementChild.cloneNode(true);
    row.dataset.finding = id;
    this.list.append(row);
    return row;
  }

  showMarks(findings, current) {
    const byId = new Map(findings.map((finding) => [finding.id, finding]));
    for (const element of this.panes.flatMap((pane) => [...pane.querySelectorAll("[data-finding]")])) {
      const finding = byId.get(Number(element.dataset.finding));
      const { color, value } = this.labels.get(finding.label);
      const isLabel = element.dataset.end !== undefined;
      const look = finding.on ? `on-label-${color}` : finding.settled ? "is-off" : "suspect";
      element.className = `${isLabel ? "tag " : ""}${look}${finding.id === current ? " is-current" : ""}`;
      if (isLabel) element.textContent = value;
    }
  }

  /** Words tagged by hand stay where they stand, painted in the colour of their label, until they are saved. */
  paintAdded(findings, current) {
    if (!hasHighlights) return;
    this.clearPaint();
    for (const finding of findings.filter((each) => each.added && each.on)) {
      for (const pane of this.panes) {
        const range = pieceRange(pane, finding);
        if (range) this.paint(range, [`label-${this.labels.get(finding.label).color}`, ...(finding.id === current ? ["active"] : [])]);
      }
    }
  }

  paint(range, names) {
    for (const name of names) {
      if (!CSS.highlights.has(name)) CSS.highlights.set(name, new Highlight());
      CSS.highlights.get(name).add(range);
      this.painted.push([name, range]);
    }
  }

  clearPaint() {
    for (const [name, range] of this.painted) CSS.highlights.get(name)?.delete(range);
    this.painted = [];
  }

  /** Scrolls both panes and the list to a finding; returns its place in the list, from 1. */
  goTo(finding) {
    for (const pane of this.panes) {
      const element = pane.querySelector(`[data-finding="${finding.id}"]`) ?? pieceRange(pane, finding)?.startContainer.parentElement;
      element?.scrollIntoView({ block: "center", behavior: "instant" });
    }
    this.rowOf(finding.id).scrollIntoView({ block: "nearest" });
    return [...this.list.children].indexOf(this.rowOf(finding.id)) + 1;
  }

  /** Arrows move a caret in each pane and shift selects; made anew where the words on the page have changed. */
  placeCarets() {
    for (const caret of this.carets.values()) caret.destroy();
    const withText = this.panes.filter((pane) => pane.querySelector("[data-start]"));
    this.carets = new Map(withText.map((pane) => [pane, caretIn(noteText(pane), false)]));
  }

  destroy() {
    this.clearPaint();
    for (const caret of this.carets.values()) caret.destroy();
  }
}

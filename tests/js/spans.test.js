import assert from "node:assert/strict";
import { test } from "node:test";

import { History, difference, inOrder, innermost, letter, runs } from "../../static/js/lib/spans.js";

const span = (id, from, to) => ({ id, from, to });

test("spans read by start, and the longer of two with one start comes first", () => {
  const spans = [span(1, 5, 8), span(2, 0, 3), span(3, 5, 20)];

  assert.deepEqual(spans.sort(inOrder).map((each) => each.id), [2, 3, 1]);
});

test("pointing at overlapping spans means the shortest, and the end is not part of a span", () => {
  const spans = [span(1, 0, 20), span(2, 4, 9), span(3, 8, 12)];

  assert.equal(innermost(spans, 5).id, 2);
  assert.equal(innermost(spans, 8).id, 3);
  assert.equal(innermost(spans, 15).id, 1);
  assert.equal(innermost(spans, 20), undefined);
});

test("runs cover the text once and carry every mark that lies over them", () => {
  const marks = [span(1, 2, 8), span(2, 5, 30), span(3, 90, 99)];

  const cut = runs(marks, 0, 12).map((run) => [run.from, run.to, run.marks.map((mark) => mark.id)]);

  assert.deepEqual(cut, [[0, 2, []], [2, 5, [1]], [5, 8, [1, 2]], [8, 12, [2]]]);
});

test("runs of an empty line are none", () => {
  assert.deepEqual(runs([span(1, 0, 9)], 4, 4), []);
});

test("undo walks back and redo forward, and a new change forgets what was undone", () => {
  const history = new History([]);
  history.set([1]);
  history.set([1, 2]);

  history.undo();
  assert.deepEqual(history.spans, [1]);
  history.redo();
  assert.deepEqual(history.spans, [1, 2]);
  history.undo();
  history.undo();
  assert.equal(history.canUndo, false);
  history.set([3]);
  assert.equal(history.canRedo, false);
  assert.deepEqual(history.spans, [3]);
});

test("nothing happens when there is nothing to undo or redo", () => {
  const history = new History([7]);

  history.undo();
  history.redo();

  assert.deepEqual(history.spans, [7]);
});

test("an edited span counts as removed and added, an untouched one as neither", () => {
  const [kept, old] = [span(1, 0, 3), span(2, 4, 6)];
  const edited = { ...old, label: "test" };

  const { removed, added } = difference([kept, old], [kept, edited]);

  assert.deepEqual([removed, added], [[old], [edited]]);
});

test("labels get letters beyond the alphabet, too", () => {
  assert.deepEqual([0, 25, 26, 51, 52].map(letter), ["A", "Z", "AA", "AZ", "BA"]);
});

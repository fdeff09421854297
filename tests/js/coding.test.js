import assert from "node:assert/strict";
import { test } from "node:test";

import { labelsOf, payloadOf, stateOf, withCode, withPrimary, withoutCode, withoutSpan } from "../../static/js/lib/coding.js";

const EVIDENCE = { start: 3, end: 8, quote: "cough" };
const PAYLOAD = {
  codes: [
    { code: "J44.1", description: "COPD", is_header: false, evidence: [EVIDENCE], no_evidence: "" },
    { code: "I10", description: "Hypertension", is_header: false, evidence: [], no_evidence: "drug list" },
  ],
  none_apply: false,
};

test("a payload survives the way into the page and back", () => {
  assert.deepEqual(payloadOf(stateOf(PAYLOAD)), PAYLOAD);
});

test("a reason goes when evidence comes", () => {
  const state = stateOf(PAYLOAD);
  const proven = { ...state, spans: [...state.spans, { start: 10, end: 12, quote: "BP", label: "I10" }] };

  assert.equal(payloadOf(proven).codes[1].no_evidence, "");
});

test("a code is added once, and takes back that none applies", () => {
  const none = { codes: [], spans: [], none: true };
  const one = withCode(none, { value: "J44", name: "Other COPD", warning: "A heading" });

  assert.equal(one.none, false);
  assert.equal(one.codes[0].is_header, true);
  assert.equal(withCode(one, { value: "J44", name: "Other COPD" }), one);
});

test("a code that goes takes its evidence with it", () => {
  const left = withoutCode(stateOf(PAYLOAD), "J44.1");

  assert.deepEqual(left.codes.map(({ code }) => code), ["I10"]);
  assert.deepEqual(left.spans, []);
});

test("the primary code stands first and the others keep their order", () => {
  const state = { codes: ["A", "B", "C"].map((code) => ({ code })), spans: [], none: false };

  assert.deepEqual(withPrimary(state, "C").codes.map(({ code }) => code), ["C", "A", "B"]);
});

test("only the named piece of evidence goes", () => {
  const state = { codes: [], none: false, spans: [{ start: 1, end: 2, label: "A" }, { start: 1, end: 2, label: "B" }] };

  assert.deepEqual(withoutSpan(state, { start: 1, end: 2, label: "A" }).spans, [{ start: 1, end: 2, label: "B" }]);
});

test("codes that are there say that none applies only when there is none", () => {
  assert.equal(payloadOf({ codes: [], spans: [], none: true }).none_apply, true);
  assert.equal(payloadOf({ ...stateOf(PAYLOAD), none: true }).none_apply, false);
});

test("a label keeps its colour when codes change places", () => {
  const colors = new Map([["A", 0], ["B", 1]]);

  assert.deepEqual(labelsOf([{ code: "B", description: "b" }, { code: "A", description: "a" }], colors).map(({ value, color }) => [value, color]), [["B", 1], ["A", 0]]);
});

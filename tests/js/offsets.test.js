import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { offsetMap, trimmed } from "../../static/js/lib/offsets.js";

const NOTES = [
  "",
  "BP <90/60 & HR>120",
  "caf\u00e9 and cafe\u0301: combining accents stay two code points",
  "family \u{1F468}\u200D\u{1F469}\u200D\u{1F467} seen \u{1F600}\u{1F600} twice",
  "\u0627\u0644\u0645\u0631\u064A\u0636 has \u0636\u064A\u0642 3\t days  with  gaps\nnew line",
  "\u{1D400}",
  "lone \ud83d surrogate \ude00 halves",
];

test("every position converts to code points and back, as a walk over the characters counts them", () => {
  for (const text of NOTES) {
    const map = offsetMap(text);
    const characters = [...text];
    let unit = 0;
    characters.forEach((character, point) => {
      assert.equal(map.toCodePoint(unit), point);
      assert.equal(map.toUnit(point), unit);
      unit += character.length;
    });
    assert.equal(map.toUnit(characters.length), text.length);
    assert.equal(map.toCodePoint(text.length), characters.length);
    assert.equal(map.length, characters.length);
  }
});

test("a quote cut by code points is the quote cut by units", () => {
  const text = NOTES[3];
  const map = offsetMap(text);
  const characters = [...text];
  for (let start = 0; start < characters.length; start++)
    for (let end = start + 1; end <= characters.length; end++)
      assert.equal(text.slice(map.toUnit(start), map.toUnit(end)), characters.slice(start, end).join(""));
});

test("a selection that ends inside a surrogate pair grows to the whole character", () => {
  const text = "a\u{1F600}b";
  const map = offsetMap(text);

  assert.equal(map.snap(2, false), 1);
  assert.equal(map.snap(2, true), 3);
  assert.equal(map.snap(1, false), 1);
  assert.equal(map.snap(3, true), 3);
});

test("white space at the ends of a selection is left out, also no-break spaces and line ends", () => {
  const text = " \u00a0fever\n ";

  assert.deepEqual(trimmed(text, 0, text.length), [2, 7]);
  assert.equal(trimmed(text, 7, text.length), null);
  assert.deepEqual(trimmed(text, 3, 5), [3, 5]);
});

test("the offsets are those that Python counts, on the golden texts of both", () => {
  const { cases, inside } = JSON.parse(readFileSync(new URL("../golden/spans.json", import.meta.url), "utf8"));

  assert.ok(cases.length > 5);
  for (const { name, text, n_code_points, n_utf16, spans } of cases) {
    const map = offsetMap(text);
    assert.equal(text.length, n_utf16, name);
    assert.equal(map.length, n_code_points, name);
    for (const span of spans) {
      assert.equal(map.toUnit(span.start), span.utf16_start, name);
      assert.equal(map.toUnit(span.end), span.utf16_end, name);
      assert.equal(map.toCodePoint(span.utf16_start), span.start, name);
      assert.equal(map.toCodePoint(span.utf16_end), span.end, name);
      assert.equal(text.slice(map.toUnit(span.start), map.toUnit(span.end)), span.quote, name);
    }
  }
  for (const { text, utf16 } of inside.filter((each) => each.utf16 < each.text.length)) {
    assert.equal(offsetMap(text).snap(utf16, false), utf16 - 1, text);
    assert.equal(offsetMap(text).snap(utf16, true), utf16 + 1, text);
  }
});

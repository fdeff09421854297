import assert from "node:assert/strict";
import { test } from "node:test";

import { clock, duration, relative } from "../../static/js/lib/format.js";

test("durations are words that a person would say", () => {
  const cases = [[0, "0 s"], [59, "59 s"], [60, "1 min"], [3599, "1 h"], [7800, "2 h 10 min"], [86400, "24 h"], [273600, "3 d 4 h"], [950400, "11 d"]];

  for (const [seconds, words] of cases) assert.equal(duration(seconds), words, String(seconds));
});

test("times lie in the past, in the future, or now", () => {
  assert.equal(relative(3), "just now");
  assert.equal(relative(180), "3 min ago");
  assert.equal(relative(-180), "in 3 min");
});

test("a clock counts minutes and, when needed, hours", () => {
  assert.deepEqual([0, 42, 61, 3725, -5].map(clock), ["0:00", "0:42", "1:01", "1:02:05", "0:00"]);
});

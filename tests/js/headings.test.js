import assert from "node:assert/strict";
import { test } from "node:test";

import { heading } from "../../static/js/lib/headings.js";

test("capitals and short lines with a colon are headings", () => {
  assert.equal(heading("HISTORY OF PRESENT ILLNESS"), "HISTORY OF PRESENT ILLNESS");
  assert.equal(heading("ASSESSMENT/PLAN:"), "ASSESSMENT/PLAN");
  assert.equal(heading("Past medical history:"), "Past medical history");
  assert.equal(heading("ANT\u00c9C\u00c9DENTS"), "ANT\u00c9C\u00c9DENTS");
});

test("sentences, measurements and list items are none", () => {
  const lines = ["", "BP", "Patient denies chest pain.", "1. COPD with acute exacerbation", "120/80", "HR 80:", "Seen with the whole family in the clinic on Monday morning:", "ا".repeat(9)];

  for (const line of lines) assert.equal(heading(line), null, line);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { chosenKey, isCharacterKey, keyName } from "../../static/js/lib/keys.js";

const press = (key, held = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });

test("keys are named as the badges name them", () => {
  assert.equal(keyName(press("s")), "s");
  assert.equal(keyName(press("?", { shiftKey: true })), "?");
  assert.equal(keyName(press("S", { shiftKey: true })), "shift+s");
  assert.equal(keyName(press("Enter", { ctrlKey: true })), "ctrl+enter");
  assert.equal(keyName(press("Enter", { metaKey: true })), "ctrl+enter");
  assert.equal(keyName(press("ArrowDown", { shiftKey: true })), "shift+down");
  assert.equal(keyName(press("1", { altKey: true })), "alt+1");
  assert.equal(keyName(press("\u0634")), "\u0634");
});

test("a modifier alone or a dead key is no key", () => {
  for (const key of ["Shift", "Control", "Alt", "Meta", "AltGraph", "Dead"]) assert.equal(keyName(press(key)), "");
});

test("single characters can be switched off, chords and named keys cannot", () => {
  for (const name of ["s", "?", "g r", "shift+s"]) assert.equal(isCharacterKey(name), true, name);
  for (const name of ["ctrl+enter", "esc", "alt+1", "ctrl+z", "down"]) assert.equal(isCharacterKey(name), false, name);
});

test("a person's own key replaces the original, and only that", () => {
  assert.equal(chosenKey("u", { u: "y" }), "y");
  assert.equal(chosenKey("s", { u: "y" }), "s");
});

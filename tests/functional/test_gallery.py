"""The component gallery in a real browser: accessible in every dress, and the span editor by keyboard alone."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.functional.accessibility import faults
from tests.functional.conftest import Window
from tests.personas import Cast

PLACE_CARET = """words => {
  const paragraph = [...document.querySelectorAll(".note > p")].find(p => p.textContent.includes(words));
  document.querySelector(".note").focus();
  document.getSelection().collapse(paragraph.firstChild, paragraph.textContent.indexOf(words));
}"""


@pytest.fixture
def page(window: Window, cast: Cast) -> Page:
    return window(cast.lea)


def spans(page: Page) -> list[dict[str, Any]]:
    value: list[dict[str, Any]] = json.loads(page.input_value("#span-editor [data-part=value]"))
    return value


def open_gallery(page: Page, query: str = "") -> None:
    page.goto(f"/gallery/{query}")
    page.wait_for_selector("#span-editor .span-row")
    page.wait_for_selector(".chart svg")


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_no_component_breaks_a_rule_of_accessibility(page: Page, direction: str) -> None:
    open_gallery(page, f"?theme=light&dir={direction}")

    assert faults(page) == []


def test_the_gallery_fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})

    open_gallery(page)

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_three_words_are_selected_and_labelled_with_four_keys(page: Page) -> None:
    open_gallery(page)
    page.evaluate(PLACE_CARET, "Two pillows at night")

    for key in ("Control+Shift+ArrowRight", "Control+Shift+ArrowRight", "Control+Shift+ArrowRight"):
        page.keyboard.press(key)
    page.keyboard.press("2")

    added = [span for span in spans(page) if span["label"] == "treatment" and "pillows" in span["quote"]]
    assert [span["quote"] for span in added] == ["Two pillows at"]


def test_arabic_text_is_selected_from_its_right_edge(page: Page) -> None:
    open_gallery(page)
    page.evaluate(PLACE_CARET, "المريض")

    page.keyboard.press("Control+Shift+ArrowLeft")
    page.keyboard.press("p")

    assert "المريض" in [span["quote"] for span in spans(page)]


def test_undo_and_redo_walk_through_every_change_of_the_spans(page: Page) -> None:
    open_gallery(page)
    before = spans(page)
    row = page.locator(".span-row").first
    row.get_by_role("button", name="Change the label").click()
    page.keyboard.press("3")
    page.keyboard.press("n")
    page.keyboard.press("Delete")
    after = spans(page)

    for _ in range(3):
        page.keyboard.press("Control+z")
    assert spans(page) == before
    for _ in range(3):
        page.keyboard.press("Control+Shift+z")
    assert spans(page) == after
    assert len(after) == len(before) - 1


def test_quotes_are_what_stands_at_their_offsets(page: Page) -> None:
    open_gallery(page)
    text = json.loads(page.text_content("#span-editor script[type='application/json']") or "")["text"]

    assert spans(page)
    for span in spans(page):
        assert text[span["start"] : span["end"]] == span["quote"]


def test_without_highlights_the_same_spans_are_marks(page: Page) -> None:
    page.add_init_script("delete window.Highlight")

    open_gallery(page)

    assert page.locator(".note mark.on-label-1").all_text_contents() == ["Prednisolone 40 mg"]
    page.evaluate(PLACE_CARET, "ملاحظة")
    page.keyboard.press("Control+Shift+ArrowLeft")
    page.keyboard.press("p")
    assert "ملاحظة" in [span["quote"] for span in spans(page)]


def test_letters_are_text_in_a_field_and_keys_elsewhere(page: Page) -> None:
    open_gallery(page)

    page.keyboard.press("f")
    page.keyboard.type("s?")
    assert page.evaluate("document.activeElement.value") == "s?"

    page.locator("h1").click()
    page.keyboard.press("?")
    assert page.locator("#keys-sheet").is_visible()


def test_ctrl_enter_submits_although_the_caret_stands_in_a_span(page: Page) -> None:
    open_gallery(page)
    listen = "button => button.addEventListener('click', () => (window.isPressed = true))"
    page.locator(".actions .btn-primary").evaluate(listen)
    page.locator("section [data-key='ctrl+enter']").evaluate("button => button.remove()")
    page.evaluate(PLACE_CARET, "dyspnoea")

    page.keyboard.press("Control+Enter")

    assert page.evaluate("window.isPressed")

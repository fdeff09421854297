"""The calculator and the planning page in a real browser: a worked example, bad input, accessible in every dress."""

import pytest
from playwright.sync_api import Page, expect

from tests.functional.accessibility import faults
from tests.functional.conftest import Window
from tests.personas import Cast


@pytest.fixture
def expected() -> tuple[str, ...]:
    return ("422",)


@pytest.fixture
def page(window: Window, cast: Cast) -> Page:
    return window(cast.lea)


def test_a_published_example_is_computed_in_two_clicks(page: Page) -> None:
    page.goto("/calculator/")
    page.get_by_role("link", name="30 patients, 6 psychiatrists each, 5 diagnoses").click()
    page.wait_for_url("**/calculator/?example=*")  # and its scripts: the key is theirs
    page.keyboard.press("Control+Enter")

    expect(page.locator("#result")).to_contain_text("0.43")
    expect(page.locator("#result")).to_contain_text("0.32 to 0.54")
    expect(page.get_by_role("textbox", name="The whole scale, in order")).to_have_value(
        "depression\npersonality\nschizophrenia\nneurosis\nother"
    )
    assert "?" not in page.url, "what was pasted is in no address"


def test_a_faulty_cell_is_named_and_what_was_typed_stays(page: Page) -> None:
    page.goto("/calculator/")
    page.get_by_role("textbox", name="Ratings").fill("Ann\tBo\nyes\tno\nyes\tmaybe")
    page.get_by_role("textbox", name="The whole scale, in order").fill("yes\nno")
    page.get_by_role("button", name="Compute").click()

    expect(page.get_by_role("alert").first).to_contain_text("Row 3, column Bo: 'maybe' is not on the scale (yes, no).")
    expect(page.get_by_role("textbox", name="Ratings")).to_have_value("Ann\tBo\nyes\tno\nyes\tmaybe")
    assert faults(page) == []


def test_no_page_breaks_a_rule_of_accessibility(page: Page) -> None:
    for address in (
        "/calculator/?example=krippendorff-2011",
        "/calculator/rate/",
        "/projects/visits/planning/",
        "/tokens/",
    ):
        page.goto(address)
        if address.startswith("/calculator/?"):
            page.get_by_role("button", name="Compute").click()
            page.wait_for_selector("#result")
        assert faults(page) == []
        page.evaluate("document.documentElement.dir = 'rtl'")

        assert faults(page) == []


def test_the_calculator_fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto("/calculator/?example=krippendorff-2011")
    page.get_by_role("button", name="Compute").click()
    page.wait_for_selector("#result")

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_lead_finds_the_plan_where_a_round_is_opened(page: Page) -> None:
    page.goto("/projects/visits/rounds/new/")
    page.get_by_role("link", name="How many items do I need?").click()
    page.get_by_label("What if I take this many items").fill("300")
    page.get_by_role("button", name="Compute").click()

    expect(page.get_by_role("heading", name="With 300 items")).to_be_visible()

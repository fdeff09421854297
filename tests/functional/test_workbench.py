"""The workbench in a real browser, by keyboard alone: every kind, drafts, two windows, a lost network."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from annotation.actions.annotations import acknowledge_guideline
from annotation.actions.notes import report_identifier
from annotation.actions.rounds import close_round
from annotation.kinds import KINDS
from annotation.models import Adjudication, Annotation, AnnotationStatus, Assignment, Incident, Skip
from clinicalft.gallery import NOTE
from clinicalft.models import User
from tests.factories.rounds import annotate_all, marked, open_round_with, released_notes
from tests.functional.accessibility import faults
from tests.functional.conftest import Window
from tests.personas import Cast

ARABIC = (
    "التاريخ المرضي\nرجل عمره 67 عاما يعاني من ضيق التنفس منذ 3 أيام. BP <90/60 & HR>120 👩🏽‍⚕️.\n\nالخطة\nبريدنيزولون."
)
IN_NOTE = """const paragraph = [...document.querySelectorAll(".note > p")].find(p => p.textContent.includes(words));
  const at = paragraph.textContent.indexOf(words);
  const range = document.createRange();
  range.setStart(paragraph.firstChild, at);
  range.setEnd(paragraph.firstChild, at + words.length);"""
PLACE_CARET = f"""words => {{
  {IN_NOTE}
  document.querySelector(".note").focus();
  document.getSelection().collapse(range.startContainer, range.startOffset);
}}"""
SELECT = f"""words => {{
  {IN_NOTE}
  document.getSelection().removeAllRanges();
  document.getSelection().addRange(range);
}}"""
PLACE_OF = f"""words => {{
  {IN_NOTE}
  const rect = range.getBoundingClientRect();
  return [rect.left + 1, rect.right - 1, (rect.top + rect.bottom) / 2];
}}"""


@pytest.fixture
def expected() -> tuple[str, ...]:
    return ("status of 422", "status of 409", "status of 410", "ERR_INTERNET_DISCONNECTED")


def begin(page: Page, cast: Cast, number: int) -> None:
    page.goto(f"/projects/{cast.project.slug}/work/{number}/")
    page.keyboard.press("Control+Enter")
    ready(page)


def ready(page: Page, item: int = 1) -> None:
    """The item is there and its modules have mounted."""
    expect(page.locator(".crumb-title")).to_have_text(f"Item {item}")
    expect(page.locator("[data-module]:not([data-mounted])")).to_have_count(0)


def saved(page: Page) -> None:
    expect(page.locator("#save-state [data-part=words]")).to_contain_text("saved")


def pick(page: Page, code: str, *letters: str) -> int:
    """Picks a code by typing, faster than the server answers; the number of keys pressed."""
    n = press(page, "c", *letters, "Enter")
    expect(page.locator(".code-row.is-current .code-value")).to_have_text(code)
    return n


def press(page: Page, *keys: str) -> int:
    for key in keys:
        page.keyboard.press(key)
    return len(keys)


def test_a_classification_round_is_done_with_two_keys_an_item(window: Window, cast: Cast) -> None:
    round = open_round_with(cast, notes=3, overlap=1)
    page = window(cast.ben)
    begin(page, cast, round.number)
    for item in (1, 2, 3):
        ready(page, item)
        press(page, "2", "Control+Enter")
    expect(page.get_by_text("Nothing waits for you here")).to_be_visible()

    answers = Annotation.objects.filter(round=round, status=AnnotationStatus.SUBMITTED)
    assert [row.payload for row in answers] == [{"label": "sick"}] * 3


def test_undo_goes_back_to_the_choice_before(window: Window, cast: Cast) -> None:
    round = open_round_with(cast)
    page = window(cast.ben)
    begin(page, cast, round.number)

    press(page, "1", "3", "u")
    saved(page)

    expect(page.locator("input[value=well]")).to_be_checked()
    page.reload()
    expect(page.locator("input[value=well]")).to_be_checked()


def test_codes_with_evidence_are_picked_by_keyboard(window: Window, cast: Cast) -> None:
    round = open_round_with(cast, kind="coding", notes=[NOTE], overlap=1)
    page = window(cast.ben)
    begin(page, cast, round.number)

    assert pick(page, "J44.1", "j", "4", "4") <= 6, "three typed letters among them"
    expect(page.locator(".code-row.is-current .code-value")).to_have_text("J44.1")
    press(page, "ArrowDown", "Control+ArrowRight", "Control+ArrowRight", "Control+ArrowRight")
    n = press(page, "Control+Shift+ArrowRight", "Control+Shift+ArrowRight", "Control+Shift+ArrowRight", "Enter")
    assert n <= 6
    expect(page.locator(".code-evidence q")).to_have_count(1)
    pick(page, "I10", "i", "1", "0")
    press(page, "Control+Enter")
    expect(page.get_by_text("I10 has no evidence yet. Select the words")).to_be_visible()
    page.locator(".code-row.is-current .code-reason input").focus()
    page.keyboard.type("On the drug list")
    press(page, "Control+Enter")
    expect(page.get_by_text("Nothing waits for you here")).to_be_visible()

    first, second = Annotation.objects.get(status="SUBMITTED").payload["codes"]
    assert first["code"] == "J44.1"
    assert NOTE[first["evidence"][0]["start"] : first["evidence"][0]["end"]] == first["evidence"][0]["quote"]
    assert second["no_evidence"] == "On the drug list"


def test_removing_a_code_and_undo_bring_back_its_evidence(window: Window, cast: Cast) -> None:
    round = open_round_with(cast, kind="coding", notes=[NOTE], overlap=1)
    page = window(cast.ben)
    begin(page, cast, round.number)
    pick(page, "J44.1", "j", "4", "4")
    press(page, "ArrowDown", "Control+Shift+ArrowRight", "Enter")
    quote = page.locator(".code-evidence q").text_content()

    page.get_by_role("button", name="Remove J44.1").press("Enter")
    expect(page.locator(".code-row")).to_have_count(0)
    press(page, "u")

    expect(page.locator(".code-evidence q")).to_have_text(quote or "")
    press(page, "Control+Enter")
    expect(page.get_by_text("Nothing waits for you here")).to_be_visible()
    assert Annotation.objects.get().payload["codes"][0]["evidence"][0]["quote"] == quote


def test_evidence_in_an_arabic_note_with_emoji_is_stored_in_code_points(window: Window, cast: Cast) -> None:
    round = open_round_with(cast, kind="coding", notes=[ARABIC], overlap=1)
    page = window(cast.ben)
    begin(page, cast, round.number)
    pick(page, "J44.1", "j", "4", "4")
    press(page, "ArrowDown", "Home", *["Control+Shift+ArrowLeft"] * 12, "Enter")
    expect(page.locator(".code-evidence q")).to_have_count(1)
    press(page, "Control+Enter")
    expect(page.get_by_text("Nothing waits for you here")).to_be_visible()

    span = Annotation.objects.get().payload["codes"][0]["evidence"][0]
    assert ARABIC[span["start"] : span["end"]] == span["quote"]


def mark(page: Page, words: str, *keys: str) -> int:
    """Selects whole words by keyboard from where they begin, then presses `keys`; the number of keys pressed."""
    page.evaluate(PLACE_CARET, words)
    n = press(page, *["Control+Shift+ArrowRight"] * len(words.split()))
    expect(page.locator(".picker")).to_be_visible()
    return n + press(page, *keys)


def marks(page: Page) -> list[tuple[str, str, dict[str, str]]]:
    """What the page would send: label, quote and attributes of each span."""
    payload = json.loads(page.input_value("[data-part=payload]"))
    return [(span["label"], span["quote"], span["attributes"]) for span in payload["spans"]]


def test_entities_are_marked_told_apart_and_submitted_by_keyboard(window: Window, cast: Cast) -> None:
    round = open_round_with(cast, kind="entities", notes=[NOTE], overlap=1)
    page = window(cast.ben)
    begin(page, cast, round.number)

    assert mark(page, "pulmonary embolism", "1", "a") <= 6, "the attribute among them"
    mark(page, "Prednisolone 40", "2")
    expect(page.locator(".span-row")).to_have_count(2)
    saved(page)
    page.reload()
    ready(page)
    assert marks(page) == [
        ("treatment", "Prednisolone 40", {}),
        ("problem", "pulmonary embolism", {"assertion": "absent"}),
    ]
    press(page, "Control+Enter")
    expect(page.get_by_text("Nothing waits for you here")).to_be_visible()

    treatment, problem = Annotation.objects.get(status="SUBMITTED").payload["spans"]
    assert NOTE[problem["start"] : problem["end"]] == problem["quote"] == "pulmonary embolism"
    assert (treatment["attributes"], problem["attributes"]) == ({}, {"assertion": "absent"})


def test_a_span_is_relabelled_grown_shrunk_undone_and_deleted_by_key(window: Window, cast: Cast) -> None:
    round = open_round_with(cast, kind="entities", notes=[NOTE], overlap=1)
    page = window(cast.ben)
    begin(page, cast, round.number)
    mark(page, "acute exacerbation", "1", "p")

    press(page, "Enter", "ArrowRight", "Shift+ArrowLeft")
    assert marks(page) == [("problem", "with acute exacerbation. Prednisolone", {"assertion": "possible"})]
    press(page, "ArrowLeft", "Shift+ArrowRight", "Alt+ArrowLeft")
    assert marks(page) == [("problem", "acute exacerbatio", {"assertion": "possible"})]
    press(page, "Alt+ArrowRight", "2")
    assert marks(page) == [("treatment", "acute exacerbation", {})], "no assertion is asked of a treatment"
    press(page, "u")
    assert marks(page) == [("problem", "acute exacerbation", {"assertion": "possible"})]
    mark(page, "COPD", "1")
    mark(page, "COPD with acute", "2")
    expect(page.locator(".span-row")).to_have_count(3)
    press(page, "Delete")
    assert [quote for _, quote, _ in marks(page)] == ["COPD", "acute exacerbation"]


def test_spans_are_marked_and_changed_by_mouse_alone(window: Window, cast: Cast) -> None:
    round = open_round_with(cast, kind="entities", notes=[NOTE], overlap=1)
    page = window(cast.ben)
    begin(page, cast, round.number)

    drag(page, "Prednisolone")
    page.locator(".pick", has_text="problem").click()
    page.locator(".span-row .span-quote").click()
    page.get_by_role("button", name="Move the end one word to the right").click()
    page.get_by_role("button", name="absent").click()
    assert marks(page) == [("problem", "Prednisolone 40", {"assertion": "absent"})]
    page.get_by_role("button", name="Change the label problem").click()
    page.locator(".pick", has_text="treatment").click()
    assert marks(page) == [("treatment", "Prednisolone 40", {})]
    page.get_by_role("button", name="Delete treatment").click()
    assert marks(page) == []


def test_spans_are_marked_by_finger(window: Window, cast: Cast) -> None:
    round = open_round_with(cast, kind="entities", notes=[NOTE], overlap=1)
    page = window(cast.ben)
    begin(page, cast, round.number)

    page.locator(".note").dispatch_event("pointerdown", {"pointerType": "touch", "bubbles": True})
    page.evaluate(SELECT, "Prednisolone")
    page.locator(".pick", has_text="treatment").click()

    assert marks(page) == [("treatment", "Prednisolone", {})]


def test_in_an_arabic_note_arrows_move_bounds_as_they_point(window: Window, cast: Cast) -> None:
    round = open_round_with(cast, kind="entities", notes=[ARABIC], overlap=1)
    page = window(cast.ben)
    begin(page, cast, round.number)
    page.evaluate(SELECT, "ضيق")
    page.locator(".note").press("Enter")
    press(page, "1", "Enter", "ArrowLeft")
    assert marks(page) == [("problem", "ضيق التنفس", {})]
    press(page, "ArrowRight", "Shift+ArrowRight")
    assert marks(page) == [("problem", "من ضيق", {})]
    press(page, "Control+Enter")
    expect(page.get_by_text("Nothing waits for you here")).to_be_visible()

    span = Annotation.objects.get().payload["spans"][0]
    assert ARABIC[span["start"] : span["end"]] == span["quote"] == "من ضيق"


def test_that_nothing_is_to_be_marked_is_said_with_one_key(window: Window, cast: Cast) -> None:
    round = open_round_with(cast, kind="entities", notes=[NOTE], overlap=1)
    page = window(cast.ben)
    begin(page, cast, round.number)
    press(page, "Control+Enter")
    expect(page.get_by_text("Mark the words, or say that there is nothing to mark.")).to_be_visible()

    press(page, "0", "Control+Enter")
    expect(page.get_by_text("Nothing waits for you here")).to_be_visible()

    assert Annotation.objects.get().payload == {"spans": [], "none_apply": True}


def test_who_settles_entities_begins_with_what_readers_share_and_sees_where_they_differ(
    window: Window, cast: Cast
) -> None:
    round = open_round_with(cast, kind="entities", notes=[NOTE], annotators=(cast.ben, cast.eve))
    both = ("problem", "worsening dyspnoea")
    annotate_all(round, {
        cast.ben: marked(both, ("problem", "pulmonary embolism", "absent")),
        cast.eve: marked(both, ("problem", "pulmonary embolism", "possible"), ("treatment", "Prednisolone")),
    })  # fmt: skip
    close_round(round, by=cast.lea)
    page = window(cast.cleo)
    page.goto(f"/projects/{cast.project.slug}/rounds/{round.number}/items/1/adjudicate/")
    expect(page.locator("[data-module]:not([data-mounted])")).to_have_count(0)

    assert marks(page) == [("problem", "worsening dyspnoea", {"assertion": "present"})]
    differing = page.locator(".differs q").all_text_contents()
    assert sorted(differing) == ["Prednisolone", "pulmonary embolism", "pulmonary embolism"]
    page.get_by_role("button", name="Take treatment: Prednisolone").click()
    page.get_by_role("button", name="Take problem: pulmonary embolism").first.click()
    page.get_by_role("button", name="Take problem: pulmonary embolism").last.click()
    page.locator(".span-row", has_text="Prednisolone").get_by_role("button", name="Delete").click()
    assert [quote for _, quote, _ in marks(page)] == ["worsening dyspnoea", "pulmonary embolism"], "taken once"
    assertion = marks(page)[1][2]["assertion"]
    assert assertion in page.locator(".differs", has_text="pulmonary embolism").last.inner_text()
    press(page, "Control+Enter")
    expect(page).to_have_url(re.compile("agreement"))

    final = Adjudication.objects.get().payload["spans"]
    assert [(span["quote"], span["attributes"]["assertion"]) for span in final] == [
        ("worsening dyspnoea", "present"), ("pulmonary embolism", assertion),
    ]  # fmt: skip
    page.goto(f"/projects/{cast.project.slug}/rounds/{round.number}/items/1/adjudicate/")
    expect(page.get_by_role("heading", name="Final answer")).to_be_visible()
    expect(page.locator("[data-module]:not([data-mounted])")).to_have_count(0)


def drag(page: Page, words: str) -> None:
    """Draws the mouse over the first `words` of the note."""
    left, right, y = page.evaluate(PLACE_OF, words)
    page.mouse.move(left, y)
    page.mouse.down()
    page.mouse.move(right, y, steps=8)
    page.mouse.up()


def test_a_summary_is_typed_saved_counted_and_submitted(window: Window, cast: Cast) -> None:
    round = open_round_with(cast, kind="summary", notes=1, overlap=1)
    page = window(cast.ben)
    begin(page, cast, round.number)

    page.keyboard.type("Dyspnoea")
    saved(page)
    expect(page.locator("#summary-count")).to_have_text("1 of 2 to 20 words")
    press(page, "Control+Enter")
    expect(page.get_by_text("At least 2 words are asked for")).to_be_visible()
    page.keyboard.type(" for three days s u ! 1")
    press(page, "Control+Enter")
    expect(page.get_by_text("Nothing waits for you here")).to_be_visible()

    assert Annotation.objects.get().payload == {"text": "Dyspnoea for three days s u ! 1"}


def test_an_item_is_passed_on_with_a_reason(window: Window, cast: Cast) -> None:
    round = open_round_with(cast, notes=2)
    page = window(cast.ben)
    begin(page, cast, round.number)

    press(page, "s", "2", "4")
    page.keyboard.type("A neurologist should see it")
    press(page, "Control+Enter")
    ready(page, 2)

    skip = Skip.objects.get()
    assert (skip.reason, skip.comment) == ("NOT_MY_FIELD", "A neurologist should see it")


def test_an_identifier_takes_the_note_away_with_two_keys(window: Window, cast: Cast) -> None:
    round = open_round_with(cast, notes=2)
    page = window(cast.ben)
    begin(page, cast, round.number)

    press(page, "!", "Control+Enter")
    ready(page, 2)

    assert Incident.objects.get().reported_by == cast.ben


def test_an_open_page_drops_the_text_when_somebody_else_reports_it(window: Window, cast: Cast) -> None:
    round = open_round_with(cast)
    page = window(cast.ben)
    page.clock.install()
    begin(page, cast, round.number)
    text = page.locator("[data-part=text]")
    expect(text).to_be_visible()

    report_identifier(Assignment.objects.get(annotator=cast.ben, status="CLAIMED").item, by=cast.eve)
    page.clock.run_for(16_000)

    expect(page.get_by_text("This note was taken away, because it may name somebody.").first).to_be_visible()
    expect(text).to_have_count(0)


def test_two_windows_of_one_person_lose_nothing(window: Window, cast: Cast) -> None:
    round = open_round_with(cast)
    first, second = window(cast.ben), window(cast.ben)
    begin(first, cast, round.number)
    second.goto(first.url)
    ready(second)
    press(first, "1")
    saved(first)

    press(second, "2")

    expect(second.get_by_text("There are two versions")).to_be_visible()
    assert Annotation.objects.get().payload == {"label": "well"}
    second.get_by_role("button", name="Keep this page").press("Enter")
    expect(second.get_by_text("There are two versions")).to_be_hidden()
    saved(second)
    assert Annotation.objects.get().payload == {"label": "sick"}


def test_work_without_a_network_is_saved_when_it_is_back(window: Window, cast: Cast) -> None:
    round = open_round_with(cast)
    page = window(cast.ben)
    begin(page, cast, round.number)
    page.context.set_offline(True)
    press(page, "3")
    expect(page.locator("#save-state")).to_contain_text("offline")

    page.context.set_offline(False)

    saved(page)
    assert Annotation.objects.get().payload == {"label": "dying"}


def test_the_guideline_lies_beside_the_work_and_keeps_its_place(window: Window, cast: Cast) -> None:
    round = open_round_with(cast, notes=2)
    page = window(cast.ben)
    begin(page, cast, round.number)

    press(page, "h")
    expect(page.locator("#guideline")).to_be_visible()
    press(page, "1", "Control+Enter")
    ready(page, 2)
    expect(page.locator("#guideline")).to_be_visible()
    press(page, "h")
    expect(page.locator("#guideline")).to_be_hidden()


def test_time_on_an_item_is_counted_and_a_heartbeat_keeps_it(window: Window, cast: Cast) -> None:
    round = open_round_with(cast)
    page = window(cast.ben)
    begin(page, cast, round.number)
    page.wait_for_timeout(2200)
    press(page, "1", "Control+Enter")
    ready(page, 2)

    assert Annotation.objects.get().seconds >= 1
    assert Assignment.objects.get(annotator=cast.ben, status="CLAIMED").item.number == 2


def test_the_pages_of_a_round_break_no_rule_of_accessibility(window: Window, cast: Cast) -> None:
    User.objects.filter(pk=cast.ben.pk).update(theme="dark")
    User.objects.filter(pk=cast.lea.pk).update(theme="light")
    notes = released_notes(cast, [NOTE, ARABIC])
    rounds = [open_round_with(cast, kind=kind, notes=notes) for kind in KINDS]
    page, lead = window(cast.ben), window(cast.lea)
    slug = cast.project.slug
    for round in rounds:
        begin(page, cast, round.number)
        if round.kind == "coding":
            pick(page, "J44.1", "j", "4", "4")
        if round.kind == "entities":
            mark(page, "worsening dyspnoea", "1", "a", "Enter")
        assert faults(page) == []
    press(page, "s") if page.locator("textarea:focus").count() == 0 else page.locator("[data-opens=skip-sheet]").click()
    assert faults(page) == []
    for path in ("work/", f"work/{rounds[0].number}/done/"):
        page.goto(f"/projects/{slug}/{path}")
        assert faults(page) == []
    for path in ("rounds/", "rounds/new/", f"rounds/{rounds[0].number}/", f"guidelines/{rounds[0].guideline_id}/",
                 f"schemas/{rounds[0].schema_id}/", f"rounds/{rounds[0].number}/items/1/withdraw/"):  # fmt: skip
        lead.goto(f"/projects/{slug}/{path}")
        assert faults(lead) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_workbench_fits_a_phone(window: Window, cast: Cast, kind: str) -> None:
    round = open_round_with(cast, kind=kind, notes=[NOTE])
    page = window(cast.ben)
    page.set_viewport_size({"width": 360, "height": 740})
    begin(page, cast, round.number)

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_new_guideline_is_acknowledged_with_one_key(window: Window, cast: Cast) -> None:
    round = open_round_with(cast, has_read=False)
    acknowledge_guideline(round, by=cast.eve)
    page = window(cast.ben)
    page.goto(f"/projects/{cast.project.slug}/work/{round.number}/")
    press(page, "r")
    ready(page)


def test_a_lead_opens_a_round_by_its_form(window: Window, cast: Cast) -> None:
    released_notes(cast, 4)
    page = window(cast.lea)
    page.goto(f"/projects/{cast.project.slug}/rounds/")
    press(page, "n")
    page.fill("[name=title]", "First look")
    page.fill("[name=schema_title]", "Sickness")
    page.fill("[name=classification-labels]", "well\nsick")
    page.fill("[name=guideline_title]", "How")
    page.fill("[name=guideline_text]", "# How\n\nRead **first**.")
    press(page, "Alt+p")
    expect(page.locator("#preview strong")).to_have_text("first")
    expect(page.locator("[data-kind=coding]")).to_be_hidden()
    for name in ("Ben", "Eve"):
        page.get_by_label(name, exact=True).check()
    press(page, "Control+Enter")

    expect(page.get_by_role("heading", name="Round 1: First look")).to_be_visible()

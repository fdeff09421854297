"""Privacy review in a real browser, by keyboard alone: hits, tags, the covered original, save and next."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from annotation import tasks
from annotation.actions.notes import release_notes, report_identifier
from annotation.actions.taught import add_term
from annotation.deid import Settings
from annotation.models import DeidentifiedNote, Incident, Note, NoteStatus
from clinicalft.models import AuditEvent
from tests.factories.notes import deidentified_batch, imported_batch, jsonl, note_rows, queued_batch
from tests.functional.accessibility import faults
from tests.functional.conftest import Window
from tests.personas import Cast

PAGES = "/projects/visits/notes/"
TEXT = "HISTORY\nMr. Okafor came on March 9, 2021 with the baker 🩺 Frobnitz.\nFrobnitz drives him. Value 8812345 seen."
CARET_BEFORE = """words => {
  const pane = document.querySelector("[data-part=tagged]");
  pane.focus();
  const piece = [...pane.querySelectorAll("[data-start]")].find((each) => each.textContent.includes(words));
  document.getSelection().collapse(piece.firstChild, piece.textContent.indexOf(words));
}"""


@pytest.fixture(autouse=True)
def rules_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is found here is what the rules find: what a statistical pass makes of invented words is not the point."""
    monkeypatch.setattr(tasks, "site_settings", lambda: Settings(passes=("rules",)))
    tasks._deidentifier.cache_clear()
    yield
    tasks._deidentifier.cache_clear()


@pytest.fixture
def page(window: Window, cast: Cast) -> Page:
    return window(cast.priya)


def open_review(page: Page, number: int) -> None:
    page.goto(f"{PAGES}{number}/review/")
    expect(page.locator("[data-module]:not([data-mounted])")).to_have_count(0)


def marked(page: Page) -> list[str]:
    """The words that would be replaced now, with their labels."""
    spans = json.loads(page.input_value("[data-part=value]"))
    return [f"{span['label']} {TEXT[span['start'] : span['end']]}" for span in spans]


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def confirm(page: Page) -> None:
    """Enter, once the dialog has taken the focus."""
    expect(page.locator("#everywhere [autofocus]")).to_be_focused()
    press(page, "Enter")


def one_patient(cast: Cast, texts: list[str]) -> list[Note]:
    """De-identified notes that all belong to the patient of the first."""
    batch = deidentified_batch(cast, len(texts), texts)
    batch.notes.update(patient=batch.notes.get(number=1).patient)
    return list(batch.notes.order_by("number"))


def test_a_note_is_reviewed_by_keyboard_alone(page: Page, cast: Cast) -> None:
    note, other = one_patient(cast, [TEXT, "FROBNITZ called. Cough."])
    assert note.status == NoteStatus.HELD
    page.goto(f"{PAGES}queue/")
    press(page, "v")
    page.wait_for_url(f"**{PAGES}1/review/")
    expect(page.locator("[data-module]:not([data-mounted])")).to_have_count(0)
    live, state = page.locator("[data-part=live]"), page.locator("#review-state")
    assert marked(page) == ["NAME Mr. Okafor", "DATE March 9, 2021"]
    expect(state).to_have_text("Saved")

    press(page, "n")
    expect(live).to_contain_text("1 of 3: Other identifying number or code, second scan.")
    press(page, "t")
    expect(live).to_contain_text("Tagged as Other identifying number or code.")
    expect(state).to_have_text("Not saved yet")
    press(page, "n", "n", "p", "x")
    press(page, "u")
    page.evaluate(CARET_BEFORE, "Frobnitz.")
    press(page, *["Shift+ArrowRight"] * 8, "a", "1")
    dialog = page.locator("#everywhere")
    expect(dialog).to_contain_text("3 places in 2 notes of this patient become name of a person, 2 of them here.")
    confirm(page)
    expect(page.get_by_text("The string is tagged: 3 places in 2 notes.").first).to_be_visible()
    assert marked(page) == [
        "NAME Mr. Okafor", "DATE March 9, 2021", "NAME Frobnitz", "NAME Frobnitz", "OTHER_ID 8812345",
    ]  # fmt: skip
    press(page, "Control+Enter")
    page.wait_for_url(f"**{PAGES}2/review/")

    current = DeidentifiedNote.objects.get(note=note, is_current=True)
    assert current.text == (
        "HISTORY\n[NAME] came on [DATE] with the baker 🩺 [NAME].\n[NAME] drives him. Value [OTHER_ID] seen."
    )
    assert current.reviewed_by == cast.priya
    assert DeidentifiedNote.objects.get(note=other, is_current=True).text == "[NAME] called. Cough."
    assert not AuditEvent.objects.filter(act="NOTE_READ_RAW").exists()

    press(page, "z")
    expect(page.get_by_text("Taken back in").first).to_be_visible()
    assert DeidentifiedNote.objects.get(note=other, is_current=True).text == "FROBNITZ called. Cough."


def test_a_dropped_hit_is_freed_in_all_notes_of_the_patient_and_unsaved_marks_are_kept(page: Page, cast: Cast) -> None:
    note, other = one_patient(cast, ["Mr. Zlatarov came. The baker, too.", "Dr. Smith met Mr. Zlatarov."])
    open_review(page, note.number)
    page.evaluate(CARET_BEFORE, "baker")
    press(page, *["Shift+ArrowRight"] * 5, "t", "1")
    page.locator("[data-part=tagged] mark.tag").first.click()
    press(page, "x", "f")
    expect(page.locator("#everywhere")).to_contain_text("are no identifier any more")
    confirm(page)
    expect(page.get_by_text("The string is no identifier any more").first).to_be_visible()

    assert DeidentifiedNote.objects.get(note=note, is_current=True).text == "Mr. Zlatarov came. The [NAME], too."
    assert "Mr. Zlatarov" in DeidentifiedNote.objects.get(note=other, is_current=True).text


def test_on_a_narrow_screen_one_text_is_shown_and_a_key_shows_the_other(page: Page, cast: Cast) -> None:
    deidentified_batch(cast, 1, [TEXT])
    page.set_viewport_size({"width": 360, "height": 740})
    open_review(page, 1)
    tagged, original = page.locator("[data-part=tagged]"), page.locator("#original")

    expect(original).to_be_hidden()
    press(page, "s")
    expect(tagged).to_be_hidden()
    expect(original).to_be_visible()
    press(page, "s")
    expect(tagged).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_hit_is_dropped_or_gets_another_label(page: Page, cast: Cast) -> None:
    deidentified_batch(cast, 1, [TEXT])
    open_review(page, 1)

    press(page, "n", "n", "x")
    expect(page.locator("[data-part=tagged] mark.is-off")).to_have_count(1)
    press(page, "r", "9")

    assert [mark.split()[0] for mark in marked(page)] == ["MRN"]


def test_the_original_is_fetched_when_asked_for_and_covered_again(page: Page, cast: Cast) -> None:
    deidentified_batch(cast, 1, [TEXT])
    open_review(page, 1)
    original = page.locator("#original")
    assert "Okafor" not in page.content()

    press(page, "o")
    expect(original.get_by_text("Okafor")).to_be_visible()
    press(page, "o")
    expect(original.get_by_text("Okafor")).to_be_hidden()
    button = page.locator("[data-part=reveal]")
    button.hover()
    page.mouse.down()
    expect(original.get_by_text("Okafor")).to_be_visible()
    page.wait_for_timeout(500)
    page.mouse.up()
    expect(original.get_by_text("Okafor")).to_be_hidden()

    assert AuditEvent.objects.filter(act="NOTE_READ_RAW").count() == 1
    assert page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])").find("Okafor") == -1


def test_words_are_tagged_in_the_original_too(page: Page, cast: Cast) -> None:
    deidentified_batch(cast, 1, [TEXT])
    open_review(page, 1)

    press(page, "o")
    page.locator("#original").get_by_text("baker").wait_for()
    page.evaluate(CARET_BEFORE.replace("[data-part=tagged]", "#original"), "baker")
    press(page, *["Shift+ArrowRight"] * 5, "t", "1")

    assert "NAME baker" in marked(page)


def test_no_page_of_notes_breaks_a_rule_of_accessibility(page: Page, cast: Cast) -> None:
    deidentified_batch(cast, 2, [TEXT, "Cough."])
    released = deidentified_batch(cast, 2, start=11)
    release_notes(released, by=cast.priya)
    report_identifier(released.notes.order_by("number")[1], by=cast.ben, comment="A name")
    add_term(cast.project, kind="DENY", words="Quarry mill", label="LOCATION", by=cast.priya)
    incident = f"incidents/{Incident.objects.get().pk}/"
    imported_batch(cast, 1, start=21)
    queued_batch(cast, jsonl(note_rows(1, start=31)))
    batches = [f"batches/{number}/" for number in (1, 2, 3, 4)]
    others = ["batches/upload/", "batches/1/release/", "released/", "released/3/", "incidents/", "queue/", "terms/"]
    found: dict[str, list[str]] = {}
    for path in ("", *batches, *others, incident):
        page.goto(PAGES + path)
        found[path] = faults(page)
    page.goto(f"{PAGES}batches/upload/")
    content = (jsonl(note_rows(2, start=41)) + "not json\n").encode()
    page.set_input_files("input[type=file]", {"name": "a.jsonl", "mimeType": "text/plain", "buffer": content})
    press(page, "Control+Enter")
    page.wait_for_url("**/preview/")
    found["preview"] = faults(page)
    open_review(page, 1)
    press(page, "o", "n")
    page.locator("#original").get_by_text("baker").wait_for()
    found["review"] = faults(page)
    press(page, "a")
    expect(page.locator("#everywhere [autofocus]")).to_be_focused()
    found["everywhere"] = faults(page)

    assert {path: rules for path, rules in found.items() if rules} == {}

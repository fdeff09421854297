"""From a file to a signed release through pages: import, de-identify, review a sample by keyboard, figures, signature,
certificate; then a leak that somebody reports from the workbench takes the note away from everyone."""

import base64
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from annotation.models import Batch, DeidentifiedNote, Incident, NoteStatus, Release, RiskSample
from annotation.releasing import faults_of
from tests.conftest import StartWorker
from tests.factories.evaluation import with_password
from tests.factories.risk import second_officer
from tests.factories.rounds import open_round_with
from tests.functional.accessibility import faults
from tests.functional.conftest import Window
from tests.personas import PASSWORD, Cast, make_cast

PAGES = "/projects/visits/notes/"
SLOW = 90_000
TEXT = """HISTORY OF PRESENT ILLNESS
{first} {last} (MRN {mrn}) is seen on March {day}, 2021 for a dry cough. She lives at 12 Elm Street, Springfield.

ASSESSMENT AND PLAN
Bronchitis. Call 555-201-00{day:02d} if worse."""
PEOPLE = [("Maria", "Santos"), ("Wei", "Zhang"), ("Amira", "Haddad"), ("Olga", "Petrova")]


CARET_BEFORE = """word => {
  const walker = document.createTreeWalker(document.querySelector("[data-part=text]"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const at = walker.currentNode.textContent.indexOf(word);
    if (at >= 0) return document.getSelection().collapse(walker.currentNode, at);
  }
}"""


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    cast = make_cast(sample_min_notes=20)
    second_officer(cast)
    for person in (cast.priya, cast.rob):
        with_password(person)
    return cast


@pytest.fixture
def expected() -> tuple[str, ...]:
    return ("status of 404", "status of 409")  # of a note that was taken away


def picture(page: Page, name: str) -> None:
    """A picture of the page where somebody asks for one by PICTURES=folder."""
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"), full_page=True)


def uploaded() -> dict[str, Any]:
    """A FHIR Bundle: four patients, an encounter and a note of each."""
    resources: list[dict[str, Any]] = []
    for i, (first, last) in enumerate(PEOPLE, 1):
        patient, mrn = f"Patient/p{i}", f"00{i}45671"
        text = TEXT.format(first=first, last=last, mrn=mrn, day=i)
        resources += [
            {"resourceType": "Patient", "id": f"p{i}", "name": [{"given": [first], "family": last}],
             "birthDate": f"196{i}-02-03", "identifier": [{"type": {"coding": [{"code": "MR"}]}, "value": mrn}],
             "address": [{"line": ["12 Elm Street"], "city": "Springfield", "state": "MA"}]},
            {"resourceType": "Encounter", "id": f"e{i}", "subject": {"reference": patient},
             "period": {"start": f"2021-03-0{i}T09:00:00Z"}},
            {"resourceType": "DocumentReference", "id": f"n{i}", "subject": {"reference": patient},
             "context": {"encounter": [{"reference": f"Encounter/e{i}"}],
                         "practiceSetting": {"text": "Pulmonology" if i % 2 else "Family medicine"}},
             "content": [{"attachment": {"contentType": "text/plain",
                                         "data": base64.b64encode(text.encode()).decode()}}]},
        ]  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": each} for each in resources]}
    return {"name": "bundle.json", "mimeType": "application/json", "buffer": json.dumps(bundle).encode()}


def test_from_a_file_to_a_signed_certificate_and_back_when_somebody_sees_an_identifier(
    window: Window, cast: Cast, start_worker: StartWorker
) -> None:
    start_worker("default")
    priya, rob = window(cast.priya), window(cast.rob)
    import_notes(priya)
    draw(priya)
    review(priya, "cough", is_leak_in=(1, 2))
    review(rob, "cough", is_leak_in=(1,))
    settle(priya)
    look_at_the_figures(priya)
    sign(priya)
    look_at_the_certificate(window(cast.otto))
    report(window, cast)


def import_notes(priya: Page) -> None:
    priya.goto(f"{PAGES}batches/upload/")
    priya.set_input_files("input[type=file]", uploaded())
    priya.get_by_role("button", name="Look at the file").click()
    priya.get_by_role("button", name="Import 4 notes").click()
    expect(priya.get_by_text("Waiting for review").nth(3)).to_be_visible(timeout=SLOW)
    assert not DeidentifiedNote.objects.filter(text__contains="Santos").exists()


def draw(priya: Page) -> None:
    priya.keyboard.press("e")
    expect(priya.get_by_text("Nobody knows how many identifiers are left in it.")).to_be_visible()
    expect(priya.get_by_role("button", name="Sign and release")).to_have_count(0)
    picture(priya, "risk-plan")
    priya.keyboard.press("d")
    expect(priya.get_by_role("heading", name="Sample 1")).to_be_visible()
    assert RiskSample.objects.get().n_reviews == 2


def review(officer: Page, word: str, is_leak_in: tuple[int, ...]) -> None:
    """By keyboard alone: in some notes of the sample `word` is marked as a name, the others are passed."""
    number = Batch.objects.get().number
    officer.goto(f"{PAGES}batches/{number}/release/")
    officer.keyboard.press("s")
    for position in range(1, 5):
        officer.wait_for_url(f"**/samples/1/{position}/")
        expect(officer.locator("[data-module]:not([data-mounted])")).to_have_count(0)
        expect(officer.locator("mark.tag", has_text="[NAME]").first).to_be_visible()
        if position in is_leak_in:
            expect(officer.locator("[data-part=text]")).to_be_focused()
            officer.evaluate(CARET_BEFORE, word)
            press(officer, *["Shift+ArrowRight"] * len(word), "1")
            expect(officer.locator(".span-row")).to_have_count(1)
            expect(officer.locator(".span-quote")).to_have_text(word)
        if position == 1:
            picture(officer, "risk-review")
        press(officer, "Control+Enter")
    officer.wait_for_url("**/release/")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def settle(priya: Page) -> None:
    priya.goto(f"{PAGES}batches/1/release/")
    press(priya, "m")
    expect(priya.locator("tbody tr")).to_have_count(2)
    picture(priya, "risk-measure")
    undecided = priya.locator("tbody select").first
    expect(undecided).to_have_value("")
    undecided.select_option("NAME")
    press(priya, "Control+Enter")
    expect(priya.get_by_text("What had leaked is tagged now")).to_be_visible()


def look_at_the_figures(priya: Page) -> None:
    figures = RiskSample.objects.get().figures
    assert (figures["n_leaks"], figures["n_notes_with_leak"]) == (2, 2)
    assert (figures["recapture"]["n_both"], figures["recapture"]["missed"]["value"]) == (1, 0)
    expect(priya.get_by_text("at most", exact=False).first).to_be_visible()
    expect(priya.get_by_text("Chapman").first).to_be_visible()
    picture(priya, "risk-figures")
    assert faults(priya) == []
    priya.get_by_role("link", name="50.00 %").click()
    expect(priya.get_by_text("2 notes with a leak.")).to_be_visible()
    expect(priya.get_by_text("cough").first).to_be_visible()
    assert faults(priya) == []
    assert DeidentifiedNote.objects.filter(is_current=True, text__contains="dry [NAME].").count() == 2


def sign(priya: Page) -> None:
    priya.goto(f"{PAGES}batches/1/release/")
    priya.get_by_label("I attest this").check()
    priya.get_by_label("Your password").fill(PASSWORD)
    press(priya, "Control+Enter")
    expect(priya.get_by_text("Signed: 4 notes are released.")).to_be_visible()
    assert faults_of(Release.objects.get()) == []


def look_at_the_certificate(otto: Page) -> None:
    otto.goto(f"{PAGES}releases/")
    otto.get_by_role("link", name="Release 1").click()
    expect(otto.get_by_role("heading", name="De-identification certificate")).to_be_visible()
    expect(otto.get_by_text("no actual knowledge", exact=False)).to_be_visible()
    picture(otto, "certificate")
    assert faults(otto) == []
    with otto.expect_download() as pdf:
        otto.get_by_role("link", name="PDF").click()
    assert Path(pdf.value.path()).read_bytes().startswith(b"%PDF")
    press(otto, "v")
    expect(otto.get_by_text("All of it matches", exact=False)).to_be_visible()
    assert faults(otto) == []


def report(window: Window, cast: Cast) -> None:
    """Two clinicians have the note on their screens; one presses a key, and it is gone for both."""
    note = DeidentifiedNote.objects.filter(is_current=True).select_related("note").earliest("note__number")
    round = open_round_with(cast, notes=[note], annotators=[cast.ben, cast.eve])
    ben, eve = window(cast.ben), window(cast.eve)
    for clinician in (ben, eve):
        clinician.goto(f"/projects/visits/work/{round.number}/")
        press(clinician, "Control+Enter")
        expect(clinician.locator(".crumb-title")).to_have_text("Item 1")
        expect(clinician.locator("[data-module]:not([data-mounted])")).to_have_count(0)
    here = eve.url

    started = time.monotonic()
    press(ben, "!", "Control+Enter")
    expect(ben.get_by_text("Nothing waits for you here")).to_be_visible()
    answer = eve.goto(here)
    sys.stderr.write(f"the note was gone for both after {time.monotonic() - started:.2f} s\n")

    assert answer is not None
    assert "dry" not in eve.locator("main").inner_text()
    note.note.refresh_from_db()
    assert note.note.status == NoteStatus.WITHDRAWN
    assert Incident.objects.get().reported_by == cast.ben
    assert eve.goto(f"{PAGES}released/{note.note.number}/").status == 404  # type: ignore[union-attr]

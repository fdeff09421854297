"""The whole line through pages only: bin/up on an empty state folder, the printed log-ins, and a browser.

A file of notes is imported, de-identified, released, annotated by two clinicians, measured, frozen, trained on,
answered, rated blind by three clinicians, reported and signed by two leads. In the end a planted phrase is looked for
in every place where note text must not be.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from playwright.sync_api import Browser, Page, expect, sync_playwright

from clinicalft.embedded import redis_url

PLANTED = "zanthoxylum quibble"
SLOW = 240_000
BACKGROUND = 90_000
N_NOTES = 12


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """bin/up as a newcomer starts it: its address, its log-ins (name -> e-mail, password), its state folder."""
    var = tmp_path_factory.mktemp("journey")
    inherited = {name: value for name, value in os.environ.items() if not name.endswith(("_URL", "_DIR", "_ROOT"))}
    kept = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "FIELD_KEYS", "DJANGO_SETTINGS_MODULE")
    environment = {**{n: v for n, v in inherited.items() if n not in kept}, "CLINICALFT_VAR": str(var)}
    output = (var / "up.txt").open("w+b")
    up = subprocess.Popen(
        [sys.executable, str(Path(settings.BASE_DIR) / "bin" / "up"), "--port", "8410"],
        cwd=settings.BASE_DIR, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    try:
        yield {"var": var, **_printed(up, var / "up.txt")}
    finally:
        up.send_signal(signal.SIGINT)
        try:
            up.wait(90)
        except subprocess.TimeoutExpired:
            os.killpg(up.pid, signal.SIGKILL)
        output.close()


def _printed(up: "subprocess.Popen[bytes]", path: Path) -> dict[str, Any]:
    """Waits for the address and reads the log-ins that bin/up prints."""
    deadline = time.monotonic() + SLOW / 1000
    while time.monotonic() < deadline and up.poll() is None:
        text = path.read_text()
        logins = dict(re.findall(r"(\w+) \w+ +(\w+@demo\.example)", text))
        if (address := re.search(r"http://127\.0\.0\.1:\d+", text)) and len(logins) == 8:
            password = re.search(r"@demo\.example +(.+)", text)
            assert password
            return {"url": address[0], "logins": logins, "password": password[1].strip()}
        time.sleep(0.5)
    pytest.fail(f"bin/up printed no address and log-ins:\n{path.read_text()[-3000:]}")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


class Office:
    """The people of the demo, each in a browser of their own, and what their browsers complained about."""

    def __init__(self, browser: Browser, app: dict[str, Any]) -> None:
        self.browser, self.app = browser, app
        self.pages: dict[str, Page] = {}
        self.complaints: list[str] = []
        self.urls: list[str] = []

    def page(self, name: str) -> Page:
        """The page of a person, logged in by the form."""
        if name not in self.pages:
            context = self.browser.new_context(base_url=self.app["url"], viewport={"width": 1366, "height": 850})
            context.set_default_timeout(BACKGROUND)
            page = context.new_page()
            page.on("pageerror", lambda error: self.complaints.append(f"{name}: {error}"))
            page.on("console", lambda message: self._listen(name, message))
            page.on("request", lambda request: self.urls.append(request.url))
            page.goto("/login/")
            page.get_by_label("E-mail").fill(self.app["logins"][name])
            page.get_by_label("Password").fill(self.app["password"])
            page.keyboard.press("Enter")
            page.wait_for_url(f"{self.app['url']}/")
            self.pages[name] = page
        return self.pages[name]

    def _listen(self, name: str, message: Any) -> None:
        # A refused form is answered with 422 or 409, which the browser's console calls an error.
        if message.type == "error" and not re.search(r"status of (409|422)", message.text):
            self.complaints.append(f"{name}: {message.text}")


def note(number: int) -> dict[str, str]:
    """A short note; odd ones are about a cough, even ones about a knee."""
    text = (
        f"CHIEF COMPLAINT\nCough.\n\nMr. Walter Quillon {number} has a dry cough since March {number}, 2021. {PLANTED}."
        if number % 2
        else f"CHIEF COMPLAINT\nKnee pain.\n\nMrs. Edda Quillon fell on her knee on April {number}, 2021. {PLANTED}."
    )
    return {"id": f"j{number}", "patient_id": f"p{number}", "last_name": "Quillon", "text": text}


@contextmanager
def step(name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    sys.stderr.write(f"journey: {name}, {time.monotonic() - started:.0f} s\n")


def test_from_a_raw_note_to_a_signed_release_through_pages_only(
    app: dict[str, Any], browser: Browser, tmp_path: Path
) -> None:
    office = Office(browser, app)
    with step("settings"):
        small_gates(office.page("Lena"))
    with step("import, de-identify, release"):
        import_file(office.page("Petra"), tmp_path)
        review_and_release(office.page("Petra"), app["password"])
    with step("open a round"):
        open_round(office.page("Lena"))
    with step("annotate"):
        for name in ("Carl", "Clara"):
            annotate(office.page(name))
    with step("agreement"):
        measure(office.page("Lena"))
    with step("freeze"):
        freeze(office.page("Lena"))
    with step("train"):
        train(office.page("Ada"))
    with step("infer"):
        infer(office.page("Ada"))
    with step("decide on texts"):
        decide_on_texts(office.page("Petra"))
    with step("rate"):
        open_rating_round(office.page("Lena"))
        for name in ("Carl", "Clara", "Sam"):
            rate(office.page(name))
    with step("report"):
        publish(office.page("Lena"))
    with step("sign"):
        for name in ("Lena", "Rolf"):
            sign(office.page(name), app["password"])
        expect(office.page("Rolf").get_by_text("Approved").first).to_be_visible()
    assert office.complaints == []
    look_for_the_planted_phrase(app, office)


def small_gates(lena: Page) -> None:
    """The usual gates need hundreds of items; the journey has a handful, and says so with a reason that is audited.

    Three held-out notes cannot show how good a model is: that is asked of the section project, in its own test.
    """
    lena.goto("/projects/visit-notes/settings/")
    lena.get_by_label("Items rated by two or more, at least").fill("6")
    lena.get_by_label("Items that touch the rarest category, at least").fill("2")
    lena.get_by_label(re.compile("Release needs evidence")).uncheck()
    lena.locator("[name=report_min_outputs]").fill("2")
    lena.locator("[name=hallucination_limit]").fill("0.6")
    lena.locator("[name=f1_limit]").fill("0")
    lena.get_by_label("Why you change this").fill("The journey test has few notes")
    lena.get_by_role("button", name="Save").click()
    expect(lena.get_by_text("Saved. The change and your reason")).to_be_visible()


def import_file(petra: Page, tmp_path: Path) -> None:
    file = tmp_path / "journey.jsonl"
    file.write_text("".join(json.dumps(note(number)) + "\n" for number in range(1, N_NOTES + 1)))
    petra.goto("/projects/visit-notes/notes/batches/upload/")
    petra.set_input_files("input[type=file]", str(file))
    petra.get_by_role("button", name="Look at the file").click()
    petra.get_by_role("button", name=f"Import {N_NOTES} notes").click()
    expect(petra.get_by_role("heading", name="Batch 2")).to_be_visible()
    expect(petra.get_by_text("Waiting for review").nth(N_NOTES - 1)).to_be_visible(timeout=BACKGROUND)


def review_and_release(petra: Page, password: str) -> None:
    """Looks at the riskiest note, reads a sample of all of them, by key, and signs."""
    petra.goto("/projects/visit-notes/notes/batches/2/")
    petra.get_by_role("link", name="Review the riskiest").click()
    expect(petra.locator("mark", has_text="NAME").first).to_be_visible()
    expect(petra.locator("body")).not_to_contain_text("Quillon")
    petra.go_back()
    petra.get_by_role("link", name="Risk and release").click()
    petra.get_by_label("Each is read by").select_option(label="one person")
    petra.get_by_role("button", name="Draw the sample").click()
    petra.get_by_role("link", name="Review the sample").click()
    for position in range(1, N_NOTES + 1):
        expect(petra.locator("h1")).to_have_text(f"What was missed in note {position} of {N_NOTES}?")
        expect(petra.locator("[data-module]:not([data-mounted])")).to_have_count(0)
        petra.keyboard.press("Control+Enter")
    petra.get_by_role("link", name="Settle and measure").click()
    petra.get_by_role("button", name="Measure").click()
    petra.get_by_label("I attest this").check()
    petra.get_by_label("Your password").fill(password)
    petra.get_by_role("button", name=re.compile(f"Sign and release {N_NOTES} notes")).click()
    expect(petra.get_by_text(f"Signed: {N_NOTES} notes are released.")).to_be_visible()


def open_round(lena: Page) -> None:
    lena.goto("/projects/visit-notes/rounds/new/")
    lena.locator("[name=title]").fill("Journey")
    lena.locator("[name=schema_title]").fill("Cough or knee")
    lena.locator("[name=classification-question]").fill("Cough or knee?")
    lena.locator("[name=classification-labels]").fill("cough\nknee")
    lena.locator("[name=guideline_title]").fill("Cough or knee")
    lena.locator("[name=guideline_text]").fill("# How\n\nRead the **chief complaint**.")
    lena.locator("[name=batch]").select_option(index=1)
    for name in ("Carl Clinician", "Clara Clinician"):
        lena.get_by_label(name).check()
    lena.keyboard.press("Control+Enter")
    expect(lena.get_by_role("heading", name=re.compile("Round 4: Journey"))).to_be_visible()


def annotate(clinician: Page) -> None:
    """By keyboard alone: acknowledge the guideline, then one digit and ctrl+enter for each item."""
    clinician.goto("/projects/visit-notes/work/4/")
    clinician.keyboard.press("r")
    for done in range(N_NOTES):
        expect(clinician.locator("#workbench")).to_contain_text(f"{done} of about {N_NOTES} done")
        is_cough = "Cough" in clinician.locator("[data-part=text]").inner_text()
        clinician.keyboard.press("1" if is_cough else "2")
        expect(clinician.locator("[name=label]:checked")).to_have_count(1)
        clinician.keyboard.press("Control+Enter")
    expect(clinician.get_by_text("Nothing waits for you here")).to_be_visible()


def measure(lena: Page) -> None:
    lena.goto("/projects/visit-notes/rounds/4/")
    lena.on("dialog", lambda dialog: dialog.accept())
    lena.get_by_role("button", name=re.compile("Close the round")).first.click()
    confirm(lena)
    expect(lena.get_by_text("Closed").first).to_be_visible()
    lena.goto("/projects/visit-notes/rounds/4/agreement/")
    lena.get_by_role("button", name="Measure agreement").click()
    expect(lena.get_by_text("Good enough to train")).to_be_visible(timeout=BACKGROUND)
    expect(lena.locator(".number-value").first).to_have_text("1.00")


def confirm(page: Page) -> None:
    """Says yes in the confirmation dialog when the page asks."""
    yes = page.locator("dialog[open] .btn-primary, dialog[open] [data-part=yes], dialog[open] .btn-harm")
    if yes.count():
        yes.first.click()


def freeze(lena: Page) -> None:
    lena.goto("/projects/visit-notes/datasets/freeze/")
    lena.get_by_label("Title").fill("Journey dataset")
    lena.get_by_label(re.compile("Round 4: Journey")).check()
    lena.get_by_label(re.compile("^Train, in per cent")).fill("50")
    lena.get_by_label(re.compile("^Validation, in per cent")).fill("25")
    lena.get_by_role("button", name="Freeze the dataset").click()
    expect(lena.get_by_text("never shown to a trainer")).to_be_visible(timeout=BACKGROUND)


def train(ada: Page) -> None:
    """Waits for the tiny base model that bin/up builds in the background; few notes take many epochs to learn."""
    ada.goto("/base-models/")
    ada.get_by_role("link", name="Tiny demo model").click()
    expect(ada.get_by_text("LlamaForCausalLM")).to_be_visible(timeout=15 * 60_000)
    ada.goto("/projects/visit-notes/runs/start/")
    ada.get_by_label("Dataset").select_option(label="Dataset 1: Journey dataset")
    ada.locator("[name=epochs]").fill("40")
    ada.get_by_role("button", name="Start run").click()
    expect(ada.get_by_role("link", name="Open the adapter")).to_be_visible(timeout=SLOW)
    expect(ada.locator(".chart svg")).to_be_visible()


def infer(ada: Page) -> None:
    ada.goto("/projects/visit-notes/inferences/start/")
    ada.get_by_role("button", name="Start inference").click()
    ada.wait_for_url("**/inferences/**")
    for number in (1, 2):
        ada.goto(f"/projects/visit-notes/inferences/{number}/")
        expect(ada.locator("progress")).to_have_count(0, timeout=SLOW)
        expect(ada.get_by_text("Done").first).to_be_visible()


def decide_on_texts(petra: Page) -> None:
    """What a tiny model makes up may look like a name: a privacy officer lets it through, by keyboard."""
    petra.goto("/projects/visit-notes/notes/texts/")
    waiting = re.search(r"(\d+) to go", petra.content())
    assert waiting
    for left in reversed(range(int(waiting[1]))):
        petra.keyboard.press("x")
        expect(petra.get_by_text(f"{left} to go", exact=True)).to_be_visible()
    expect(petra.get_by_text("No text waits")).to_be_visible()


def open_rating_round(lena: Page) -> None:
    lena.goto("/projects/visit-notes/rating-rounds/open/")
    lena.get_by_label("Title").fill("Journey outputs")
    expect(lena.locator("[name=inferences]")).to_have_count(2)
    for box in lena.locator("[name=inferences]").all():
        box.check()
    for name in ("Carl Clinician", "Clara Clinician", "Sam Senior"):
        lena.get_by_label(name).check()
    lena.get_by_role("button", name="Open the round").click()
    expect(lena.get_by_role("heading", name=re.compile("Journey outputs"))).to_be_visible()


def rate(clinician: Page) -> None:
    """By keyboard alone: accuracy 4 or 5 by what the note is about, no hallucination, no harm.

    No model is named anywhere on the page. Agreement on a single value is undefined, and notes about a cough and about
    a knee are both held out, whoever is drawn.
    """
    clinician.goto("/projects/visit-notes/rate/1/")
    n = int(re.search(r"of (\d+)", clinician.locator("h1").inner_text())[1])  # type: ignore[index]
    for position in range(1, n + 1):
        expect(clinician.locator("h1")).to_contain_text(f"output {position} of {n}")
        assert not re.search(r"adapter|base model|tiny", clinician.content(), re.IGNORECASE)
        clinician.locator("#questions").focus()
        is_cough = "dry cough" in clinician.locator("#note-text").inner_text()
        clinician.keyboard.press("4" if is_cough else "5")
        clinician.keyboard.press("1")
        clinician.keyboard.press("1")
        expect(clinician.locator("#questions input:checked")).to_have_count(3)
        clinician.keyboard.press("Control+Enter")
    expect(clinician.locator("h1")).not_to_contain_text("output")


def publish(lena: Page) -> None:
    lena.goto("/projects/visit-notes/rating-rounds/1/")
    lena.get_by_role("button", name=re.compile("Close")).first.click()
    confirm(lena)
    expect(lena.get_by_text("Closed").first).to_be_visible()
    lena.get_by_role("button", name=re.compile("Publish")).first.click()
    confirm(lena)
    expect(lena.get_by_role("heading", name=re.compile("Report 1"))).to_be_visible()
    expect(lena.get_by_text("Hallucination").first).to_be_visible(timeout=BACKGROUND)


def sign(lead: Page, password: str) -> None:
    lead.goto("/projects/visit-notes/reports/1/")
    lead.get_by_label("Your password").fill(password)
    refusals = lead.locator("#why-approve-and-sign").all_inner_texts()
    gates = lead.get_by_role("table", name="What has to hold before a release")
    assert refusals == [], gates.inner_text()
    lead.get_by_role("button", name="Approve and sign").click()
    expect(lead.get_by_role("table", name="Signatures").get_by_text("Approved").first).to_be_visible()


def look_for_the_planted_phrase(app: dict[str, Any], office: Office) -> None:
    """The phrase stands in every note. It may be in the database and on pages, and nowhere else."""
    word = PLANTED.split()[0].encode()
    logs = {str(path): path.read_bytes() for path in (app["var"] / "log").rglob("*") if path.is_file()}
    assert logs
    assert [name for name, content in logs.items() if word in content] == []
    assert [url for url in office.urls if PLANTED.split()[0] in url] == []
    assert word not in (app["var"] / "up.txt").read_bytes()
    broker = redis.Redis.from_url(redis_url(app["var"]))
    assert broker.ping()
    assert [key for key in broker.scan_iter("*") if word in (broker.dump(key) or b"")] == []
    assert [path for path in app["var"].rglob("*.aof") if word in path.read_bytes()] == []
    for name, page in office.pages.items():
        stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
        assert PLANTED.split()[0] not in stored, name

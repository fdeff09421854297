"""From a dataset to a model on another site through pages alone: fine-tuning, stopped and resumed, preference tuning, a
sweep, a merged model and an adapter to take away, and the adapter's import, on a model of a few thousand weights.

Real workers train; every wait is bounded and none measures the machine's speed.
"""

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from playwright.sync_api import Page, expect

from tests.conftest import StartWorker, wait_until
from tests.engines import held_still, is_asked_to_stop
from tests.factories.training import frozen_import, imported, registered_base_model
from tests.functional.conftest import Window
from tests.personas import Cast
from training.models import Adapter, Run

WAIT = 120_000
TOPICS = ("cough", "knee pain", "rash", "fever", "wheeze", "back pain", "fatigue", "nausea")


@pytest.fixture
def ada(window: Window, cast: Cast) -> Iterator[Page]:
    """A page of the admin, who waits for workers."""
    page = window(cast.ada)
    page.set_default_timeout(WAIT)
    expect.set_options(timeout=WAIT)
    yield page
    expect.set_options(timeout=5_000)


def sections(n: int) -> str:
    """Questions whose answer depends on the first word: something that even this model can learn."""
    rows = [
        {
            "instruction": "Name the section.",
            "input": f"{('Patient says', 'We will give')[i % 2]} {TOPICS[i % 8]} number {i}.",
            "output": ("HISTORY", "PLAN")[i % 2],
        }
        for i in range(n)
    ]
    return "\n".join(map(json.dumps, rows))


def pairs(n: int) -> str:
    rows = [
        {"prompt": f"Say it about {TOPICS[i % 8]} case {i}.", "chosen": "PLAN rest", "rejected": "rest rest rest"}
        for i in range(n)
    ]
    return "\n".join(map(json.dumps, rows))


def test_from_a_dataset_to_a_model_on_another_site(
    ada: Page, cast: Cast, start_worker: StartWorker, tmp_path: Path
) -> None:
    frozen_import(cast, imported(cast, sections(48)))
    frozen_import(cast, imported(cast, pairs(24), title="Pairs", form="preference"), title="Pairs")
    registered_base_model(cast)
    start_worker("gpu")

    fine_tune_with_a_stop(ada)
    teach_preferences(ada)
    sweep(ada)
    merged = take_away(ada, "Merged model", tmp_path)
    adapter = take_away(ada, "Adapter alone", tmp_path)
    bring_in(ada, adapter)

    fine_tuned, preferred, *swept = Run.objects.order_by("number")
    assert fine_tuned.attempt == 2
    assert fine_tuned.last_loss < 0.9 * fine_tuned.first_loss, told(fine_tuned)
    assert preferred.last_loss < preferred.first_loss, told(preferred)
    assert preferred.start_adapter == fine_tuned.adapter
    assert sorted(run.config["rank"] for run in swept) == [2, 8]
    what_was_taken_is_whole(merged, adapter, fine_tuned)
    first, came = Adapter.objects.filter(sha256=fine_tuned.adapter.sha256).order_by("pk")
    assert (came.run, came.project) == (None, cast.other_project)
    assert first.manifest == came.manifest


def told(run: Run) -> str:
    """What it was asked to do, and what its trainer reported."""
    events = run.events.order_by("position").values_list("kind", "attempt", "step", "values")
    return "\n".join(map(str, [run.config, *events]))


def fill(page: Page, **values: Any) -> None:
    """Settings of the form by their names; those that are folded away are unfolded first."""
    for closed in page.locator("#start details:not([open]) > summary").all():
        closed.click()
    for name, value in values.items():
        page.locator(f"[name={name}]").fill(str(value))


def fine_tune_with_a_stop(ada: Page) -> None:
    """Stops the run in its middle and resumes it; it goes on from its checkpoint and ends in an adapter."""
    ada.goto("/projects/visits/runs/start/")
    ada.get_by_label("Dataset").select_option(label="Dataset 1: Sections")
    fill(ada, rank=4, alpha=8, epochs=12, learning_rate=0.01, batch_size=4, max_length=256, scored_answers=0)
    ada.get_by_role("button", name="Start run").click()
    expect(ada.get_by_role("heading", name="Run 1")).to_be_visible()
    with held_still("step") as trainer:
        wait_until(lambda: Run.objects.get().n_done > 0, WAIT / 1000)
        ada.reload()
        ada.get_by_role("button", name="Cancel the run").click()
        confirm(ada)
        wait_until(lambda: is_asked_to_stop(trainer), WAIT / 1000)
    ada.get_by_role("button", name="Resume").click()
    expect(ada.get_by_role("link", name="Open the adapter")).to_be_visible()
    assert Run.objects.get().events.filter(kind="checkpoint").exists()
    expect(ada.locator(".chart svg")).to_be_visible()


def confirm(page: Page) -> None:
    page.locator("dialog[open] .btn-primary, dialog[open] [data-part=yes], dialog[open] .btn-harm").first.click()


def teach_preferences(ada: Page) -> None:
    """DPO goes on from the adapter, which its page offers."""
    ada.get_by_role("link", name="Teach it preferences").click()
    expect(ada.get_by_label("Adapter to go on from")).to_contain_text("Adapter 1, on Tiny tiny")
    # Whichever five pairs are held out, their loss then falls: from .69 to between .37 and .68 in eighty draws; with
    # steps three times as large it rose in one of them.
    fill(ada, epochs=6, learning_rate=0.0003, batch_size=4, max_length=256)
    ada.get_by_role("button", name="Start run").click()
    expect(ada.get_by_role("heading", name="Run 2")).to_be_visible()
    expect(ada.get_by_role("link", name="Open the adapter")).to_be_visible()


def sweep(ada: Page) -> None:
    """Two ranks on one page, with the loss of each."""
    ada.goto("/projects/visits/runs/1/")
    ada.get_by_role("link", name="Sweep around it").click()
    fill(ada, ranks="2, 8", learning_rates="0.003", epochs=3)
    ada.get_by_role("button", name="Start sweep").click()
    expect(ada.get_by_text("2 of 2 runs have ended")).to_be_visible()
    ada.reload()
    expect(ada.locator("#sweep-table [data-statistic]").first).to_be_visible()
    expect(ada.get_by_text("lowest loss", exact=True)).to_be_visible()


def take_away(ada: Page, form: str, tmp_path: Path) -> Path:
    """The first adapter as a file, through the browser."""
    ada.goto("/projects/visits/adapters/1/")
    ada.get_by_role("button", name=form).click()
    export = ada.get_by_role("article").filter(has_text=form)
    with ada.expect_download() as download:
        export.get_by_role("link", name="Download").click()
    expect(export).to_contain_text("SHA-256")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    return path


def bring_in(ada: Page, file: Path) -> None:
    """Into the other project: the same bytes, and no run behind them."""
    ada.goto("/projects/other/adapters/import/")
    ada.set_input_files("input[type=file]", str(file))
    ada.get_by_role("button", name="Check and import").click()
    expect(ada.get_by_text("This site has no run, no dataset and no notes behind it")).to_be_visible()
    ada.get_by_role("button", name="Verify the files").click()
    expect(ada.get_by_text("have the digest that was registered")).to_be_visible()


def what_was_taken_is_whole(merged: Path, adapter: Path, run: Run) -> None:
    """Both archives verify; their cards say what the rows say, and neither names a place of this machine."""
    for path in (merged, adapter):
        call_command("adapter_verify", str(path))
        with zipfile.ZipFile(path) as zipped:
            card = zipped.read("README.md").decode()
            manifest = json.loads(zipped.read("manifest.json"))
            assert not [name for name in zipped.namelist() if re.search(r"\.(bin|pt|pkl|py)$", name)]
            for name in zipped.namelist():
                assert str(settings.RUNS_DIR).encode() not in zipped.read(name)
        assert f"{run.first_loss:.4f} for the base model, {run.last_loss:.4f} for the adapter" in card
        assert manifest["dataset"]["sha256"] == run.dataset.sha256
        assert manifest["adapter"]["sha256"] == run.adapter.sha256
    found = json.loads(zipfile.ZipFile(merged).read("manifest.json"))["comparison"]["float32"]
    assert found["n_same_answers"] == found["n_prompts"] > 0
    assert found["largest"] < 1e-3

"""Step 6 to 11 at the shell: the actions and refusals of the pages, and what came of it as one JSON object."""

import hashlib
import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from clinicalft import jobs
from clinicalft.management import waiting
from clinicalft.management.commands import adapter_export, inference_start, report_publish
from clinicalft.models import AuditEvent, BackgroundWork
from evaluation import tasks as evaluation_tasks
from evaluation.models import Inference, Report
from tests.factories.adapters import registered_adapter
from tests.factories.evaluation import answered, make_adapter, opened_round, rated_round
from tests.factories.training import (
    agreed_round,
    ended_run,
    frozen_import,
    frozen_pairs,
    imported,
    ready_base_model,
    template_of,
)
from tests.personas import Cast, make_cast
from training.actions.runs import start_run
from training.exports import dataset_lines
from training.models import Adapter, Dataset, Method, Run, Split
from training.tasks import export_adapter as export_task

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def typed(name: str, *words: Any) -> str:
    """What a command says to a person."""
    said = io.StringIO()
    call_command(name, *map(str, words), stdout=said, stderr=io.StringIO())
    return said.getvalue()


def called(name: str, *words: Any) -> dict[str, Any]:
    """What it says to a program."""
    found: dict[str, Any] = json.loads(typed(name, *words, "--json"))
    return found


def fine_tuned(cast: Cast, **config: Any) -> Adapter:
    """An adapter of no files, fine-tuned on imported rows."""
    dataset, base_model = frozen_import(cast, imported(cast)), ready_base_model(cast)
    return ended_run(
        start_run(project=cast.project, dataset=dataset, base_model=base_model, by=cast.ada, config=config)
    )


# ---------- datasets


def test_notes_are_frozen_with_a_version_of_a_prompt_template_and_imported_rows_keep_their_own(cast: Cast) -> None:
    template = template_of(cast)
    agreed_round(cast, n=4)
    imported(cast)
    by = ("--by", cast.lea.email)

    called("freeze_dataset", "visits", "--round", 1, "--template", template.number, *by)

    assert Dataset.objects.get().template == template
    with pytest.raises(CommandError, match="Imported examples keep their own wording"):
        called("freeze_dataset", "visits", "--import", 1, "--template", template.number, *by)
    with pytest.raises(CommandError, match="There is no prompt template 7 in this project"):
        called("freeze_dataset", "visits", "--round", 1, "--template", 7, *by)


def test_a_dataset_is_written_once_for_its_owner_alone_and_the_log_says_who_took_it(cast: Cast, tmp_path: Path) -> None:
    dataset = frozen_import(cast, imported(cast))
    whole, part, pairs = tmp_path / "all.zip", tmp_path / "train.jsonl", tmp_path / "pairs.jsonl"
    by = ("--by", cast.lea.email)

    called("dataset_export", "visits", 1, whole, *by)
    found = called("dataset_export", "visits", 1, part, "--form", "alpaca", "--split", "train", *by)

    assert hashlib.sha256(whole.read_bytes()).hexdigest() == dataset.archive_sha256
    assert part.read_bytes() == b"".join(dataset_lines(dataset, Split.TRAIN, "alpaca"))
    assert (found["bytes"], stat.S_IMODE(part.stat().st_mode)) == (part.stat().st_size, 0o600)
    with pytest.raises(CommandError, match="cannot be made: File exists"):
        called("dataset_export", "visits", 1, whole, *by)
    with pytest.raises(CommandError, match="go together"):
        called("dataset_export", "visits", 1, pairs, "--form", "alpaca", *by)
    with pytest.raises(CommandError, match="rejected"):
        called("dataset_export", "visits", 1, pairs, "--form", "preference", "--split", "train", *by)
    with pytest.raises(CommandError, match="role"):
        called("dataset_export", "visits", 1, pairs, "--by", cast.ada.email)
    assert not pairs.exists()
    taken = AuditEvent.objects.filter(act="DATASET_DOWNLOAD").order_by("pk")
    assert [event.detail["file"] for event in taken] == ["archive.zip", "train-alpaca.jsonl"]


# ---------- runs


def test_preference_tuning_goes_on_from_an_adapter_with_its_base_model_and_lengths(cast: Cast) -> None:
    adapter = fine_tuned(cast, max_length=300, max_question=200)
    frozen_pairs(cast)

    found = called("run_start", "visits", "--dataset", 2, "--from-adapter", 1, "--set", "beta=0.2")

    run = Run.objects.get(number=found["run"])
    assert (run.method, run.start_adapter, run.base_model) == (Method.DPO, adapter, adapter.base_model)
    assert [run.config[name] for name in ("max_length", "max_question", "beta")] == [300, 200, 0.2]
    ended_run(run)
    with pytest.raises(CommandError, match="have no rejected answer"):
        called("run_start", "visits", "--dataset", 1, "--from-adapter", 1)
    ready_base_model(cast, "another")
    with pytest.raises(CommandError, match="It goes on with that one"):
        called("run_start", "visits", "--dataset", 2, "--from-adapter", 1, "--base-model", "another")
    with pytest.raises(CommandError, match="with --base-model, or an adapter to go on from"):
        called("run_start", "visits", "--dataset", 2)


# ---------- adapters


def test_an_adapter_leaves_as_a_signed_file_and_comes_into_another_project(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = registered_adapter(cast, dataset=frozen_import(cast, imported(cast)))
    out, by = tmp_path / "adapter.zip", ("--by", cast.ada.email)

    def worker(work: BackgroundWork, what: str, say: Any) -> None:
        """Does what a worker does meanwhile, and then lets the command look."""
        export_task(work.pk)
        waiting.wait_for(work, what, say)

    monkeypatch.setattr(adapter_export, "wait_for", worker)

    found = called("adapter_export", "visits", 1, "--out", out, *by)

    assert hashlib.sha256(out.read_bytes()).hexdigest() == found["sha256"]
    with pytest.raises(CommandError, match="File exists"):
        called("adapter_export", "visits", 1, "--out", out, *by)
    assert adapter.exports.count() == AuditEvent.objects.filter(act="ADAPTER_DOWNLOAD").count() == 1
    assert called("adapter_import", "other", out)["sha256"] == adapter.sha256
    with pytest.raises(CommandError, match="which is in this project already"):
        called("adapter_import", "other", out)
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        called("adapter_import", "other", tmp_path / "none.zip")
    with pytest.raises(CommandError, match="role"):
        called("adapter_import", "other", out, "--by", cast.zoe.email)


# ---------- inference and reports


def test_an_adapter_and_its_base_model_answer_what_is_held_out(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    make_adapter(cast, 4)

    def worker(work: Inference, what: str, say: Any) -> None:
        answered(work, ["sick", "sick", "sick", "well"] if work.arm == "ADAPTER" else ["I cannot say"] * 4)
        waiting.follow(work, what, say)

    monkeypatch.setattr(inference_start, "follow", worker)

    options = ("--structured", "--logprobs", "--max-new-tokens", 5)
    first, base = called("inference_start", "visits", "--adapter", 1, *options, "--wait")["inferences"]

    assert (first["system"], first["status"], first["n_right"], first["n_compared"]) == ("Adapter 1", "DONE", 3, 4)
    assert (base["arm"], base["n_answers"], base["n_right"]) == ("BASE", 4, 0)
    config = Inference.objects.get(number=first["number"]).config
    assert (config["is_structured"], config["keep_logprobs"], config["max_new_tokens"]) == (True, True, 5)
    said = typed("inference_start", "visits", "--adapter", 1, "--without-base", "--wait")
    assert said == (
        "Inference 3, Adapter 1: done, 4 of 4 answers. 3 of 4 are equal to the reference (75.0%, 95 % limits 19.4% to "
        "99.4%, Clopper-Pearson, two-sided).\n"
    )


def test_inference_that_fails_or_may_not_start_ends_the_command_with_its_sentence(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_adapter(cast, 4)

    def worker(work: Inference, what: str, say: Any) -> None:
        lease = jobs.claim(Inference, work.pk)
        assert lease is not None
        jobs.fail(lease, "The model does not fit.")
        waiting.follow(work, what, say)

    with pytest.raises(CommandError, match="has no examples in its split"):
        called("inference_start", "visits", "--adapter", 1, "--split", "validation")
    with pytest.raises(CommandError, match="not one that the settings of this site allow"):
        called("inference_start", "visits", "--adapter", 1, "--server", "http://10.0.0.5:8000")
    queued = called("inference_start", "visits", "--adapter", 1)["inferences"]
    assert [row["status"] for row in queued] == ["QUEUED", "QUEUED"]
    with pytest.raises(CommandError, match="waiting or running already"):
        called("inference_start", "visits", "--adapter", 1)
    make_adapter(cast, 4)
    monkeypatch.setattr(inference_start, "follow", worker)
    with pytest.raises(CommandError, match="The model does not fit"):
        called("inference_start", "visits", "--adapter", 2, "--without-base", "--wait")


def test_the_report_of_a_closed_round_is_published_with_its_gates(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    by = ("--by", cast.lea.email)
    rated_round(cast, 4)
    opened_round(cast, 4)

    def worker(work: Report, what: str, say: Any) -> None:
        evaluation_tasks.publish_report(work.pk)
        waiting.wait_for(work, what, say)

    monkeypatch.setattr(report_publish, "wait_for", worker)

    found = called("report_publish", "visits", "--rating-round", 1, "--wait", *by)

    report = Report.objects.get()
    assert (found["report"], found["verdict"], found["sha256"]) == (1, report.verdict, report.sha256)
    assert [gate["verdict"] for gate in found["gates"]] == [gate["verdict"] for gate in report.gates]
    with pytest.raises(CommandError, match="Close the round first"):
        called("report_publish", "visits", "--rating-round", 2, *by)
    with pytest.raises(CommandError, match="was not rated in this round"):
        called("report_publish", "visits", "--rating-round", 1, "--adapter", 2, *by)
    assert typed("report_publish", "visits", "--rating-round", 1, *by) == "Report 2 waits for a worker.\n"
    first, *gates = report_publish.sentences(report).splitlines()
    assert first == f"Report 1 about Adapter 1: not passed. SHA-256 {report.sha256}"
    assert any(gate.startswith("Hallucination: not enough data. At least 500 outputs reviewed") for gate in gates)

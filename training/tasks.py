"""Celery doorways of steps 6 to 8: claim the row, call the action or the engine, hand over the result."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from celery import shared_task

from annotation.models import RAW, Note
from annotation.tasks import hits_in
from clinicalft import jobs
from clinicalft.access import Refused
from training.actions import adapters, datasets, runs, tokenisations
from training.adapter_files import drop_merged, sweep_exports, write_merge_folder
from training.artefacts import adapter_folder, keep_adapter
from training.candidates import Candidate
from training.engine.adapter import check_adapter
from training.engine.base_model import inspect_base_model
from training.engine.outcome import DISK_FULL, BadInput, is_disk_full
from training.models import Adapter, AdapterExport, BaseModel, Dataset, Example, ExportForm, Run, Tokenisation
from training.named_rows import RowRefused
from training.rescan import CANDIDATES_AT_ONCE, MOST_SEEN, decided_keys, seen_in, texts_of
from training.rules.datasets import Seen
from training.rules.runs import (
    base_model_path,
    check_learns_nothing_held_out,
    check_learns_nothing_like_held_out,
    check_texts_stand,
)
from training.snapshot import build_folder, write_run_folder, write_tokenise_folder
from training.supervisor import LineReader, Outcome, log_tail, supervise


@shared_task
def freeze_dataset(dataset_id: int) -> None:
    lease = jobs.claim(Dataset, dataset_id)
    if lease is None:
        return
    with jobs.working(lease):
        try:
            datasets.build_dataset(lease, identifiers_in)
        except RowRefused as refusal:
            jobs.fail(lease, refusal.sentence, stopped_by=[row.to_json() for row in refusal.rows])


def identifiers_in(candidates: list[Candidate], beat: Callable[[int], None]) -> list[Seen]:
    """Candidates in whose texts the method of today sees an identifier, the first `MOST_SEEN`; what a privacy officer
    has decided on is left aside. Of a note, which was released, only what the source says of its patient counts.
    """
    decided = decided_keys(candidates)
    seen: list[Seen] = []
    for begin in range(0, len(candidates), CANDIDATES_AT_ONCE):
        some = candidates[begin : begin + CANDIDATES_AT_ONCE]
        keys = [candidate.item.note.note_id for candidate in some if candidate.item]
        notes = Note.objects.select_related("patient").defer(*RAW).in_bulk(keys)
        for candidate in some:
            note = notes[candidate.item.note.note_id] if candidate.item else None
            language = candidate.imported.dataset_import.language if candidate.imported else None
            texts = texts_of(candidate, is_decided=candidate.key in decided)
            hits = hits_in(texts, candidate.released, note, language)
            if hits:
                seen.append(seen_in(candidate, hits))
            if len(seen) == MOST_SEEN:
                return seen
        beat(begin + len(some))
    return seen


@shared_task
def tokenise_dataset(tokenisation_id: int) -> None:
    lease = jobs.claim(Tokenisation, tokenisation_id)
    if lease is None:
        return
    with jobs.working(lease), plain_refusals():
        jobs.heartbeat(lease, phase="writing the examples")
        row = Tokenisation.objects.select_related("dataset", "base_model").get(pk=tokenisation_id)
        folder = write_tokenise_folder(row)
        lines = LineReader(folder.outputs_file)
        unstored: list[dict[str, Any]] = []

        def store(events: Any) -> None:
            # The engine writes lines before it reports them: whatever was reported is there to be read.
            unstored.extend(line for _, line in lines.read())
            if unstored:
                tokenisations.record_tokens(lease, unstored)
                unstored.clear()

        try:
            outcome = supervise(lease, folder, store, token_progress)
            store([])
            if end_well(lease, outcome):
                tokenisations.finish_tokenisation(lease, files=outcome.result["files"], log_tail=outcome.log_tail)
        finally:
            # The rows hold everything; the folder would be one more place with texts.
            shutil.rmtree(folder.path, ignore_errors=True)


def token_progress(event: dict[str, Any]) -> dict[str, Any]:
    """Progress fields of a tokenisation from one event of the engine: how many examples are counted."""
    return {**step_progress(event), "phase": "counting tokens"} if event["kind"] in ("start", "step") else {}


@shared_task
def register_base_model(base_model_id: int) -> None:
    lease = jobs.claim(BaseModel, base_model_id)
    if lease is None:
        return
    with jobs.working(lease), plain_refusals():
        base_model = BaseModel.objects.get(pk=base_model_id)
        path = base_model_path(base_model.folder)
        if base_model.is_demo and not path.exists():
            folder = build_folder(base_model)
            outcome = supervise(lease, folder, lambda events: None, step_progress)
            if not end_well(lease, outcome):
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(folder.base, path.with_name(f".{path.name}.part"), dirs_exist_ok=True)
            path.with_name(f".{path.name}.part").rename(path)
        jobs.heartbeat(lease, phase="reading and hashing the files")
        with jobs.keeping(lease):
            facts = inspect_base_model(path)
        runs.finish_base_model(lease, facts)


@shared_task
def train_run(run_id: int) -> None:
    lease = jobs.claim(Run, run_id)
    if lease is None:
        return
    with jobs.working(lease), plain_refusals():
        jobs.heartbeat(lease, phase="preparing the data")
        run = Run.objects.select_related("dataset__project", "base_model", "start_adapter").get(pk=run_id)
        if not may_learn(lease, run):
            return
        folder = write_run_folder(run)
        outcome = supervise(
            lease, folder, lambda events: runs.record_events(lease, events, identifiers_seen),
            lambda event: {**step_progress(event), "log_tail": log_tail(folder)},
        )  # fmt: skip
        if end_well(lease, outcome):
            jobs.heartbeat(lease, phase="keeping the adapter")
            with jobs.keeping(lease):
                keep_adapter(folder.adapter)
            runs.register_adapter(lease, result=outcome.result, log_tail=outcome.log_tail)


def may_learn(lease: jobs.Lease, run: Run) -> bool:
    """Whether nothing of the dataset is held out or was taken away; otherwise the run is failed, and names the rows."""
    try:
        check_learns_nothing_held_out(run.dataset)
        check_texts_stand(run.dataset)
        jobs.heartbeat(lease, phase="comparing with what is held out")
        check_learns_nothing_like_held_out(run.dataset, datasets.heartbeat_every(500, lease))
    except RowRefused as refusal:
        named = [row.to_json() for row in refusal.rows]
        jobs.fail(lease, refusal.sentence, result={**run.result, "stopped_by": named})
        return False
    return True


@shared_task
def export_adapter(export_id: int) -> None:
    lease = jobs.claim(AdapterExport, export_id)
    if lease is None:
        return
    with jobs.working(lease), plain_refusals():
        export = AdapterExport.objects.select_related("project").get(pk=export_id)
        export.adapter = Adapter.objects.with_origin().get(pk=export.adapter_id)
        check_adapter(adapter_folder(export.adapter), export.adapter.sha256)
        if export.form == ExportForm.ADAPTER:
            adapters.finish_export(lease, result={})
            return
        sweep_exports()
        with whole_or_gone(export):
            outcome = supervise(lease, write_merge_folder(export), lambda events: None, merge_progress)
            if outcome.is_done:
                adapters.finish_export(lease, result=outcome.result)
                return
        leave_nothing(export)
        end_well(lease, outcome)


@contextmanager
def whole_or_gone(export: AdapterExport) -> Iterator[None]:
    """Leaves nothing of a merge that was cancelled or failed, unless another attempt may be at it by now."""
    try:
        yield
    except (jobs.LeaseLost, *jobs.DATABASE_LOST):
        raise
    except Exception:
        leave_nothing(export)
        raise


def leave_nothing(export: AdapterExport) -> None:
    """Takes away what an attempt at a merge has made, before its row says how it ended."""
    # A store that is away must not hide why it ended; the next merge on this host sweeps again.
    with suppress(BadInput):
        drop_merged(export)


def identifiers_seen(run: Run, sample: dict[str, Any]) -> bool:
    """Whether an answer of the model in training may hold an identifier that neither its note nor its reference has."""
    examples = Example.objects.select_related("item__note", "imported__dataset_import")
    example = examples.get(dataset=run.dataset, number=sample["id"])
    note = None
    if example.item:
        note = Note.objects.select_related("patient").defer(*RAW).get(pk=example.item.note.note_id)
    known = "\n".join(message["content"] for message in example.messages)
    language = example.imported.dataset_import.language if example.imported else None
    return bool(hits_in({"text": sample["text"]}, known, note, language))


def end_well(lease: jobs.Lease, outcome: Outcome) -> bool:
    """True when the child is done; otherwise the row is failed with its sentence, or handed back to go on later."""
    if outcome.is_done:
        return True
    if outcome.is_interrupted:
        jobs.hand_back(lease)
    else:
        jobs.fail(lease, outcome.sentence, **({"log_tail": outcome.log_tail} if lease.model is not BaseModel else {}))
    return False


PHASES = {"start": "loading the model", "step": "training", "evaluation": "evaluating", "checkpoint": "saving"}


def step_progress(event: dict[str, Any]) -> dict[str, Any]:
    """Progress fields of a row from one event of the trainer."""
    fields: dict[str, Any] = {"phase": PHASES[event["kind"]]} if event["kind"] in PHASES else {}
    if event["kind"] == "start":
        fields |= {"n_total": event["steps"], "n_done": event["step"], "n_done_at_start": event["step"]}
    elif event["kind"] == "step":
        fields["n_done"] = event["step"]
    return fields


MERGE_PHASES = ("asking base model and adapter", "merging", "asking the merged model", "writing the files")


def merge_progress(event: dict[str, Any]) -> dict[str, Any]:
    """Progress fields of an export from one event of the engine: which of its steps it is at."""
    if event["kind"] not in ("start", "step"):
        return {}
    step = event["step"]
    return {"n_total": len(MERGE_PHASES), "n_done": step, "phase": (*MERGE_PHASES, "hashing and signing")[step]}


@contextmanager
def plain_refusals() -> Iterator[None]:
    """Turns what the engine cannot use, and a full disk, into a refusal with a sentence and its advice."""
    try:
        yield
    except BadInput as error:
        raise Refused("bad-input", f"{error.sentence} {error.advice}".strip()) from error
    except OSError as error:
        if is_disk_full(error):
            raise Refused("disk-full", DISK_FULL) from error
        raise

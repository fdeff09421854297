"""Inference on a real Celery worker with the real engine: answers arrive, each once, whatever is killed."""

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import psutil
import pytest
from django.conf import settings

from clinicalft import jobs
from clinicalft.models import Device, WorkStatus
from evaluation.actions.inference import cancel_inference, resume_inference, start_inference
from evaluation.models import Inference
from tests.conftest import StartWorker, wait_until
from tests.engines import engines, folder_of, is_asked_to_stop
from tests.factories.training import agreed_round, frozen_dataset, registered_base_model
from tests.personas import Cast, make_cast
from training.actions.runs import start_run
from training.models import Adapter, Run
from training.tasks import train_run

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = {"rank": 4, "alpha": 8, "epochs": 1, "batch_size": 8, "max_length": 512, "learning_rate": 1e-2}
# Hot, long and one at a time.
LONG = {"max_new_tokens": 80, "temperature": 5.0, "batch_tokens": 130}


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture
def adapter(cast: Cast) -> Adapter:
    """An adapter that the real engine trained in this process's child."""
    run = start_run(
        project=cast.project, dataset=frozen_dataset(cast, agreed_round(cast, n=40)), by=cast.ada,
        base_model=registered_base_model(cast), config=QUICK, machine={"device": "cpu"},
    )  # fmt: skip
    train_run(run.pk)
    run = Run.objects.get(pk=run.pk)
    assert run.status == WorkStatus.DONE, run.error
    return Adapter.objects.get(run=run)


@pytest.fixture
def start_gpu(start_worker: StartWorker, empty_broker: Any) -> Iterator[StartWorker]:
    """Starts a worker of the gpu queue; engines that still run at the end go first."""
    yield start_worker
    for process in engines():
        process.kill()


@contextlib.contextmanager
def slow_engines() -> Iterator[None]:
    """Holds engines that have begun to answer back, so that there is a middle in which to stop them.

    While they load a model nothing is held back, nor once they are asked to stop.
    """
    is_over = threading.Event()

    def hold_back() -> None:
        let_go: set[int] = set()
        while not is_over.wait(0.06):
            for engine in engines():
                with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
                    if engine.pid not in let_go and has_answered(engine):
                        engine.suspend()
                        is_over.wait(0.4)
                        if is_asked_to_stop(engine):
                            let_go.add(engine.pid)
                        engine.resume()

    thread = threading.Thread(target=hold_back)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def has_answered(engine: psutil.Process) -> bool:
    """Whether this process has itself answered a prompt of one of the folders that it works on."""
    group = folder_of(engine)
    names = json.loads((group / "run.json").read_text())["config"]["folders"]
    files = (group.parent / name / "outputs.jsonl" for name in names)
    return any(file.stat().st_mtime > engine.create_time() for file in files if file.exists() and file.stat().st_size)


def again(inference: Inference) -> Inference:
    return Inference.objects.get(pk=inference.pk)


def numbers(inference: Inference) -> list[int]:
    return list(inference.outputs.order_by("number").values_list("number", flat=True))


def test_answers_arrive_once_whether_cancelled_or_killed_and_an_altered_adapter_gives_none(
    adapter: Adapter, cast: Cast, start_gpu: StartWorker
) -> None:
    """In one life, because a trained adapter and each start of a worker or an engine takes seconds."""
    held_out = start_inference(adapter, by=cast.ada, config={"is_structured": True, "keep_logprobs": True})
    worker = start_gpu("gpu")
    wait_until(lambda: all(again(row).is_finished for row in held_out), 180)
    both_systems_answered_every_held_out_note_once(held_out)

    with slow_engines():
        inference = cancelled_and_resumed(adapter, cast)
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    wait_until(lambda: not engines(), 60)
    kept = list(inference.outputs.order_by("pk").values_list("pk", "text_sha256"))
    assert len(kept) < (inference.n_total or 0)
    Inference.objects.filter(pk=inference.pk).update(leased_until="2000-01-01T00:00Z")
    Device.objects.exclude(leased_until=None).update(leased_until="2000-01-01T00:00Z")
    start_gpu("gpu")
    jobs.requeue_lost_work()

    wait_until(lambda: again(inference).is_finished, 240)
    assert (again(inference).status, again(inference).attempt) == (WorkStatus.DONE, 4)
    assert numbers(inference) == sorted(set(numbers(inference)))
    assert len(numbers(inference)) == inference.n_total
    assert list(inference.outputs.order_by("pk").values_list("pk", "text_sha256"))[: len(kept)] == kept
    an_altered_adapter_answers_nothing(adapter, cast)


def cancelled_and_resumed(adapter: Adapter, cast: Cast) -> Inference:
    """An inference that answers again after it was cancelled, as the base model's beside it was before."""
    inference, base = start_inference(adapter, by=cast.ada, split="TRAIN", config=LONG)
    # One engine answers both, the base model first. Cancelled in the middle of it, the adapter's goes on.
    wait_until(lambda: base.outputs.count() >= 1, 180)
    assert again(inference).status == WorkStatus.RUNNING
    cancel_inference(again(base), by=cast.ada)
    wait_until(lambda: again(base).is_finished, 60)
    assert again(base).status == WorkStatus.CANCELLED
    n_of_base = base.outputs.count()
    wait_until(lambda: inference.outputs.count() >= 1, 180)
    assert base.outputs.count() == n_of_base < (base.n_total or 0)

    cancel_inference(again(inference), by=cast.ada)
    wait_until(lambda: again(inference).is_finished, 60)
    assert again(inference).status == WorkStatus.CANCELLED
    assert not engines()
    n_kept = inference.outputs.count()
    assert 1 <= n_kept < (inference.n_total or 0)

    resume_inference(again(inference), by=cast.ada)
    wait_until(lambda: inference.outputs.count() > n_kept, 180)
    return inference


def both_systems_answered_every_held_out_note_once(pair: Sequence[Inference]) -> None:
    held_out = pair[0].dataset.examples.filter(split="TEST").order_by("number")
    for row in pair:
        assert (again(row).status, again(row).error) == (WorkStatus.DONE, "")
        assert numbers(row) == list(held_out.values_list("number", flat=True))
        assert again(row).n_done == again(row).n_total
        assert {text for (text,) in row.outputs.values_list("text")} <= {"well", "sick", "dying"}
        assert all(output.logprob == pytest.approx(sum(output.token_logprobs)) for output in row.outputs.all())
    output = pair[0].outputs.select_related("example__item__note").first()
    assert output is not None
    assert output.source_text == output.example.item.note.text
    assert output.reference == output.example.messages[-1]["content"]
    assert output.is_match is not None
    assert output.n_tokens > 0


def an_altered_adapter_answers_nothing(adapter: Adapter, cast: Cast) -> None:
    """And what is wrong with one system stops none of those that were started with it."""
    settings_file = settings.RUNS_DIR / adapter.folder / "adapter_config.json"
    settings_file.write_text(settings_file.read_text() + "\n")
    altered, base = start_inference(adapter, by=cast.ada)
    wait_until(lambda: again(altered).is_finished and again(base).is_finished, 180)
    assert again(altered).status == WorkStatus.FAILED
    assert "adapter has changed" in again(altered).error
    assert again(base).status == WorkStatus.DONE
    assert again(base).result["rows_answered"] == again(base).n_total

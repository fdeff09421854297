"""Runs on a real Celery worker with a real Redis: train, cancel, kill, resume - and never two trainers at once."""

import base64
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.conf import settings

from clinicalft import jobs
from clinicalft.models import AuditEvent, Device, WorkStatus
from tests.conftest import StartWorker, messages, wait_until
from tests.engines import engines, held_still
from tests.factories.training import frozen_dataset, registered_base_model
from tests.personas import Cast, make_cast
from training.actions.runs import cancel_run, resume_run, start_run
from training.models import Adapter, Run

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = {"rank": 4, "alpha": 8, "epochs": 2, "batch_size": 4, "max_length": 512, "learning_rate": 1e-2}
LONG = {**QUICK, "epochs": 100}
EVERY_STEP = {"device": "cpu", "checkpoint_seconds": 0}


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture
def make_run(cast: Cast) -> Any:
    """Starts a run; the worker picks it up when there is one."""

    def make(config: dict[str, Any]) -> Run:
        return start_run(
            project=cast.project, dataset=frozen_dataset(cast), base_model=registered_base_model(cast), by=cast.ada,
            config=config, machine=EVERY_STEP,
        )  # fmt: skip

    return make


@pytest.fixture
def start_gpu(start_worker: StartWorker) -> Iterator[StartWorker]:
    """Starts a worker of the gpu queue; trainers that still run at the end go first: no worker waits for them."""
    yield start_worker
    for process in engines():
        process.kill()


def again(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def has_trained(run: Run) -> bool:
    return run.events.filter(kind="checkpoint").exists()


def test_nothing_but_the_id_goes_through_the_broker(make_run: Any, empty_broker: Any) -> None:
    run = make_run(QUICK)

    newest = messages(empty_broker, "gpu")[-1]

    assert newest["headers"]["task"] == "training.tasks.train_run"
    assert json.loads(base64.b64decode(newest["body"]))[:2] == [[run.pk], {}]


def test_a_cancelled_run_stops_saves_and_goes_on_and_neither_a_killed_worker_nor_a_killed_trainer_makes_a_second(
    make_run: Any, cast: Cast, start_gpu: StartWorker
) -> None:
    """In one life, because each start of a worker or a trainer takes seconds."""
    run = make_run(LONG)
    worker = start_gpu("gpu")
    wait_until(lambda: has_trained(run), 180)
    cancel_run(again(run), by=cast.ada)
    wait_until(lambda: again(run).status == WorkStatus.CANCELLED, 60)
    assert not engines()

    done_before = again(run).n_done
    resume_run(again(run), by=cast.ada)
    wait_until(lambda: again(run).status == WorkStatus.RUNNING and again(run).n_done > done_before, 180)
    assert again(run).attempt == 2

    done_before = again(run).n_done
    kill_all(worker)
    wait_until(lambda: not engines(), 60)
    Run.objects.filter(pk=run.pk).update(leased_until="2000-01-01T00:00Z")
    Device.objects.exclude(leased_until=None).update(leased_until="2000-01-01T00:00Z")
    start_gpu("gpu")
    jobs.requeue_lost_work()
    wait_until(lambda: again(run).attempt == 3 and again(run).n_done > done_before, 180)
    assert AuditEvent.objects.filter(act="RUN_LOST", object_id=run.pk).exists()

    (trainer,) = engines()
    trainer.kill()
    wait_until(lambda: again(run).is_finished, 60)
    assert again(run).status == WorkStatus.FAILED
    assert "ended by the operating system (SIGKILL)" in again(run).error
    assert not Adapter.objects.exists()


def test_five_deliveries_to_two_workers_and_two_flushes_of_redis_make_one_run_that_ends_in_an_adapter(
    make_run: Any, empty_broker: Any, start_gpu: StartWorker
) -> None:
    run = make_run({**QUICK, "epochs": 20})
    empty_broker.flushdb()
    start_gpu("gpu")
    start_gpu("gpu")
    Run.objects.filter(pk=run.pk).update(sent_at="2000-01-01T00:00Z")
    assert jobs.requeue_lost_work() == 1, "what the broker has lost is sent again"
    for _ in range(4):
        send(run)

    with held_still():
        wait_until(lambda: not messages(empty_broker, "gpu"), 180)
        assert again(run).status == WorkStatus.RUNNING
        empty_broker.flushdb()

    wait_until(lambda: again(run).is_finished, 180)
    run = again(run)
    assert (run.status, run.error, run.attempt) == (WorkStatus.DONE, "", 1)
    adapter = Adapter.objects.get(run=run)
    assert (Path(settings.RUNS_DIR) / adapter.folder / "adapter_model.safetensors").is_file()
    assert adapter.sha256 == run.result["adapter_digest"]
    assert run.last_loss < run.first_loss
    assert run.n_done == run.n_total


def send(run: Run) -> None:
    """One more message about a run, as a broker delivers it that lost sight of the first."""
    current_app.send_task(Run.TASK, args=[run.pk], queue=Run.QUEUE, priority=run.priority)


def kill_all(worker: "subprocess.Popen[bytes]") -> None:
    """kill -9 for the worker and its pool, as a power cut would; the trainer is not in their session."""
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()

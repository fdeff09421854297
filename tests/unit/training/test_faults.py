"""One run and everything that can go wrong with it, on real PostgreSQL, Redis, Celery and trainers.

It ends in a finished run or in one plain reason, with one writer at a time and no adapter before the end. The whole
table of faults, with the tests of the others, is docs/faults.md.
"""

import contextlib
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery import current_app
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from clinicalft import environment, jobs, waiting
from clinicalft.actions import pause_worker, resume_worker
from clinicalft.embedded.places import redis_url
from clinicalft.embedded.process import Process
from clinicalft.embedded.redis import Redis
from clinicalft.models import Device, Worker, WorkStatus
from tests.conftest import ROOT, StartWorker, wait_until
from tests.engines import engines, held_still
from tests.factories.training import frozen_dataset, ready_base_model, registered_base_model
from tests.personas import Cast, make_cast
from training import supervisor
from training.actions.runs import cancel_run, resume_run, start_run
from training.engine.outcome import DISK_FULL
from training.models import Adapter, Run
from training.tasks import train_run

pytestmark = pytest.mark.django_db(transaction=True)

SMALL = {"rank": 4, "alpha": 8, "epochs": 75, "batch_size": 2, "max_length": 512, "learning_rate": 1e-2}
EVERY_STEP = {"device": "cpu", "checkpoint_seconds": 0}
OUTAGE_SECONDS = 1


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture
def run(cast: Cast, empty_broker: Any) -> Iterator[Run]:
    """A run that waits. Whatever trainer a failed test leaves behind goes with it."""
    yield start_run(
        project=cast.project, dataset=frozen_dataset(cast), base_model=registered_base_model(cast), by=cast.ada,
        config=SMALL, machine=EVERY_STEP,
    )  # fmt: skip
    for process in engines():
        process.kill()


def again(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def has_saved(run: Run) -> bool:
    """Whether an attempt runs and has saved a checkpoint."""
    now = again(run)
    return now.status == WorkStatus.RUNNING and run.events.filter(kind="checkpoint", attempt=now.attempt).exists()


@contextlib.contextmanager
def at_work(run: Run) -> Iterator[None]:
    """The task of the worker, in a thread of this process; it has to end by itself."""

    def work() -> None:
        train_run(run.pk)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join(120)
    assert not thread.is_alive()
    assert not engines()


def postgres_goes_away() -> None:
    """Every connection to this test's database is cut and none is let in, for as long as a restart takes."""
    name = connection.settings_dict["NAME"]
    connection.close()
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        time.sleep(OUTAGE_SECONDS)
        cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


def test_a_run_survives_cancelling_an_outage_a_pause_a_lost_lease_a_stall_and_a_full_disk(
    run: Run, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one life, because each start of a trainer takes seconds."""
    with at_work(run):
        wait_until(engines)
        cancel_run(again(run), by=cast.ada)
    assert again(run).status == WorkStatus.CANCELLED, "cancelled while the model was loading"

    resume_run(again(run), by=cast.ada)
    with at_work(run):
        with held_still():
            done = again(run).n_done
        postgres_goes_away()
        wait_until(lambda: again(run).n_done > done, 180)
        with held_still():
            assert again(run).attempt == 2, "the same trainer goes on after PostgreSQL was away"
            pause_worker(Worker.objects.get(), by=cast.ada)
    assert (again(run).status, again(run).attempts_left) == (WorkStatus.QUEUED, 3), "a pause costs no attempt"
    Worker.objects.update(last_seen_at=Now())
    assert "is paused" in waiting.why_waiting(again(run))
    train_run(run.pk)
    assert again(run).status == WorkStatus.QUEUED, "a paused host starts nothing"

    resume_worker(Worker.objects.get(), by=cast.ada)
    with at_work(run), held_still():
        Run.objects.filter(pk=run.pk).update(attempt=90)
    n_events = run.events.count()
    assert not Adapter.objects.exists(), "whoever lost the lease writes nothing"
    jobs.hand_back(jobs.Lease(Run, run.pk, 90))
    Worker.objects.get().devices.update(work_type="", work_id=None, work_attempt=None, leased_until=None)

    with at_work(run):
        wait_until(lambda: has_saved(run), 180)
        assert run.events.count() > n_events
        monkeypatch.setattr(supervisor, "STALL_SECONDS", 2)
        monkeypatch.setattr(supervisor, "STOP_SECONDS", 1)
        engines()[0].suspend()
    assert again(run).status == WorkStatus.FAILED
    assert "It has reported nothing for" in again(run).error
    monkeypatch.undo()

    resume_run(again(run), by=cast.ada)
    with no_file_longer_than(64 * 1024), at_work(run):
        wait_until(engines)
    assert (again(run).status, again(run).error) == (WorkStatus.FAILED, DISK_FULL)
    assert not Adapter.objects.exists()

    resume_run(again(run), by=cast.ada)
    with at_work(run):
        pass
    assert (again(run).status, again(run).error) == (WorkStatus.DONE, "")
    assert Adapter.objects.get().sha256 == again(run).result["adapter_digest"]


@contextlib.contextmanager
def no_file_longer_than(n_bytes: int) -> Iterator[None]:
    """What is started inside finds no room for longer files: the kernel refuses to write on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Servers:
    """Redis and beat of one test, which may be killed; what is started for the test uses this Redis."""

    def __init__(self, var: Path, environment: dict[str, str]) -> None:
        self.var, self.environment = var, environment
        self.started: list[Process] = []

    def redis(self) -> Process:
        self.started.append(Redis(self.var, lambda line: None).start())
        return self.started[-1]

    def beat(self) -> Process:
        command = [sys.executable, "-m", "celery", "-A", "clinicalft.celery", "beat", "--pidfile="]
        beat = Process("beat", command, self.var / "beat.log", self.environment, cwd=ROOT)
        beat.start()
        self.started.append(beat)
        return beat

    def kill(self, process: Process) -> None:
        """kill -9."""
        assert process.child is not None
        process.child.kill()
        process.child.wait()


@pytest.fixture
def servers(child_environment: dict[str, str]) -> Iterator[Servers]:
    var = Path(tempfile.mkdtemp(prefix="cft-"))
    child_environment["REDIS_URL"] = redis_url(var)
    found = Servers(var, child_environment)
    yield found
    for process in reversed(found.started):
        process.stop()
    shutil.rmtree(var, ignore_errors=True)


def test_beat_redis_and_the_process_of_the_task_are_killed_and_the_run_goes_on(
    run: Run, servers: Servers, start_worker: StartWorker
) -> None:
    redis, beat = servers.redis(), servers.beat()
    gpu = start_worker("gpu")
    start_worker("default")
    with current_app.connection(environment.broker(redis_url(servers.var))) as broker:
        current_app.send_task(Run.TASK, args=[run.pk], queue=Run.QUEUE, connection=broker)

    with held_still():
        servers.kill(beat)
        servers.kill(redis)
        done = again(run).n_done
    wait_until(lambda: again(run).n_done > done, 60)
    with held_still():
        assert again(run).attempt == 1, "without beat and Redis it goes on"
        servers.redis()
        servers.beat()
        psutil.Process(gpu.pid).children()[0].kill()
    wait_until(lambda: not engines(), 60)
    assert again(run).status == WorkStatus.RUNNING, "nobody is there to notice"
    Run.objects.filter(pk=run.pk).update(leased_until="2000-01-01T00:00Z")
    Device.objects.exclude(leased_until=None).update(leased_until="2000-01-01T00:00Z")
    wait_until(lambda: again(run).is_finished, 240)
    assert (again(run).status, again(run).attempt) == (WorkStatus.DONE, 2)
    assert Adapter.objects.filter(run=run).count() == 1


# ---------- without a trainer


@pytest.fixture
def light(cast: Cast, empty_broker: Any) -> Run:
    """A run whose base model has no files: enough for everything that happens before a trainer starts."""
    return start_run(
        project=cast.project, dataset=frozen_dataset(cast), base_model=ready_base_model(cast), by=cast.ada, config=SMALL
    )


def test_a_message_that_comes_after_the_run_was_cancelled_starts_nothing(light: Run, cast: Cast) -> None:
    cancel_run(light, by=cast.ada)

    train_run(light.pk)

    assert (again(light).status, again(light).attempt) == (WorkStatus.CANCELLED, 0)


def test_a_run_that_is_cancelled_while_its_data_is_prepared_never_starts_a_trainer(light: Run, cast: Cast) -> None:
    lease = jobs.claim(Run, light.pk)
    assert lease is not None
    cancel_run(again(light), by=cast.ada)

    with jobs.working(lease):
        jobs.heartbeat(lease, phase="preparing the data")
        pytest.fail("the heartbeat has to stop it")

    assert again(light).status == WorkStatus.CANCELLED
    assert Worker.objects.get().devices.get().leased_until is None


def test_a_disk_that_is_nearly_full_refuses_the_run_before_it_starts(
    light: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(settings.MODELS_DIR) / light.base_model.folder
    path.mkdir(parents=True, exist_ok=True)
    monkeypatch.setattr(supervisor, "LEAST_FREE", 1 << 60)

    train_run(light.pk)

    assert (again(light).status, again(light).error) == (WorkStatus.FAILED, DISK_FULL)


def test_a_database_that_is_lost_at_the_end_leaves_the_run_to_the_janitor(light: Run) -> None:
    lease = jobs.claim(Run, light.pk)
    assert lease is not None

    with jobs.working(lease):
        connection.close()
        with connection._nodb_cursor() as cursor:
            name = connection.settings_dict["NAME"]
            cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
            try:
                jobs.finish(lease)
            finally:
                cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')

    assert again(light).status == WorkStatus.RUNNING
    Run.objects.filter(pk=light.pk).update(leased_until="2000-01-01T00:00Z")
    jobs.requeue_lost_work()
    assert (again(light).status, again(light).attempts_left) == (WorkStatus.QUEUED, 2)


@pytest.mark.parametrize("days", [-1, 1])
def test_a_wrong_clock_of_a_host_neither_ends_nor_starts_anything(
    light: Run, monkeypatch: pytest.MonkeyPatch, days: int, empty_broker: Any
) -> None:
    lease = jobs.claim(Run, light.pk)
    assert lease is not None
    right = timezone.now()
    monkeypatch.setattr(timezone, "now", lambda: right + timedelta(days=days))

    assert jobs.requeue_lost_work() == 0
    jobs.heartbeat(lease)
    jobs.hand_back(lease)
    empty_broker.flushdb()
    assert jobs.requeue_lost_work() == 0, "it was sent a moment ago by the clock of the database"
    assert jobs.claim(Run, light.pk) is not None


def test_a_run_is_queued_while_redis_is_down_and_sent_when_it_answers(
    light: Run, servers: Servers, child_environment: dict[str, str]
) -> None:
    Run.objects.filter(pk=light.pk).update(status=WorkStatus.CANCELLED)
    code = (
        "import django; django.setup()\n"
        "from clinicalft import jobs\n"
        "from clinicalft.models import User\n"
        "from training.models import Run\n"
        f"jobs.retry(Run.objects.get(pk={light.pk}), by=User.objects.get(name='Ada'))\n"
        "jobs.requeue_lost_work()\n"
    )
    surroundings = {**child_environment, "DJANGO_SETTINGS_MODULE": "clinicalft.settings"}

    subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=surroundings, check=True, capture_output=True, timeout=120
    )

    assert (again(light).status, again(light).sent_at) == (WorkStatus.QUEUED, None)
    assert "as soon as the broker answers" in waiting.why_waiting(again(light)) or "No GPU host" in (
        waiting.why_waiting(again(light))
    )
    assert jobs.requeue_lost_work() == 1
    assert again(light).sent_at is not None

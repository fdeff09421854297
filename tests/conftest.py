"""Fixtures of every test. The servers and the state folder come from `tests.ground`."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole journey comes first: it takes a third of the time, most of it a model that is trained on one core.

    Browser tests run one at a time. They come before the many small tests, which two processes can share to the end.
    """

    def turn(item: pytest.Item) -> int:
        if item.path.name == "test_journey.py":
            return 0
        if item.path.parent.name == "functional":
            return 2
        return 3 if {"unit", "pure"} & set(item.path.relative_to(ROOT).parts) else 1

    for item in items:
        if item.path.parent.name == "functional":
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("journey" if turn(item) == 0 else "browser"))
    items.sort(key=turn)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Django empties the tables after a transactional test by TRUNCATE, which the audit log refuses.

    The trigger sleeps here and is tested in test_audit.py, which wakes it up inside its own transaction.
    """
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE clinicalft_auditevent DISABLE TRIGGER audit_kept")


@pytest.fixture
def child_environment(db: None) -> dict[str, str]:
    """Environment of a child process that is to work on this test's database, Redis and state folder.

    The child sees only what is committed: use it with `transactional_db` or `live_server`.
    """
    options = connection.settings_dict
    url = (
        f"postgresql://{options['USER']}:{options['PASSWORD']}@/{options['NAME']}?host={options['HOST'] or 'localhost'}"
    )
    if options["PORT"]:
        url += f"&port={options['PORT']}"
    return {
        **os.environ,
        "DATABASE_URL": url,
        "REDIS_URL": os.environ["REDIS_URL"],
        "SECRET_KEY": settings.SECRET_KEY,
        "FIELD_KEYS": ",".join(settings.FIELD_KEYS),
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture
def empty_broker() -> Iterator[redis.Redis]:
    """This process's Redis database, empty before and after."""
    client = redis.from_url(os.environ["REDIS_URL"])
    client.flushdb()
    yield client
    client.flushdb()


def messages(broker: redis.Redis, queue: str) -> list[Any]:
    """What the broker holds for a queue, in the order in which it is taken: one list for each priority."""
    lists = (queue, *(f"{queue}\x06\x16{priority}" for priority in (3, 6, 9)))
    return [json.loads(raw) for name in lists for raw in reversed(broker.lrange(name, 0, -1))]  # type: ignore[arg-type]


StartWorker = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start_worker(
    transactional_db: None, child_environment: dict[str, str], empty_broker: redis.Redis, tmp_path: Path
) -> Iterator[StartWorker]:
    """Starts a real Celery worker: `start_worker("default")`, `start_worker("gpu")`; all end with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(queue: str = "default", *options: str) -> "subprocess.Popen[bytes]":
        name = f"{queue}{len(started)}-{os.getpid()}"
        with (tmp_path / f"{name}.log").open("wb") as log:
            command = [sys.executable, "-m", "celery", "-A", "clinicalft.celery", "worker", "-Q", queue, "-c", "1"]
            worker = subprocess.Popen(
                [*command, "-n", f"{name}@test", "--without-mingle", "--without-gossip", *options],
                cwd=ROOT, env=child_environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        started.append(worker)
        return worker

    yield start
    # What a worker does when it is asked to end has its own tests; here nobody waits for it.
    for worker in started:
        if worker.poll() is None:
            os.killpg(worker.pid, signal.SIGKILL)
    for worker in started:
        worker.wait(20)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium or Chrome on this machine."""
    for name in (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"):
        if name and (found := shutil.which(name)):
            return found
    pytest.fail("There is no Chromium: apt-get install chromium, or set CHROMIUM to the path of one.")


def wait_until(condition: Callable[[], Any], seconds: float = 60, every: float = 0.1) -> Any:
    """The first true value of `condition`; fails the test when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(every)
    pytest.fail(f"Nothing after {seconds} s: {condition}")

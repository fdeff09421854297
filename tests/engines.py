"""The engine's processes that the workers of a test have started: found, and held still in the middle of their work."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psutil
from django.conf import settings

from tests.conftest import wait_until


def engines() -> list[psutil.Process]:
    """Live engine processes that work on a run folder of this test."""
    lines = [(process, process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [one for one, line in lines if "training.engine" in line and str(settings.RUNS_DIR) in line[-1]]


def folder_of(engine: psutil.Process) -> Path:
    """The run folder that it works on."""
    return Path(engine.info["cmdline"][-1])


def reporting(kind: str) -> list[psutil.Process]:
    """The engines that have written an event of this kind themselves, not only those that did so before them."""

    def has_reported(engine: psutil.Process) -> bool:
        events = folder_of(engine) / "events.jsonl"
        try:
            is_own = events.stat().st_mtime > engine.create_time()
            told = events.read_text()
        except (OSError, psutil.NoSuchProcess):
            return False
        return is_own and f'"kind": "{kind}"' in told.rpartition('"kind": "start"')[2]

    return [engine for engine in engines() if has_reported(engine)]


@contextlib.contextmanager
def held_still(kind: str = "checkpoint") -> Iterator[psutil.Process]:
    """The one engine is stopped once it has saved, or reported another kind of event, and goes on afterwards: no test
    depends on how fast it is."""
    (engine,) = wait_until(lambda: reporting(kind), 180, every=0.05)
    engine.suspend()
    yield engine
    engine.resume()


def is_asked_to_stop(engine: psutil.Process) -> bool:
    """Whether SIGTERM waits for an engine that is held still."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{engine.pid}/status").read_text().splitlines())
    return bool(int(status["ShdPnd"], 16) >> 14 & 1)

"""Runs a run folder in a child process and reports on it: the worker itself never imports torch.

The child sits in a session of its own and dies with its parent (training.engine sets the parent-death signal). Locks
on the folder and on each device, inherited by the child, make sure that never two trainers write to the one or compute
on the other, even while an orphan still saves. PostgreSQL may go away for as long as the lease lasts: what the child
reports meanwhile is kept.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from clinicalft import jobs, machine
from clinicalft.access import Refused
from clinicalft.models import Device
from training.engine.folder import RunFolder
from training.engine.outcome import DISK_FULL, ExitCode

POLL_SECONDS = 0.5
SAMPLE_SECONDS = 5
STOP_SECONDS = 30
STALL_SECONDS = 15 * 60
LOG_LINES = 100
LEAST_FREE = 256 * 1024 * 1024

Events = list[tuple[int, dict[str, Any]]]
"""(line number in events.jsonl, event) pairs."""


@dataclass
class Outcome:
    """How a child ended. `sentence` says why it failed, in plain words; empty when it did not."""

    exit_code: int
    sentence: str = ""
    log_tail: str = ""
    result: dict[str, Any] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        return self.exit_code == ExitCode.DONE

    @property
    def is_interrupted(self) -> bool:
        return self.exit_code == ExitCode.INTERRUPTED


def supervise(
    lease: jobs.Lease,
    folder: RunFolder,
    on_events: Callable[[Events], None],
    progress: Callable[[dict[str, Any]], dict[str, Any]],
) -> Outcome:
    """Runs `python -m training.engine` on the folder until it ends.

    New events go to `on_events` in order; `progress(event)` turns the latest into fields for the heartbeat. Raises
    jobs.Cancelled and jobs.Interrupted after the child has saved and stopped, jobs.LeaseLost after it was stopped
    without its results.
    """
    _refuse_full_disk(folder.path)
    uuids = list(Device.objects.filter(pk__in=lease.devices).values_list("uuid", flat=True))
    with _only_one(lease, folder, uuids) as locks, (folder.path / "log.txt").open("ab") as output:
        # What an earlier attempt reported: stored again where that was lost, but its errors are not ours.
        report = Report(lease, LineReader(folder.events_file), on_events, progress, uuids)
        report.take_over()
        child = subprocess.Popen(
            [sys.executable, "-m", "training.engine", str(folder.path)],
            cwd=settings.BASE_DIR, env=_environment(uuids), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True, pass_fds=locks,
        )  # fmt: skip
        try:
            _watch(child, report)
        finally:
            _stop(child)
        report.finish()
    tail = log_tail(folder)
    result = json.loads(folder.result_file.read_text()) if folder.result_file.exists() else {}
    return Outcome(child.returncode, _sentence(child.returncode, report.error), tail, result)


def _refuse_full_disk(path: Path) -> None:
    """Raises Refused before hours of work whose first checkpoint would find no room."""
    if shutil.disk_usage(path).free < LEAST_FREE:
        raise Refused("disk-full", DISK_FULL)


class Report:
    """Hands what the child reports to the rows, with the lease, and keeps it while PostgreSQL does not answer."""

    def __init__(
        self, lease: jobs.Lease, reader: "LineReader", on_events: Any, progress: Any, uuids: list[str]
    ) -> None:
        self._lease, self._reader, self._on_events, self._progress = lease, reader, on_events, progress
        self._uuids = uuids
        self._unstored: Events = []
        self._stored_at = self._sampled_at = self.heard_at = time.monotonic()
        self.error: dict[str, Any] = {}

    def take_over(self) -> None:
        """Stores what an earlier attempt reported."""
        self._on_events(self._reader.read())

    def send(self) -> None:
        """Stores what is new and extends the lease. Raises what a heartbeat raises, and the database's error once it
        has been away for as long as the lease."""
        new = self._reader.read()
        if new:
            self.heard_at = time.monotonic()
            self.error = next((event for _, event in new if event["kind"] == "error"), self.error)
        self._unstored += new
        try:
            if self._unstored:
                self._on_events(self._unstored)
            found = [self._progress(event) for _, event in self._unstored]
            fields = {name: value for each in found for name, value in each.items()}
            jobs.heartbeat(self._lease, **fields, **self._sample())
        except jobs.DATABASE_LOST:
            connection.close()
            if time.monotonic() - self._stored_at > jobs.LEASE.total_seconds():
                raise
            return
        self._unstored = []
        self._stored_at = time.monotonic()

    def finish(self) -> None:
        """Stores the last of it, waiting for PostgreSQL where that is needed."""
        self.send()
        while self._unstored:
            time.sleep(POLL_SECONDS)
            self.send()

    def _sample(self) -> dict[str, Any]:
        """Now and then a reading of the GPUs; nothing where there are none."""
        if time.monotonic() - self._sampled_at < SAMPLE_SECONDS:
            return {}
        self._sampled_at = time.monotonic()
        readings = [gpu for gpu in machine.all_gpus()[0] if gpu["uuid"] in self._uuids]
        return {"gpus": readings} if readings else {}


def _watch(child: Any, report: Report) -> None:
    while child.poll() is None:
        report.send()
        if time.monotonic() - report.heard_at > STALL_SECONDS:
            os.kill(child.pid, signal.SIGUSR1)
            sentence = f"It has reported nothing for {round(STALL_SECONDS / 60)} minutes and was stopped."
            report.error = {"sentence": sentence, "advice": "Resume it; if it stalls again, look at its log."}
            return
        with suppress(subprocess.TimeoutExpired):
            child.wait(POLL_SECONDS)


def _stop(child: Any) -> None:
    """Asks a living child to save and stop, and after half a minute ends its whole session."""
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _sentence(exit_code: int, error: dict[str, Any]) -> str:
    if exit_code in (ExitCode.DONE, ExitCode.INTERRUPTED):
        return ""
    if exit_code == ExitCode.DISK_FULL:
        return DISK_FULL
    if error:
        return f"{error['sentence']} {error.get('advice', '')}".strip()
    if exit_code == -signal.SIGKILL:
        return (
            "The trainer was ended by the operating system (SIGKILL), most often because the main memory was full. "
            "Resume it when less else runs, or start a new run with a smaller batch size."
        )
    if exit_code < 0:
        return f"The trainer was ended by the operating system ({signal.Signals(-exit_code).name})."
    return "The trainer stopped with an error of the program; the end of its log stands below."


@contextmanager
def _only_one(lease: jobs.Lease, folder: RunFolder, uuids: list[str]) -> Iterator[list[int]]:
    """Holds the locks of the folder and of the devices; waits for an orphan of an earlier attempt that is still
    saving."""
    names = [folder.path / ".lock", *(folder.path.parent / f".device-{uuid}.lock" for uuid in sorted(uuids))]
    with ExitStack() as held:
        yield [held.enter_context(_lock(lease, name)) for name in names]


@contextmanager
def _lock(lease: jobs.Lease, name: Path) -> Iterator[int]:
    descriptor = os.open(name, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        for _ in range(2 * STOP_SECONDS):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                jobs.heartbeat(lease, phase="waiting for an earlier trainer to save")
                time.sleep(1)
        else:
            raise Refused("busy", "An earlier trainer still holds this folder or device. Try again in a minute.")
        yield descriptor
    finally:
        os.close(descriptor)


class LineReader:
    """Reads the whole new lines of a JSONL file that another process appends to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.line = 0

    def read(self) -> Events:
        if not self.path.exists():
            return []
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            chunk = stream.read()
        whole = chunk[: chunk.rfind(b"\n") + 1]
        self.offset += len(whole)
        events = []
        for line in whole.splitlines():
            self.line += 1
            events.append((self.line, json.loads(line)))
        return events


def _environment(uuids: list[str]) -> dict[str, str]:
    """The child's environment: the GPUs of the lease and no other, no secrets of ours, no hub, no telemetry."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "CUDA_HOME")
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
    gpus = [uuid for uuid in uuids if uuid.startswith("GPU-")]
    leased = {"CUDA_VISIBLE_DEVICES": ",".join(gpus)} if gpus else {}
    return {**{name: os.environ[name] for name in kept if name in os.environ}, **leased, **offline}


def log_tail(folder: RunFolder) -> str:
    """The last lines that the child has printed, also while it works; empty before it has begun."""
    path = folder.path / "log.txt"
    if not path.exists():
        return ""
    # PostgreSQL has no place for the NUL character.
    lines = path.read_text(errors="replace").replace("\x00", "\ufffd").splitlines()
    return "\n".join(lines[-LOG_LINES:])

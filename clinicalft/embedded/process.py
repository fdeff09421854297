"""One child process: started in a session of its own, logged to a file, stopped by its own signal, never orphaned."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

PR_SET_PDEATHSIG = 1
LOG_LIMIT = 10_000_000
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class Broken(Exception):
    """Something outside the code is wrong: the text is one line for the person at the keyboard."""


@dataclass
class Process:
    """A command that `start` runs and `stop` ends. `uid` and `gid` need root."""

    name: str
    command: Sequence[str]
    log: Path
    env: Mapping[str, str]
    stop_signal: int = signal.SIGTERM
    grace: float = 10.0
    uid: int | None = None
    gid: int | None = None
    cwd: Path | None = None
    child: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Starts the command; raises Broken when it cannot be executed."""
        with open_log(self.log) as log:
            try:
                self.child = subprocess.Popen(
                    self.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=dict(self.env),
                    cwd=self.cwd,
                    user=self.uid,
                    group=self.gid,
                    extra_groups=[] if self.uid is not None else None,
                    # Its own session: Ctrl-C reaches the supervisor alone, which then stops things in order.
                    start_new_session=True,
                    preexec_fn=follow_parent(self.stop_signal),
                )
            except OSError as error:
                raise Broken(f"{self.name} cannot be started: {error}") from error

    @property
    def is_running(self) -> bool:
        return self.child is not None and self.child.poll() is None

    def stop(self) -> None:
        """Asks it to end, waits `grace` seconds, then kills what is left of its group."""
        if self.child is None:
            return
        if self.is_running:
            self.child.send_signal(self.stop_signal)
            try:
                self.child.wait(self.grace)
            except subprocess.TimeoutExpired:
                os.killpg(self.child.pid, signal.SIGKILL)
                self.child.wait()
        self.child = None

    def sweep(self) -> None:
        """Kills what a process that died left of its group: a pool that works on without its worker, for one."""
        if self.child is not None and not self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)

    def why_it_ended(self) -> str:
        """The signal that killed it, or the last line that it logged."""
        if self.child is not None and self.child.returncode is not None and self.child.returncode < 0:
            return f"killed by {signal.Signals(-self.child.returncode).name}"
        with contextlib.suppress(FileNotFoundError):
            lines = self.log.read_bytes()[-4000:].decode(errors="replace").strip().splitlines()
            return lines[-1][:300] if lines else "it said nothing"
        return "it said nothing"


def follow_parent(sent: int) -> Callable[[], None] | None:
    """Makes the kernel send a signal to the child when its parent dies (Linux), so that a kill leaves no orphan."""
    libc, parent = _libc, os.getpid()
    if libc is None:
        return None

    def set_signal() -> None:
        libc.prctl(PR_SET_PDEATHSIG, sent, 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return set_signal


def open_log(path: Path) -> IO[bytes]:
    """The log file for appending; one that has grown past 10 MB is set aside as `.old` first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(".old"))
    return path.open("ab")

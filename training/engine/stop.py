"""Asks to stop: signals, and the death of the process that started this one."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import sys
import threading
from types import FrameType

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 1.0


class Stop:
    """Becomes `asked` on SIGTERM, on SIGINT and when the parent process dies; the work looks at it between batches."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def asked(self) -> bool:
        """True once somebody wants the work saved and ended."""
        return self._event.is_set()

    def ask(self) -> None:
        """Ask for the work to be saved and ended."""
        self._event.set()

    def listen(self) -> None:
        """Listen for signals and watch the parent; SIGUSR1 prints all stacks. Call once, from the main thread."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        faulthandler.enable()
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        parent = os.getppid()
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        # The kernel's signal follows the thread that forked and does not exist everywhere, so the parent is polled too.
        threading.Thread(target=self._watch, args=(parent,), name="parent-watch", daemon=True).start()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.ask()

    def _watch(self, parent: int) -> None:
        while os.getppid() == parent:
            if self._event.wait(POLL_SECONDS):
                return
        self.ask()

"""How the engine ends: its exit codes and the exceptions that lead to them."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the supervisor reads from the child process; any other value is a crash."""

    DONE = 0
    INTERRUPTED = 75
    OUT_OF_MEMORY = 76
    BAD_INPUT = 77


class BadInput(Exception):
    """The configuration, the data or the base model cannot be used: one plain sentence, and what to do about it."""

    def __init__(self, sentence: str, advice: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.advice = advice


class Interrupted(Exception):
    """A stop was asked for and everything worth keeping has been saved."""


def is_out_of_memory(error: BaseException) -> bool:
    """True for a full graphics card and for a full main memory, which torch reports as a plain RuntimeError."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "allocate memory" in str(error)

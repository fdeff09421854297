"""The time limit of the note in hand: every pass asks it, so that no text, however odd, holds a worker for long."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from annotation.deid.faults import DeidError

_deadline: ContextVar[float] = ContextVar("deadline")


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Everything inside has `seconds` of wall time together."""
    token = _deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _deadline.reset(token)


def seconds_left() -> float:
    """Seconds before the time limit. Raises DeidError when there are none."""
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise too_slow()
    return left


def too_slow() -> DeidError:
    """The error of a note that ran out of time."""
    return DeidError("The note takes too long to search for identifiers; it is held back, please look at its content.")

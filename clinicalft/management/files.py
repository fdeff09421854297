"""Files that a command writes for whoever typed it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.core.management.base import CommandError


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that was not there before, which only its owner may read; nothing of it stays when it does not get whole.

    Open it before the action that the audit log records, so that nothing is said to have left that could not be
    written. Raises CommandError.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as fault:
        raise CommandError(f"{path} cannot be made: {fault.strerror}.") from fault
    is_whole = False
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        is_whole = True
    except OSError as fault:
        raise CommandError(f"{path} cannot be written: {fault.strerror}.") from fault
    finally:
        if not is_whole:
            path.unlink(missing_ok=True)

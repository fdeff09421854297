"""From the carried text to released notes, by the real actions and the real de-identification."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from annotation import tasks
from annotation.actions.batches import import_notes
from annotation.actions.notes import release_notes
from annotation.models import Batch, DeidentifiedNote
from annotation.visibility import released_notes
from clinicalft.access import Refused
from clinicalft.models import Project, User, WorkStatus

Json = dict[str, Any]
DATA = Path(__file__).resolve().parent / "data"


@cache
def carried(name: str) -> tuple[Json, ...]:
    """The rows of one file of the demo."""
    lines = (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line) for line in lines)


def release(
    project: Project, file_name: str, rows: Iterable[Json], mapping: dict[str, str], by: User
) -> list[DeidentifiedNote]:
    """Imports, de-identifies and releases rows as one batch; returns the released notes in the order of the file."""
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    batch = import_notes(project=project, file_name=file_name, content=content, mapping=mapping, by=by)
    tasks.import_notes(batch.pk)
    _check(batch)
    tasks.deidentify_batch(batch.deidentifications.get().pk)
    release_notes(batch, by=by)
    return list(released_notes(project).filter(note__batch=batch).select_related("note"))


def _check(batch: Batch) -> None:
    batch.refresh_from_db()
    if batch.status != WorkStatus.DONE:
        raise Refused("demo", f"The demo's notes could not be imported: {batch.error}")

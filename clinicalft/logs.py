"""Log lines as JSON objects whose keys are on a list: a log must never hold note text."""

import json
import logging
import traceback
from datetime import UTC, datetime

# What a log call may add with `extra=`; any other attribute is dropped.
ALLOWED = (
    "act",
    "attempt",
    "code",
    "duration_ms",
    "n_rows",
    "object_id",
    "object_type",
    "project_id",
    "queue",
    "row",
    "status_code",
    "task",
    "task_id",
    "user_id",
    "work",
    "work_id",
)


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time (UTC), level, logger, message and the allowed extras.

    The text of an exception may quote the row or the note that caused it, so a record with an exception keeps
    its message template unfilled and gives the exception's class and the places in our code, never its text.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": str(record.msg) if record.exc_info else record.getMessage(),
        }
        line.update({key: record.__dict__[key] for key in ALLOWED if key in record.__dict__})
        line.update(_celery_task(record))
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = _chain(record.exc_info[1])
        return json.dumps(line, default=str, ensure_ascii=False)


def _celery_task(record: logging.LogRecord) -> dict[str, object]:
    """Name and id of the task that Celery logs about; its `data` also holds arguments and results."""
    data = record.__dict__.get("data")
    if not isinstance(data, dict):
        return {}
    return {ours: data[theirs] for ours, theirs in (("task", "name"), ("task_id", "id")) if theirs in data}


def _chain(error: BaseException) -> list[dict[str, object]]:
    """Class and places of an exception and of those that led to it, newest first."""
    chain: list[dict[str, object]] = []
    current: BaseException | None = error
    while current is not None and len(chain) < 5:
        frames = traceback.extract_tb(current.__traceback__)
        chain.append(
            {
                "type": f"{type(current).__module__}.{type(current).__qualname__}",
                "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-12:]],
            }
        )
        current = current.__cause__ or current.__context__
    return chain

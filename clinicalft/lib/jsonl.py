"""JSON Lines, read strictly: one object a line, UTF-8, every fault named by its line and never by its content."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class JsonlError(ValueError):
    """A line is not one clean JSON object. `line` counts from 1; the message is a whole sentence."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(f"Line {line}: {sentence}")
        self.line = line
        self.sentence = sentence


def parse_line(raw: bytes, line: int) -> dict[str, Any]:
    """The object on one line. Raises JsonlError for anything but clean UTF-8, clean JSON and one object."""
    try:
        text = raw.removeprefix(BYTE_ORDER_MARK).decode("utf-8") if line == 1 else raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        raise JsonlError(line, f"not UTF-8 at byte {fault.start + 1} of the line.") from None
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as fault:
        raise JsonlError(line, f"not valid JSON at column {fault.colno} ({fault.msg}).") from None
    except RecursionError:
        raise JsonlError(line, "is nested too deeply.") from None
    except ValueError as fault:
        raise JsonlError(line, str(fault)) from None
    if not isinstance(value, dict):
        raise JsonlError(line, f'holds {_kind(value)} where an object such as {{"id": ..., "text": ...}} is needed.')
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise JsonlError(line, "holds half of a character (a lone surrogate).") from None
    return value


def read(lines: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) for each line that is not blank. Raises JsonlError at the first fault."""
    for line, raw in enumerate(lines, start=1):
        if raw.strip():
            yield line, parse_line(raw, line)


def dump_line(value: dict[str, Any]) -> str:
    """One object as one line, with its newline. Raises ValueError for NaN and infinities."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("has the same key twice in one object.")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"holds {name}, which is not JSON.")


def _kind(value: Any) -> str:
    names = {
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        type(None): "null",
    }
    return names[type(value)]

"""Files that survive a killed process: digests, atomic writes, and append-only lines; no torch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from training.engine.outcome import BadInput


def sha256_of_file(path: Path) -> str:
    """SHA-256 of the content, in hexadecimal."""
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def sha256_of_files(digests: Mapping[str, str]) -> str:
    """One digest for named files: SHA-256 of the lines "<sha256>  <name>" in order of name, as `sha256sum` prints."""
    lines = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    return sha256(lines.encode()).hexdigest()


def sync_folder(folder: Path) -> None:
    """Make renames and new names in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_bytes(path: Path, content: bytes) -> None:
    """Write and flush to the disk; not atomic by itself."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def replace_text(path: Path, content: str) -> None:
    """Write a file in one step: a reader sees the old content or the new, never half of it."""
    temporary = path.with_name(f".{path.name}.part")
    write_bytes(temporary, content.encode())
    temporary.replace(path)
    sync_folder(path.parent)


def replace_json(path: Path, content: Any) -> None:
    """`replace_text` for a JSON value, indented and with sorted keys."""
    replace_text(path, json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """The JSON value of a file. Raises BadInput when it is missing or is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(path, error) from error
    except ValueError as error:
        raise BadInput(f"{path.name} is not valid JSON: {error}.", "Write the file again.") from error


def _unreadable(path: Path, error: OSError) -> BadInput:
    return BadInput(f"{path.name} cannot be read: {error.strerror}.", "Put the file back and start again.")


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file, one by one. Raises BadInput with the line number of the first bad line."""
    try:
        stream = path.open(encoding="utf-8")
    except OSError as error:
        raise _unreadable(path, error) from error
    with stream:
        for line_number, line in enumerate(stream, start=1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise BadInput(f"Line {line_number} of {path.name} is not valid JSON.", "Correct that line.") from error
            if not isinstance(row, dict):
                raise BadInput(f"Line {line_number} of {path.name} is not an object.", "Correct that line.")
            yield row


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a JSON-lines file in one step."""
    replace_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def drop_torn_line(path: Path) -> None:
    """Cut off a last line that a killed process did not finish, so that appending goes on cleanly."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)

"""Content hashes: SHA-256 of text as UTF-8, of values as canonical JSON, of files by blocks."""

import hashlib
import json
from pathlib import Path
from typing import Any

BLOCK = 1 << 20


def canonical_json(value: Any) -> str:
    """`value` as the one JSON text that stands for it: keys sorted by code point, no spaces, only JSON's own escapes.

    Floats are written as Python's shortest round-trip form. Raises ValueError for NaN, infinities, keys that are not
    strings and lone surrogates, none of which has a single agreed form.
    """
    _check_keys(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    text.encode("utf-8")
    return text


def sha256_text(text: str) -> str:
    """Hexadecimal SHA-256 of `text` in UTF-8."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sha256_json(value: Any) -> str:
    """Hexadecimal SHA-256 of the canonical JSON of `value`."""
    return sha256_text(canonical_json(value))


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of the bytes of a file, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _check_keys(value: Any) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ValueError(f"Canonical JSON needs text keys, not {type(key).__name__}.")
            _check_keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_keys(inner)

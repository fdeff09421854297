"""Declared settings: one place for the default, the help text and the sentence that refuses a bad value."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, field, fields
from hashlib import sha256
from typing import Any, ClassVar, Protocol, Self

from training.engine.outcome import BadInput

Check = Callable[[Any], str]
"""Takes a value and returns the sentence that refuses it, or an empty string."""


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


def setting(default: Any = MISSING, *, label: str, help_text: str, check: Check) -> Any:
    """A dataclass field that carries its own label, help text and check."""
    metadata = {"label": label, "help_text": help_text, "check": check}
    return field(metadata=metadata) if default is MISSING else field(default=default, metadata=metadata)


def as_in(kind: type[_Dataclass], name: str, default: Any = MISSING, *, help_text: str = "") -> Any:
    """A setting of another configuration with a default of its own, and its help text where one is given."""
    known = kind.__dataclass_fields__[name].metadata
    return setting(default, label=known["label"], help_text=help_text or known["help_text"], check=known["check"])


def whole(low: int, high: int) -> Check:
    """Accepts whole numbers from `low` to `high`, both included."""

    def check(value: Any) -> str:
        fits = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return "" if fits else f"Give a whole number from {low:,} to {high:,}."

    return check


def number(low: float, high: float, *, above_low: bool = False) -> Check:
    """Accepts numbers from `low` to `high`; with `above_low`, `low` itself is refused."""

    sentence = (
        f"Give a number above {low:g}, at most {high:g}." if above_low else f"Give a number from {low:g} to {high:g}."
    )

    def check(value: Any) -> str:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = is_number and low <= value <= high and not (above_low and value == low)
        return "" if fits else sentence

    return check


def one_of(*choices: str) -> Check:
    """Accepts one of a few words."""

    def check(value: Any) -> str:
        return "" if value in choices else f"Choose one of: {', '.join(choices)}."

    return check


def flag(value: Any) -> str:
    """Accepts true and false."""
    return "" if isinstance(value, bool) else "Choose yes or no."


def text(value: Any) -> str:
    """Accepts any text."""
    return "" if isinstance(value, str) else "Give text."


def filled(value: Any) -> str:
    """Accepts text that is not empty."""
    return "" if isinstance(value, str) and value.strip() else "This must not be empty."


def digest(value: Any) -> str:
    """Accepts a SHA-256 in hexadecimal, or an empty text for "do not compare"."""
    is_hex = isinstance(value, str) and (value == "" or (len(value) == 64 and set(value) <= set("0123456789abcdef")))
    return "" if is_hex else "Give a SHA-256 as 64 hexadecimal digits, or leave it empty."


class Settings:
    """Base of the frozen configuration dataclasses: checked when made, read from and written to plain JSON."""

    not_identity: ClassVar[frozenset[str]] = frozenset()
    """Fields that say where something lies, not what it is."""

    @classmethod
    def problems(cls: type[_Dataclass], values: Mapping[str, Any]) -> dict[str, str]:
        """Field name to the sentence that refuses its value; empty when all is well. Missing fields take defaults."""
        known = {item.name: item for item in fields(cls)}
        found = {name: "There is no such setting." for name in values if name not in known}
        for name, item in known.items():
            if name in values:
                sentence = item.metadata["check"](values[name])
            else:
                sentence = "This must be given." if item.default is MISSING else ""
            if sentence:
                found[name] = sentence
        return found

    def __post_init__(self: _Dataclass) -> None:
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        _refuse(type(self).problems(values))  # type: ignore[attr-defined]

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The configuration that `to_json` wrote. Raises BadInput naming every field that is wrong."""
        given = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        _refuse(cls.problems(given))  # type: ignore[misc]
        return cls(**given)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the field names."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}  # type: ignore[call-overload]

    def identity(self) -> dict[str, Any]:
        """`to_json` without the fields that may differ between hosts."""
        return {name: value for name, value in self.to_json().items() if name not in self.not_identity}

    def digest(self) -> str:
        """SHA-256 of `identity`, the same on every host."""
        return sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()


def _refuse(problems: Mapping[str, str]) -> None:
    if problems:
        listed = " ".join(f"{name}: {sentence}" for name, sentence in problems.items())
        raise BadInput(f"The configuration is not usable. {listed}", "Correct these settings and start again.")

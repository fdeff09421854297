"""What the source already knows about a patient, and finding it in the patient's notes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import date, datetime

import regex

from annotation.deid.clock import matches
from annotation.deid.dictionaries import ordinary_words
from annotation.deid.normalise import Shadow, fold, folded
from annotation.deid.spans import Span

NAME_FIELDS = ("first_name", "middle_name", "last_name", "other_names")
LABEL_OF = {
    "mrn": "MRN", "phone": "PHONE", "email": "EMAIL", "ssn": "SSN", "health_plan_id": "HEALTH_PLAN_ID",
    "account": "ACCOUNT", "address": "LOCATION", "city": "LOCATION", "zip": "LOCATION", "other_ids": "OTHER_ID",
}  # fmt: skip
DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y%m%d",
    "%m/%d/%Y",
    "%m-%d-%Y",
    "%d.%m.%Y",
    "%d %B %Y",
    "%d %b %Y",
    "%B %d, %Y",
    "%b %d, %Y",
)
SEPARATORS = r"[\s().,/-]{0,3}"


@dataclass(frozen=True)
class KnownIdentifiers:
    """Identifiers of one patient from the import columns; semicolons part several values of a field, "" is none."""

    first_name: str = ""
    middle_name: str = ""
    last_name: str = ""
    other_names: str = ""
    birth_date: str = ""
    mrn: str = ""
    phone: str = ""
    email: str = ""
    ssn: str = ""
    health_plan_id: str = ""
    account: str = ""
    address: str = ""
    city: str = ""
    zip: str = ""
    other_ids: str = ""

    @classmethod
    def from_mapping(cls, values: Mapping[str, str]) -> "KnownIdentifiers":
        """The identifiers among `values`; other keys are ignored."""
        return cls(**{field.name: str(values[field.name]) for field in fields(cls) if values.get(field.name)})

    def values(self, field: str) -> list[str]:
        """The values of one field, without blanks."""
        return [value.strip() for value in str(getattr(self, field)).split(";") if value.strip()]


def known_spans(note: str, shadow: Shadow, known: KnownIdentifiers) -> list[Span]:
    """Where the identifiers stand in a note: spans in the characters of the note, score 1, source "known/<field>"."""
    plain = folded(shadow)
    found = []
    for field, label, pattern in _patterns(known):
        for match in matches(pattern, plain.text):
            start, end = plain.to_note(*match.span())
            found.append(Span(start, end, label, 1.0, f"known/{field}"))
    names = [part for field in NAME_FIELDS for value in known.values(field) for part in name_parts(value)]
    return found + name_spans(note, shadow, names, "known/name", 1.0)


def name_parts(name: str) -> list[str]:
    """The words of a name that may stand alone: two characters or more, without initials and particles."""
    return [word for word in regex.findall(r"\p{L}[\p{L}\p{M}\d'’-]+", name) if word.lower() not in PARTICLES]


PARTICLES = frozenset(
    ("de", "la", "del", "der", "den", "van", "von", "bin", "al", "el", "da", "di", "jr", "sr", "ii", "iii")
)


def name_spans(note: str, shadow: Shadow, parts: list[str], source: str, score: float) -> list[Span]:
    """Every place where a part of a name stands as a word, whatever its case and accents.

    A part that is also an ordinary word ("Will", "May") or has two letters counts only where it is capitalised.
    """
    if not parts:
        return []
    plain = folded(shadow)
    letters = sorted({fold(part) for part in parts}, key=len, reverse=True)
    pattern = regex.compile(rf"(?<![\p{{L}}\d])(?:{'|'.join(regex.escape(part) for part in letters)})(?![\p{{L}}\d])")
    found = []
    for match in matches(pattern, plain.text):
        start, end = plain.to_note(*match.span())
        doubtful = match.group() in ordinary_words() or len(match.group()) <= 2
        if not doubtful or note[start].isupper():
            found.append(Span(start, end, "NAME", score, source))
    return found


def _patterns(known: KnownIdentifiers) -> Iterator[tuple[str, str, regex.Pattern[str]]]:
    for field, label in LABEL_OF.items():
        for value in known.values(field):
            if pattern := _spelled(value):
                yield field, label, regex.compile(pattern)
    for value in known.values("birth_date"):
        yield "birth_date", "DATE", regex.compile(_date_pattern(value))


def _spelled(value: str) -> str | None:
    """The letters and digits of a value in order, with any small separators between them; None for fewer than three."""
    characters = [character for character in fold(value) if character.isalnum()]
    if len(characters) < 3:
        return None
    return rf"(?<!\w){SEPARATORS.join(regex.escape(character) for character in characters)}(?!\w)"


def _date_pattern(value: str) -> str:
    day = _parse_date(value)
    if day is None:
        return _spelled(value) or r"(?!)"
    number = (
        rf"0?{day.day}(?:st|nd|rd|th)?",
        f"(?:0?{day.month}|{day:%B}|{day:%b}\\.?)".lower(),
        f"(?:{day:%Y}|'?{day:%y})",
    )
    gap = r"[\s,./-]{0,3}(?:of\s)?"
    orders = (number[0], number[1], number[2]), (number[1], number[0], number[2]), (number[2], number[1], number[0])
    return rf"(?<!\d)(?:{'|'.join(gap.join(order) for order in orders)})(?!\d)"


def _parse_date(value: str) -> date | None:
    for shape in DATE_FORMATS:
        try:
            return datetime.strptime(value, shape).date()
        except ValueError:
            continue
    return None

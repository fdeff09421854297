"""From a file to records of notes: JSON Lines, CSV and plain text, read strictly, with every fault named by its place.

A sentence about a fault holds the line, the column and what to do; never any text of a note.
"""

import codecs
import csv
import io
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import regex

from annotation.deid.known import KnownIdentifiers
from clinicalft.lib.jsonl import JsonlError, parse_line
from clinicalft.lib.spans import normalise_newlines

csv.field_size_limit(2**31 - 1)  # of the whole process; the size of a note is checked here, with a better sentence
MAX_NOTE_BYTES = 5_000_000
PREVIEW_ROWS = 5
PREVIEW_PROBLEMS = 20
KNOWN_FIELDS = tuple(item.name for item in fields(KnownIdentifiers))
TEXT_FIELDS = ("source_id", "patient_id", "text", "language", "sex", "age", "specialty", "site", "written_on")
FIELDS = (*TEXT_FIELDS, "label", "annotation", *KNOWN_FIELDS)
REQUIRED = ("text",)

GUESSES: dict[str, tuple[str, ...]] = {
    "source_id": ("source_id", "id", "note_id", "row_id", "document_id", "doc_id", "uid"),
    "patient_id": ("patient_id", "patient", "subject_id", "person_id", "pid"),
    "text": ("text", "note", "note_text", "content", "body", "report", "document"),
    "language": ("language", "lang"),
    "sex": ("sex", "gender"),
    "age": ("age", "age_years"),
    "specialty": ("specialty", "specialism", "department", "service"),
    "site": ("site", "hospital", "facility", "centre", "center"),
    "written_on": ("written_on", "date", "note_date", "chartdate", "created", "written"),
    "label": ("label", "class", "category", "section", "gold"),
    "annotation": ("annotation", "annotations", "payload"),
    "first_name": ("first_name", "firstname", "given_name", "forename"),
    "middle_name": ("middle_name", "middlename"),
    "last_name": ("last_name", "lastname", "surname", "family_name"),
    "other_names": ("other_names", "aliases", "relatives", "maiden_name"),
    "birth_date": ("birth_date", "dob", "date_of_birth", "birthdate"),
    "mrn": ("mrn", "medical_record_number", "record_number"),
    "phone": ("phone", "telephone", "phones", "tel"),
    "email": ("email", "e_mail", "mail"),
    "ssn": ("ssn", "social_security_number"),
    "health_plan_id": ("health_plan_id", "insurance_id", "member_id", "policy_number"),
    "account": ("account", "account_number"),
    "address": ("address", "street", "street_address"),
    "city": ("city", "town"),
    "zip": ("zip", "zip_code", "postcode", "postal_code"),
    "other_ids": ("other_ids", "other_id", "ids"),
}


class ImportFault(ValueError):
    """The file as a whole cannot be read. The message is one sentence that says what, where and what to do."""


@dataclass(frozen=True)
class Record:
    """One note as the file has it: newlines are LF, blanks around short fields are gone. `line` counts from 1.

    `label` is a gold class, `annotation` a gold payload (an object), `known` what names the patient.
    """

    line: int
    source_id: str
    patient_id: str
    text: str
    language: str = "en"
    sex: str = ""
    age: str = ""
    specialty: str = ""
    site: str = ""
    written_on: str = ""
    label: str = ""
    annotation: dict[str, Any] | None = None
    known: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Rejected:
    """A row that cannot be imported: its line, the column at fault ("" for all), one sentence without note text."""

    line: int
    column: str
    sentence: str


@dataclass(frozen=True)
class Preview:
    """What a file looks like before it is imported.

    `mapping` is a guess, field of ours -> column; `rows` are the first rows as column -> shortened text; `n_rows`
    counts all of them, `n_rejected` those that the guessed mapping would reject, of which `problems` names the first.
    """

    format: str
    columns: tuple[str, ...]
    mapping: dict[str, str]
    rows: tuple[dict[str, str], ...]
    n_rows: int
    n_rejected: int
    problems: tuple[Rejected, ...]


@dataclass(frozen=True)
class Row:
    """One row of any format: the line where it begins and its columns."""

    line: int
    values: Mapping[str, Any]


def preview(data: bytes, filename: str) -> Preview:
    """A look at a whole file: format, columns, guessed mapping, first rows, counts, problems. Raises ImportFault."""
    kind = file_format(filename)
    rows = list(rows_of(data, filename))
    good = [row for row in rows if isinstance(row, Row)]
    columns = tuple(dict.fromkeys(column for row in good for column in row.values))
    nested = {column for column in columns if is_nested([row.values.get(column) for row in good])}
    mapping = guessed_mapping(columns, nested)
    if not rows:
        raise ImportFault(f"{filename} holds no rows; please choose a file with at least one note.")
    shown = tuple({key: shortened(value) for key, value in row.values.items()} for row in good[:PREVIEW_ROWS])
    problems: list[Rejected] = []
    if all(name in mapping for name in REQUIRED):
        problems = [item for item in read(data, filename, mapping) if isinstance(item, Rejected)]
    else:
        problems = [row for row in rows if isinstance(row, Rejected)]
    return Preview(kind, columns, mapping, shown, len(rows), len(problems), tuple(problems[:PREVIEW_PROBLEMS]))


def read(data: bytes, filename: str, mapping: Mapping[str, str]) -> Iterator[Record | Rejected]:
    """Each row as a Record or as Rejected, in file order. Raises ImportFault for an unreadable file or mapping.

    `mapping` is field of ours -> column of the file. Without a column for source_id the line number is the id; without
    one for patient_id every note is a patient of its own.
    """
    check_mapping(mapping)
    seen: dict[str, int] = {}
    for row in rows_of(data, filename):
        if isinstance(row, Rejected):
            yield row
            continue
        record = record_of(row, mapping)
        if isinstance(record, Record) and record.source_id in seen:
            yield Rejected(
                row.line,
                mapping.get("source_id", ""),
                f"has the same id as line {seen[record.source_id]}; ids must be unique in a file.",
            )
            continue
        if isinstance(record, Record):
            seen[record.source_id] = record.line
        yield record


def is_nested(values: list[Any]) -> bool:
    """Whether a column holds lists or objects and nothing else but missing values."""
    present = [value for value in values if value is not None]
    return bool(present) and all(isinstance(value, dict | list) for value in present)


def check_mapping(mapping: Mapping[str, str]) -> None:
    """Raises ImportFault unless every key is a field and the text has a column."""
    unknown = sorted(set(mapping) - set(FIELDS))
    if unknown:
        raise ImportFault(f"There is no field {unknown[0]}; please choose from: {', '.join(FIELDS)}.")
    missing = [name for name in REQUIRED if not mapping.get(name)]
    if missing:
        raise ImportFault("No column is chosen for the text of the note; please choose one.")


def guessed_mapping(columns: Iterable[str], nested: Collection[str] = ()) -> dict[str, str]:
    """Field of ours -> the first column with a usual name for it, such as "DOB" or "patient.birth_date".

    Each column is used once. `nested` columns hold lists or objects and can only be a gold annotation.
    """
    simple: dict[str, str] = {}
    for column in columns:
        name = regex.sub(r"[\s-]+", "_", column.strip().lower())
        simple.setdefault(name, column)
        simple.setdefault(name.rpartition(".")[2], column)
    mapping: dict[str, str] = {}
    for field_name, guesses in GUESSES.items():
        for column in (simple[guess] for guess in guesses if guess in simple):
            if column not in mapping.values() and (column not in nested or field_name == "annotation"):
                mapping[field_name] = column
                break
    return mapping


def file_format(filename: str) -> str:
    """ "jsonl", "csv" or "text", by the ending of the file name. Raises ImportFault for other endings."""
    ending = filename.lower().rpartition(".")[2]
    kinds = {"jsonl": "jsonl", "ndjson": "jsonl", "csv": "csv", "tsv": "csv", "txt": "text", "text": "text"}
    if ending not in kinds:
        raise ImportFault(
            f"{filename} ends in .{ending}; notes can be imported from .jsonl, .csv, .tsv and .txt files."
        )
    return kinds[ending]


def rows_of(data: bytes, filename: str) -> Iterator[Row | Rejected]:
    """The rows of a file, whatever its format. Raises ImportFault where the file as a whole is at fault."""
    readers = {"jsonl": jsonl_rows, "csv": csv_rows, "text": text_rows}
    reader = readers[file_format(filename)]
    if not data.strip():
        raise ImportFault(f"{filename} is empty; please choose a file with at least one note.")
    return reader(decoded(data, filename))


def decoded(data: bytes, filename: str) -> str:
    """The file as text with LF newlines and without a byte order mark. Raises ImportFault unless it is clean UTF-8."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ImportFault(f"{filename} is UTF-16; please save it as UTF-8 and upload it again.")
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as fault:
        position = fault.start + len(data) - len(data.removeprefix(codecs.BOM_UTF8))
        raise ImportFault(
            f"{filename} is not UTF-8 at byte {position + 1}, line {line_at(data, position)}; it {encoding_hint(data)}."
        ) from None
    if "\x00" in text:
        raise ImportFault(
            f"{filename} holds a NUL byte in line {line_at(data, data.index(0))}, so it is no text file; "
            "please export it as UTF-8 text."
        )
    return normalise_newlines(text)


def line_at(data: bytes, position: int) -> int:
    """The line, from 1, that holds byte `position`."""
    return data.count(b"\n", 0, position) + 1


def encoding_hint(data: bytes) -> str:
    """What a file that is not UTF-8 most likely is, and what to do."""
    if b"\x00" in data[:4096]:
        return "looks like a binary file or UTF-16; please export the notes as UTF-8 text"
    if any(0x80 <= byte < 0xA0 for byte in data):
        return "looks like Windows-1252; please save it as UTF-8 and upload it again"
    return "looks like Latin-1; please save it as UTF-8 and upload it again"


def jsonl_rows(text: str) -> Iterator[Row | Rejected]:
    """One row for each line that is not blank; nested objects such as patient.age become columns with a dot."""
    for line, raw in enumerate(text.split("\n"), start=1):
        if not raw.strip():
            continue
        try:
            yield Row(line, flattened(parse_line(raw.encode("utf-8"), line)))
        except JsonlError as fault:
            yield Rejected(line, "", fault.sentence)


def flattened(value: Mapping[str, Any]) -> dict[str, Any]:
    """An object with one level of inner objects opened: {"patient": {"age": 50}} also has the column "patient.age"."""
    flat = dict(value)
    for key, inner in value.items():
        if isinstance(inner, dict):
            flat |= {f"{key}.{name}": item for name, item in inner.items()}
    return flat


def csv_rows(text: str) -> Iterator[Row | Rejected]:
    """One row for each CSV record after the header; a record may span lines inside quotes."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
    header = next_record(reader, 1)
    if header is None or isinstance(header, Rejected):
        raise ImportFault("The first line is no header; please put the names of the columns there.")
    columns = [name.strip() for name in header]
    check_header(columns)
    while True:
        line = reader.line_num + 1
        values = next_record(reader, line)
        if values is None:
            return
        if isinstance(values, Rejected):
            yield values
            return
        if not values:
            continue
        if len(values) != len(columns):
            counts = f"has {len(values)} columns where the header has {len(columns)}"
            yield Rejected(line, "", f"{counts}; a delimiter or newline inside a field needs quotes.")
        else:
            yield Row(line, dict(zip(columns, values, strict=True)))


def check_header(columns: list[str]) -> None:
    """Raises ImportFault unless every column has a name of its own."""
    if "" in columns:
        raise ImportFault("The header has a column without a name; please give each column its own name.")
    doubled = [name for name in columns if columns.count(name) > 1]
    if doubled:
        raise ImportFault(f"The header names the column {doubled[0]} twice; please give each column its own name.")


def next_record(reader: Any, line: int) -> list[str] | Rejected | None:
    """The next CSV record, None at the end, Rejected where the quoting is broken (nothing after it can be trusted)."""
    try:
        return next(reader, None)
    except csv.Error as fault:
        return Rejected(line, "", f"has broken quotes ({fault}); nothing after this line was read.")


def delimiter_of(text: str) -> str:
    """The delimiter that occurs most in the header outside quotes; a comma when none does."""
    header = regex.sub(r'"[^"]*"', "", text.split("\n", 1)[0])
    return max(",;\t|", key=header.count)


def text_rows(text: str) -> Iterator[Row | Rejected]:
    """One row for the whole file, or for each part between form feeds; only empty lines at the edges of parts go."""
    line = 1
    for part in text.split("\f"):
        lead = len(part) - len(part.lstrip("\n"))
        if part.strip():
            yield Row(line + lead, {"text": part.strip("\n")})
        line += part.count("\n")


def record_of(row: Row, mapping: Mapping[str, str]) -> Record | Rejected:
    """The record of a row, or the first fault in it."""
    missing = next((column for column in mapping.values() if column not in row.values), None)
    if missing == mapping["text"]:
        return Rejected(row.line, missing, "has no such column, and the text of the note is to come from it.")
    text = row.values[mapping["text"]]
    fault = text_fault(text)
    if fault:
        return Rejected(row.line, mapping["text"], fault)
    values: dict[str, str] = {}
    for name, column in mapping.items():
        if name in ("text", "annotation"):
            continue
        value = row.values.get(column)
        if isinstance(value, dict | list):
            return Rejected(row.line, column, "holds a list or an object where a single value is needed.")
        values[name] = "" if value is None else str(value).strip()
    annotation = annotation_of(row, mapping.get("annotation"))
    if isinstance(annotation, Rejected):
        return annotation
    return assembled(row.line, normalise_newlines(text), values, annotation)


def assembled(line: int, text: str, values: dict[str, str], annotation: dict[str, Any] | None) -> Record:
    source_id = values.pop("source_id", "") or f"line-{line}"
    known = {name: values.pop(name) for name in KNOWN_FIELDS if values.get(name)}
    plain = {name: value for name, value in values.items() if value and name in (*TEXT_FIELDS, "label")}
    patient_id = plain.pop("patient_id", "") or f"note-{source_id}"
    return Record(line, source_id, patient_id, text, annotation=annotation, known=known, **plain)


def text_fault(text: Any) -> str | None:
    """What is wrong with the text of a note, or None."""
    if text is None or (isinstance(text, str) and not text.strip()):
        return "is empty; every note needs a text."
    if not isinstance(text, str):
        return "holds no text; the text of a note must be a string."
    if "\x00" in text:
        return "holds a NUL character, so it is no plain text."
    size = len(text.encode("utf-8"))
    if size > MAX_NOTE_BYTES:
        return f"holds a note of {size / 1e6:.1f} MB; notes may have 5 MB at most."
    return None


def annotation_of(row: Row, column: str | None) -> dict[str, Any] | Rejected | None:
    """The gold payload of a row: an object, or its JSON text in a CSV file."""
    value = row.values.get(column) if column else None
    if isinstance(value, str) and value.strip():
        try:
            value = parse_line(value.encode("utf-8"), 2)
        except JsonlError as fault:
            return Rejected(row.line, str(column), f"as a gold annotation {fault.sentence}")
    if value is None or value == "":
        return None
    if not isinstance(value, dict):
        return Rejected(row.line, str(column), 'must hold an object, such as {"label": ...}, as a gold annotation.')
    return value


def shortened(value: Any) -> str:
    """The first 120 characters of a value, for the preview."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else text[:119] + "…"

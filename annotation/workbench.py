"""What the workbench reads with every draft and submission: an item with its text, round and schema, in one statement.

The statements are written by hand: the ORM needs ten times as long to put such a join together as the database to
answer it. The rows are ordinary model instances; columns that are not named here are fetched when they are asked for.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model

from annotation.models import Annotation, Assignment, DeidentifiedNote, Item, Round, Schema
from clinicalft.models import Project, User

M = TypeVar("M", bound=Model)

# Columns in the order of the models, as `Model.from_db` wants them.
SLOT = tuple(field.attname for field in Assignment._meta.concrete_fields)
ITEM = ("id", "round_id", "project_id", "note_id", "number", "n_required", "status")
NOTE = ("id", "note_id", "project_id", "text")
ROUND = (
    "id", "project_id", "number", "title", "kind", "schema_id", "guideline_id", "status", "n_slots", "lease_minutes",
    "is_gold",
)  # fmt: skip
SCHEMA = ("id", "project_id", "kind", "title", "version", "content")
ANNOTATION = tuple(field.attname for field in Annotation._meta.concrete_fields)
# Of these columns Django hands over the text.
JSON = {"content", "payload"}


def _of(alias: str, names: Sequence[str]) -> str:
    return ", ".join(f"{alias}.{name}" for name in names)


# Whose item it is, is decided by `visibility.own_rounds`; a test keeps the two alike.
READ_ITEM = f"""
SELECT {_of("i", ITEM)}, {_of("n", NOTE)}, {_of("r", ROUND)}, {_of("s", SCHEMA)}
FROM annotation_round r
    JOIN annotation_roundannotator seat ON seat.round_id = r.id AND seat.user_id = %(user)s
    JOIN annotation_item i ON i.round_id = r.id AND i.number = %(item)s
    JOIN annotation_deidentifiednote n ON n.id = i.note_id
    JOIN annotation_schema s ON s.id = r.schema_id
WHERE r.project_id = %(project)s AND r.number = %(round)s AND NOT r.is_gold
"""


def item_of(user: User, project: Project, round_number: int, number: int) -> Item | None:
    """An item, with its note, round and schema, of a round that the person annotates in; None for everybody else."""
    values = {"user": user.pk, "project": project.pk, "round": round_number, "item": number}
    with connection.cursor() as cursor:
        cursor.execute(READ_ITEM, values)
        row = cursor.fetchone()
    if row is None:
        return None
    rest = iter(row)
    item = _item(rest, project)
    item.round = _made(Round, ROUND, rest)
    item.round.project = project
    item.round.schema = _made(Schema, SCHEMA, rest)
    return item


# What a statement that takes a slot returns, for `slot_from`: the slot `taken`, its item and its note.
SLOT_COLUMNS = f"{_of('taken', SLOT)}, {_of('i', ITEM)}, {_of('n', NOTE)}"


def slot_from(row: Iterator[Any], round: Round) -> Assignment:
    """The slot, with its item and note, of the columns SLOT_COLUMNS."""
    slot = _made(Assignment, SLOT, row)
    slot.item = _item(row, round.project)
    slot.round = slot.item.round = round
    return slot


ANNOTATION_COLUMNS = ", ".join(ANNOTATION)
READ_OWN = f"SELECT {ANNOTATION_COLUMNS} FROM annotation_annotation WHERE item_id = %s AND annotator_id = %s"


def own_annotation(user: User, item: Item) -> Annotation | None:
    """The person's own draft or answer for an item."""
    with connection.cursor() as cursor:
        cursor.execute(READ_OWN, [item.pk, user.pk])
        return annotation_from(cursor.fetchone())


def annotation_from(row: Sequence[Any] | None) -> Annotation | None:
    """The annotation of the columns ANNOTATION_COLUMNS; None without a row."""
    return _made(Annotation, ANNOTATION, iter(row)) if row else None


def _item(row: Iterator[Any], project: Project) -> Item:
    item = _made(Item, ITEM, row)
    item.project, item.note = project, _made(DeidentifiedNote, NOTE, row)
    return item


def _made(model: type[M], names: Sequence[str], row: Iterator[Any]) -> M:
    # The names end first: what is left of the row is that of the next model.
    values = [json.loads(value) if name in JSON else value for name, value in zip(names, row, strict=False)]
    return model.from_db(DEFAULT_DB_ALIAS, names, values)

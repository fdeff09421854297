"""From what somebody filled in to a payload that may be stored; the one place that looks codes up for the kinds."""

from typing import Any

from django.db import connection

from annotation.kinds import KINDS, Term
from annotation.models import Round

CODES = "SELECT code, description, is_billable FROM annotation_code WHERE code_set = %s AND code = ANY(%s)"


def finished_payload(raw: Any, *, round: Round, text: str) -> dict[str, Any]:
    """`raw` as a finished payload of the round's kind and schema about the note `text`. Raises BadPayload."""
    return KINDS[round.kind].parse(raw, round.schema.content, text, _known(raw, round))


def draft_payload(raw: Any, *, round: Round, text: str) -> dict[str, Any]:
    """`raw` as a payload that may be unfinished. Raises BadPayload for a wrong label, code or offset."""
    return KINDS[round.kind].draft(raw, round.schema.content, text, _known(raw, round))


def _known(raw: Any, round: Round) -> dict[str, Term]:
    codes = KINDS[round.kind].codes(raw)
    if not codes:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(CODES, [round.schema.content["code_set"], sorted(codes)])
        return {code: Term(description, not is_billable) for code, description, is_billable in cursor.fetchall()}

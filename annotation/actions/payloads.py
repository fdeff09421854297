"""From what somebody filled in to a payload that may be stored; the one place that looks codes up for the kinds."""

from typing import Any

from annotation.kinds import KINDS, Term
from annotation.models import Code, Round


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
    found = Code.objects.filter(code_set=round.schema.content["code_set"], code__in=codes)
    rows = found.values_list("code", "description", "is_billable")
    return {code: Term(description, not is_billable) for code, description, is_billable in rows}

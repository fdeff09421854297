"""Code sets: loaded as a whole by an admin on the server."""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from django.db import transaction

from annotation.models import Code
from clinicalft import audit

SHARE = 5000


@transaction.atomic
def load_codes(code_set: str, rows: Iterable[Mapping[str, Any]]) -> int:
    """Adds or renews the codes of a code set, all or none; returns how many there are.

    A row has code, description, terms, is_billable and parent. Codes that are gone from `rows` stay, because answers
    may name them.
    """
    n, left = 0, iter(rows)
    while share := [Code(code_set=code_set, **row) for row in islice(left, SHARE)]:
        Code.objects.bulk_create(
            share, update_conflicts=True, unique_fields=["code_set", "code"],
            update_fields=["description", "terms", "is_billable", "parent"],
        )  # fmt: skip
        n += len(share)
    if n:
        first = Code.objects.filter(code_set=code_set).order_by("code").only("pk").first()
        assert first is not None
        audit.record("CODES_LOAD", first, by=None, code_set=code_set, n=n)
    return n

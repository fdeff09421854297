"""Changes of status: one function that checks the transition table, updates conditionally, and audits."""

from typing import Any

from django.db import models

from clinicalft import audit
from clinicalft.access import Refused
from clinicalft.models import User


def advance(
    row: models.Model, to: str, *, by: User | None, act: str, reason: str = "", detail: dict[str, Any] | None = None,
    **fields: Any,
) -> None:  # fmt: skip
    """Moves `row` to status `to`, sets `fields` in the same update, and writes the audit event.

    Raises Refused("transition") when the table `TRANSITIONS` of the model has no such step, and Refused("stale") when
    somebody was faster: the update only holds where the old status still holds.
    """
    old = row.status  # type: ignore[attr-defined]
    if to not in type(row).TRANSITIONS[old]:  # type: ignore[attr-defined]
        label = row.get_status_display().lower()  # type: ignore[attr-defined]
        raise Refused("transition", f"This is {label} and cannot become {to.replace('_', ' ').lower()}.")
    changed = type(row)._default_manager.filter(pk=row.pk, status=old).update(status=to, **fields)
    if not changed:
        raise Refused("stale", "Somebody changed this a moment ago. Reload the page to see it as it is now.")
    row.status = to  # type: ignore[attr-defined]
    for name, value in fields.items():
        setattr(row, name, value)
    audit.record(act, row, by=by, reason=reason, old=old, new=str(to), **(detail or {}))

"""The only writer of audit events, and the proof that nobody changed them."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection, models

if TYPE_CHECKING:
    from clinicalft.models import User

SYSTEM = "ClinicalFT"


# By hand, because every act needs it: the ORM takes three times as long. A trigger chains the row (migration 0002).
RECORD = """
INSERT INTO clinicalft_auditevent (chain, actor_id, actor_name, act, object_type, object_id, reason, detail,
    previous, digest)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, '', '')
"""


def record(act: str, obj: models.Model, *, by: "User | None", reason: str = "", **detail: Any) -> None:
    """Writes that `by` did `act` to `obj`, inside the caller's transaction; `by=None` is the system itself.

    `detail` holds numbers, codes and ids, never note text. The chain is that of the object's project.
    """
    project_id = obj.pk if obj._meta.model_name == "project" else getattr(obj, "project_id", None)
    actor = (by.pk, by.name) if by else (None, SYSTEM)
    values = [project_id or 0, *actor, act, obj._meta.label, obj.pk, reason, json.dumps(detail)]
    with connection.cursor() as cursor:
        cursor.execute(RECORD, values)


@dataclass(frozen=True)
class Verification:
    """What a check of the audit chains found: events read, and the first bad event with what is wrong with it."""

    n_events: int
    n_chains: int
    first_bad_id: int | None
    fault: str

    @property
    def is_intact(self) -> bool:
        return self.first_bad_id is None


FIRST_BAD = """
WITH linked AS (
    SELECT e.*, audit_digest(e) AS expected,
           coalesce(lag(digest) OVER (PARTITION BY chain ORDER BY id), '') AS link
    FROM clinicalft_auditevent e
)
SELECT id, CASE WHEN digest <> expected THEN 'edited' ELSE 'an event before it was removed or reordered' END
FROM linked WHERE digest <> expected OR previous <> link ORDER BY id LIMIT 1
"""


def verify() -> Verification:
    """Recomputes every digest in the database and names the first event that was edited or whose link is broken.

    A chain alone cannot show that its newest events were cut off; a checkpoint kept elsewhere does.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT chain) FROM clinicalft_auditevent")
        n_events, n_chains = cursor.fetchone()
        cursor.execute(FIRST_BAD)
        bad = cursor.fetchone()
    return Verification(n_events, n_chains, bad[0] if bad else None, bad[1] if bad else "")

"""An annotator's work on one item at a time: claim, draft, submit, skip.

Locks are taken in one order, item before slot before audit chain, so that nobody waits in a circle. Leases are by the
database's clock. Drafts and heartbeats are not audited: a draft is nobody's answer yet, and its owner sees it only.
"""

import json
from datetime import timedelta
from typing import Any, NoReturn

from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from annotation.actions.notes import report_identifier
from annotation.actions.payloads import draft_payload, finished_payload
from annotation.actions.quarantine import enter_texts
from annotation.actions.tallies import count_answer
from annotation.models import (
    Annotation,
    AnnotationStatus,
    Assignment,
    AssignmentStatus,
    GuidelineReading,
    Item,
    ItemStatus,
    Round,
    Skip,
    SkipReason,
)
from annotation.rules.work import LEASE_LOST, STALE, SUBMITTED, WITHDRAWN, check_acknowledge, check_annotate
from annotation.workbench import ANNOTATION_COLUMNS, SLOT_COLUMNS, annotation_from, own_annotation, slot_from
from clinicalft import audit
from clinicalft.access import Refused
from clinicalft.lib.hashing import sha256_json
from clinicalft.models import User
from clinicalft.states import advance

# Reasons that a lead has to look at; the others only send the item to somebody else.
FOR_THE_LEAD = (SkipReason.UNCLEAR, SkipReason.UNREADABLE)


class StaleDraft(Refused):
    """Somebody's other window saved first; `kept` is what is stored, and nothing was overwritten."""

    def __init__(self, kept: Annotation) -> None:
        super().__init__("stale-revision", STALE)
        self.kept = kept


@transaction.atomic
def acknowledge_guideline(round: Round, *, by: User) -> GuidelineReading:
    """That the person has read the round's guideline version; twice is once."""
    check_acknowledge(by, round)
    reading, is_new = GuidelineReading.objects.get_or_create(guideline=round.guideline, user=by)
    if is_new:
        audit.record("GUIDELINE_ACKNOWLEDGE", round, by=by, guideline=round.guideline_id)
    return reading


# One statement: the slot that I hold, else the first one in order that is free (or whose lease ran out) and whose item
# I have neither answered nor passed on. Rows that somebody else is taking at this moment are stepped over.
CLAIM = f"""
WITH mine AS (
    SELECT id FROM annotation_assignment
    WHERE round_id = %(round)s AND annotator_id = %(user)s AND status = 'CLAIMED' FOR UPDATE
), free AS (
    SELECT a.id FROM annotation_assignment a JOIN annotation_item i ON i.id = a.item_id
    WHERE NOT EXISTS (SELECT FROM mine)
      AND a.round_id = %(round)s AND a.status IN ('WAITING', 'CLAIMED')
      AND (a.status = 'WAITING' OR a.leased_until < now())
      AND i.status = 'OPEN'
      AND NOT EXISTS (SELECT FROM annotation_assignment o WHERE o.item_id = a.item_id AND o.annotator_id = %(user)s)
      AND NOT EXISTS (SELECT FROM annotation_skip s WHERE s.item_id = a.item_id AND s.annotator_id = %(user)s)
    ORDER BY a.position LIMIT 1 FOR UPDATE OF a SKIP LOCKED
), taken AS (
    UPDATE annotation_assignment a
    SET status = 'CLAIMED', annotator_id = %(user)s, leased_until = now() + make_interval(mins => %(minutes)s),
        claimed_at = CASE WHEN a.id IN (SELECT id FROM mine) THEN a.claimed_at ELSE now() END
    WHERE a.id IN (SELECT id FROM mine UNION ALL SELECT id FROM free)
    RETURNING a.*
)
SELECT NOT EXISTS (SELECT FROM mine), {SLOT_COLUMNS}
FROM taken JOIN annotation_item i ON i.id = taken.item_id JOIN annotation_deidentifiednote n ON n.id = i.note_id
"""


def claim_next(round: Round, *, by: User) -> Assignment | None:
    """The slot that `by` works on now: the one they hold, else the next one in order; None when nothing waits for them.

    Raises Refused("no-seat", "round-closed", "guideline-unread").
    """
    check_annotate(by, round)
    try:
        return _claim(round, by)
    except IntegrityError:
        # Another window of the same person claimed in the same instant; that slot is theirs now.
        return _claim(round, by)


@transaction.atomic
def _claim(round: Round, by: User) -> Assignment | None:
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"round": round.pk, "user": by.pk, "minutes": round.lease_minutes})
        row = cursor.fetchone()
    if row is None:
        return None
    is_new, *columns = row
    slot = slot_from(iter(columns), round)
    if is_new:
        audit.record("ITEM_CLAIM", slot.item, by=by)
    return slot


def extend_lease(item: Item, *, by: User) -> None:
    """The page is alive: the person keeps the item for another lease. Raises Refused("lease-lost", "withdrawn")."""
    lease = timedelta(minutes=item.round.lease_minutes)
    mine = Assignment.objects.filter(item=item, annotator=by, status=AssignmentStatus.CLAIMED)
    if not mine.update(leased_until=Now() + lease):
        _check_still_there(item)
        raise Refused("lease-lost", LEASE_LOST)


def _check_still_there(item: Item) -> None:
    """An item whose note was taken away takes no more drafts: what is written about it may repeat what was seen."""
    if Item.objects.filter(pk=item.pk, status=ItemStatus.WITHDRAWN).exists():
        raise Refused("withdrawn", WITHDRAWN)


# One statement: the lease is extended, and the draft is changed that has this revision, or made where none was changed
# yet and the item is in hand. About an item that was taken away nothing more is written: it may repeat what was seen.
SAVE_DRAFT = f"""
WITH held AS (
    UPDATE annotation_assignment SET leased_until = statement_timestamp() + make_interval(mins => %(minutes)s)
    WHERE item_id = %(item)s AND annotator_id = %(user)s AND status = 'CLAIMED' RETURNING id
), kept AS (
    UPDATE annotation_annotation
    SET payload = %(payload)s::jsonb, comment = %(comment)s, seconds = greatest(seconds, %(seconds)s),
        revision = revision + 1, saved_at = statement_timestamp()
    WHERE item_id = %(item)s AND annotator_id = %(user)s AND status = 'DRAFT' AND revision = %(revision)s
      AND (EXISTS (SELECT FROM held)
        OR NOT EXISTS (SELECT FROM annotation_item WHERE id = %(item)s AND status = 'WITHDRAWN'))
    RETURNING {ANNOTATION_COLUMNS}
), made AS (
    INSERT INTO annotation_annotation (item_id, round_id, project_id, annotator_id, schema_id, guideline_id, status,
        payload, payload_sha256, comment, seconds, revision, saved_at)
    SELECT %(item)s, %(round)s, %(project)s, %(user)s, %(schema)s, %(guideline)s, 'DRAFT',
        %(payload)s::jsonb, '', %(comment)s, %(seconds)s, 1, statement_timestamp()
    FROM held WHERE %(revision)s = 0
    ON CONFLICT (item_id, annotator_id) DO NOTHING RETURNING {ANNOTATION_COLUMNS}
)
SELECT * FROM kept UNION ALL SELECT * FROM made
"""


def save_draft(item: Item, *, by: User, raw: Any, revision: int, comment: str = "", seconds: int = 0) -> Annotation:
    """Keeps what is filled in so far as the person's draft, and extends their lease.

    `revision` is that of the version which was changed. Raises BadPayload, StaleDraft, and Refused("submitted",
    "lease-lost", "withdrawn"): whoever lost the item keeps the draft that they have and can still save into it.
    """
    round = item.round
    payload = draft_payload(raw, round=round, text=item.note.text)
    values: dict[str, Any] = {
        "item": item.pk, "round": round.pk, "project": item.project_id, "schema": round.schema_id, "user": by.pk,
        "guideline": round.guideline_id, "minutes": round.lease_minutes, "payload": json.dumps(payload),
        "comment": comment, "seconds": _worked(seconds), "revision": revision,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(SAVE_DRAFT, values)
        draft = annotation_from(cursor.fetchone())
    return draft or _why_not_kept(item, by)


def _why_not_kept(item: Item, by: User) -> NoReturn:
    _check_still_there(item)
    kept = own_annotation(by, item)
    if kept is None:
        raise Refused("lease-lost", LEASE_LOST)
    if kept.status == AnnotationStatus.SUBMITTED:
        raise Refused("submitted", SUBMITTED)
    raise StaleDraft(kept)


def _of(item: Item) -> dict[str, Any]:
    round = item.round
    return {
        "item": item, "round": round, "project_id": item.project_id, "schema_id": round.schema_id,
        "guideline_id": round.guideline_id,
    }  # fmt: skip


def _worked(seconds: int) -> int:
    # The browser counts; a day is more than anybody spends on one note.
    return max(0, min(seconds, 24 * 60 * 60))


@transaction.atomic
def submit_annotation(
    item: Item, *, by: User, raw: Any, revision: int, comment: str = "", seconds: int = 0
) -> Annotation:
    """Freezes the person's answer and fills their slot; the item is complete when its last slot is filled.

    What they wrote in their own words is checked for identifiers before anybody else reads it. Whoever lost the item
    to a lease that ran out still gets in while another place of it is free. The same answer sent twice is one answer.
    Raises BadPayload, StaleDraft, and Refused("submitted", "lease-lost", "round-closed").
    """
    item.status = _lock(item)
    check_annotate(by, item.round)
    payload = finished_payload(raw, round=item.round, text=item.note.text)
    digest = sha256_json(payload)
    own = own_annotation(by, item)
    if own and own.status == AnnotationStatus.SUBMITTED:
        if own.payload_sha256 == digest:
            return own
        raise Refused("submitted", SUBMITTED)
    if own and own.revision != revision:
        raise StaleDraft(own)
    is_last = _fill_slot(item, by)
    own = own or Annotation(**_of(item), annotator=by)
    own.status, own.payload, own.payload_sha256, own.comment = AnnotationStatus.SUBMITTED, payload, digest, comment
    own.seconds = max(own.seconds, _worked(seconds))
    own.saved_at = own.submitted_at = timezone.now()
    own.save()
    if not enter_texts(item.project_id, [(own, item.note.note_id)], fields=("payload", "comment")):
        count_answer(item, own)
    if is_last:
        advance(item, ItemStatus.COMPLETE, by=by, act="ITEM_COMPLETE")
    audit.record("ANNOTATION_SUBMIT", own, by=by, item=item.pk, sha256=digest)
    return own


def _lock(item: Item) -> str:
    """Makes others who submit or withdraw this item wait for the end of the transaction; returns its status."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT status FROM annotation_item WHERE id = %s FOR NO KEY UPDATE", [item.pk])
        status: str = cursor.fetchone()[0]
    return status


# One statement: the slot that I hold, else a free one of the same item, becomes SUBMITTED; is that item still open for
# others? A slot that somebody takes at this moment is waited for and looked at again.
FILL_SLOT = """
WITH chosen AS (
    SELECT id FROM annotation_assignment
    WHERE item_id = %(item)s AND (status = 'WAITING'
        OR (status = 'CLAIMED' AND (annotator_id = %(user)s OR leased_until < statement_timestamp())))
    ORDER BY (status = 'CLAIMED' AND annotator_id = %(user)s) DESC, slot LIMIT 1 FOR UPDATE
), filled AS (
    UPDATE annotation_assignment SET status = 'SUBMITTED', annotator_id = %(user)s, leased_until = NULL,
        submitted_at = statement_timestamp()
    WHERE id IN (SELECT id FROM chosen) RETURNING id
)
SELECT EXISTS (SELECT FROM filled), EXISTS (
    SELECT FROM annotation_assignment
    WHERE item_id = %(item)s AND status IN ('WAITING', 'CLAIMED') AND id NOT IN (SELECT id FROM filled)
)
"""


def _fill_slot(item: Item, by: User) -> bool:
    """The person's slot becomes SUBMITTED, or a free one of the same item when theirs was given away; returns whether
    that was the item's last one."""
    with connection.cursor() as cursor:
        cursor.execute(FILL_SLOT, {"item": item.pk, "user": by.pk})
        is_filled, is_open = cursor.fetchone()
    if is_filled:
        return not is_open
    check_annotate(by, Round.objects.select_related("project").get(pk=item.round_id))
    raise Refused("lease-lost", LEASE_LOST)


@transaction.atomic
def skip_item(item: Item, *, by: User, reason: str, comment: str = "") -> Skip:
    """Passes the item on; the reason decides where it goes.

    Unclear and unreadable: to others, and the lead is told. Not my field: to others. Identifier: the note is taken away
    from everyone at once. A draft stays its owner's. Raises Refused("lease-lost").
    """
    check_annotate(by, item.round)
    mine = Assignment.objects.filter(item=item, annotator=by, status=AssignmentStatus.CLAIMED)
    if reason == SkipReason.IDENTIFIER:
        # It locks the note and all of its items, so nothing may be locked before it.
        holds = mine.exists()
        if holds:
            report_identifier(item, by=by, comment=comment)
    else:
        _lock(item)
        free = {"status": AssignmentStatus.WAITING, "annotator": None, "leased_until": None, "claimed_at": None}
        holds = bool(mine.update(**free))
    if not holds:
        raise Refused("lease-lost", LEASE_LOST)
    resolved_at = None if reason in FOR_THE_LEAD else timezone.now()
    skip = Skip.objects.create(item=item, annotator=by, reason=reason, comment=comment, resolved_at=resolved_at)
    audit.record("ITEM_SKIP", item, by=by, skip_reason=reason)
    enter_texts(item.project_id, [(skip, item.note.note_id)], fields=("comment",))
    return skip

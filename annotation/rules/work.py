"""May this person annotate here now, and may this answer be taken - and if not, why."""

from django.db import connection

from annotation.models import Round, RoundAnnotator, RoundStatus
from clinicalft.access import Refused, check_permission
from clinicalft.models import User
from clinicalft.roles import Permission

SUBMITTED = "You have submitted this item; what is submitted stays as it is."
WITHDRAWN = "This note was taken away, because it may name somebody. Go on with the next item."
LEASE_LOST = (
    "Your time on this item ran out and its place was given away. Your draft is kept; go on with the next item."
)
STALE = "This item was changed in another window. Both versions are shown: choose the one to keep."


# A row for a seat in the round: whether its holder has acknowledged the guideline.
SEAT = """
SELECT EXISTS (
    SELECT FROM annotation_guidelinereading reading
    WHERE reading.guideline_id = r.guideline_id AND reading.user_id = seat.user_id
)
FROM annotation_roundannotator seat JOIN annotation_round r ON r.id = seat.round_id
WHERE seat.round_id = %(round)s AND seat.user_id = %(user)s
"""


def check_annotate(user: User, round: Round) -> None:
    """An annotator of an open round who has acknowledged its guideline may work. One query.

    Seat and acknowledgement are never taken back, so they are asked once for each round object.
    """
    check_permission(user, Permission.ITEM_ANNOTATE, round.project)
    let_in: set[int] = round.__dict__.setdefault("let_in", set())
    if user.pk in let_in and round.status == RoundStatus.OPEN:
        return
    with connection.cursor() as cursor:
        cursor.execute(SEAT, {"round": round.pk, "user": user.pk})
        seat = cursor.fetchone()
    if seat is None:
        raise Refused("no-seat", "You are not an annotator of this round. Its lead can add you.")
    if round.status != RoundStatus.OPEN:
        raise Refused("round-closed", "This round is closed; nothing more is annotated in it.")
    if not seat[0]:
        raise Refused("guideline-unread", "Read the guideline first; one key says that you did.")
    let_in.add(user.pk)


def check_acknowledge(user: User, round: Round) -> None:
    """An annotator of the round acknowledges its guideline."""
    check_permission(user, Permission.ITEM_ANNOTATE, round.project)
    if not RoundAnnotator.objects.filter(round=round, user=user).exists():
        raise Refused("no-seat", "You are not an annotator of this round. Its lead can add you.")

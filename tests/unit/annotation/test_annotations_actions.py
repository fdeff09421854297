"""One item at a time: claiming, drafts, leases, submitting, skipping."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import Error, transaction
from django.utils import timezone

from annotation.actions.annotations import (
    StaleDraft,
    acknowledge_guideline,
    claim_next,
    extend_lease,
    save_draft,
    skip_item,
    submit_annotation,
)
from annotation.kinds import BadPayload
from annotation.models import (
    Annotation,
    Assignment,
    AssignmentStatus,
    Incident,
    Item,
    ItemStatus,
    Round,
    SkipReason,
)
from clinicalft.access import Refused
from clinicalft.models import AuditEvent, User
from tests.factories.rounds import CODE_SET, coded, evidence, open_round_with
from tests.personas import Cast, make_cast

pytestmark = pytest.mark.django_db
SICK = {"label": "sick"}


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def claim(round: Round, person: User) -> Assignment:
    slot = claim_next(round, by=person)
    assert slot is not None
    return slot


def expire(slot: Assignment) -> None:
    Assignment.objects.filter(pk=slot.pk).update(leased_until=timezone.now() - timedelta(seconds=1))


def test_items_are_handed_out_in_order_first_places_first(cast: Cast) -> None:
    round = open_round_with(cast, notes=2)
    seen = []
    for person in (cast.ben, cast.eve):
        for _ in range(2):
            slot = claim(round, person)
            seen.append((person.name, slot.item.number, slot.slot))
            submit_annotation(slot.item, by=person, raw=SICK, revision=0)

    assert seen == [("Ben", 1, 0), ("Ben", 2, 0), ("Eve", 1, 1), ("Eve", 2, 1)]
    assert claim_next(round, by=cast.cleo) is None


def test_the_item_in_hand_comes_back_first(cast: Cast) -> None:
    round = open_round_with(cast, notes=3)
    slot = claim(round, cast.ben)
    expire(slot)

    again = claim(round, cast.ben)

    assert again == slot
    assert again.leased_until is not None
    assert again.leased_until > timezone.now() + timedelta(minutes=29)
    assert again.claimed_at == slot.claimed_at
    assert AuditEvent.objects.filter(act="ITEM_CLAIM").count() == 1


def test_nobody_gets_an_item_twice(cast: Cast) -> None:
    round = open_round_with(cast, notes=2, overlap=3)
    for _ in range(2):
        submit_annotation(claim(round, cast.ben).item, by=cast.ben, raw=SICK, revision=0)

    assert claim_next(round, by=cast.ben) is None


def test_an_expired_lease_is_taken_over_and_the_draft_stays_its_owners(cast: Cast) -> None:
    round = open_round_with(cast, notes=1, overlap=1)
    lost = claim(round, cast.ben)
    save_draft(lost.item, by=cast.ben, raw=SICK, revision=0)
    assert claim_next(round, by=cast.eve) is None
    expire(lost)

    taken = claim(round, cast.eve)

    assert taken.pk == lost.pk
    assert Annotation.objects.get(annotator=cast.ben).payload == SICK
    assert not Annotation.objects.filter(annotator=cast.eve).exists()
    with pytest.raises(Refused) as refusal:
        extend_lease(lost.item, by=cast.ben)
    assert refusal.value.code == "lease-lost"
    with pytest.raises(Refused) as refusal:
        submit_annotation(lost.item, by=cast.ben, raw=SICK, revision=1)
    assert refusal.value.code == "lease-lost"
    assert Annotation.objects.get(annotator=cast.ben).status == "DRAFT"


def test_whoever_lost_an_item_still_submits_into_another_free_place(cast: Cast) -> None:
    round = open_round_with(cast, notes=1, overlap=2)
    lost = claim(round, cast.ben)
    expire(lost)
    claim(round, cast.eve)

    submit_annotation(lost.item, by=cast.ben, raw=SICK, revision=0)

    assert set(round.assignments.values_list("annotator__name", "status")) == {("Ben", "SUBMITTED"), ("Eve", "CLAIMED")}


def test_a_heartbeat_keeps_the_item(cast: Cast) -> None:
    slot = claim(open_round_with(cast, lease_minutes=5), cast.ben)
    expire(slot)

    extend_lease(slot.item, by=cast.ben)

    slot.refresh_from_db()
    assert slot.leased_until is not None
    assert slot.leased_until > timezone.now() + timedelta(minutes=4)


@pytest.mark.parametrize(
    ("who", "code"), [("zoe", "permission"), ("lea", "permission"), ("rob", "permission"), ("priya", "permission")]
)
def test_only_clinicians_claim(cast: Cast, who: str, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        claim_next(open_round_with(cast), by=getattr(cast, who))
    assert refusal.value.code == code


def test_a_clinician_without_a_seat_claims_nothing(cast: Cast) -> None:
    round = open_round_with(cast, annotators=[cast.ben, cast.cleo])
    for act in (lambda: claim_next(round, by=cast.eve), lambda: acknowledge_guideline(round, by=cast.eve)):
        with pytest.raises(Refused) as refusal:
            act()
        assert refusal.value.code == "no-seat"


def test_the_guideline_is_acknowledged_before_the_first_item(cast: Cast) -> None:
    round = open_round_with(cast, has_read=False)
    with pytest.raises(Refused) as refusal:
        claim_next(round, by=cast.ben)
    assert refusal.value.code == "guideline-unread"

    assert acknowledge_guideline(round, by=cast.ben) == acknowledge_guideline(round, by=cast.ben)

    assert claim_next(round, by=cast.ben) is not None
    assert AuditEvent.objects.filter(act="GUIDELINE_ACKNOWLEDGE").count() == 1


def test_a_draft_counts_its_revisions_and_refuses_a_stale_one(cast: Cast) -> None:
    item = claim(open_round_with(cast), cast.ben).item
    first = save_draft(item, by=cast.ben, raw={}, revision=0, comment="?", seconds=12)
    second = save_draft(item, by=cast.ben, raw=SICK, revision=1, seconds=9)

    assert (first.revision, second.revision, second.seconds) == (1, 2, 12)
    for revision in (0, 1):
        with pytest.raises(StaleDraft) as stale:
            save_draft(item, by=cast.ben, raw={"label": "well"}, revision=revision)
        assert stale.value.code == "stale-revision"
        assert stale.value.kept.payload == SICK
    with pytest.raises(StaleDraft):
        submit_annotation(item, by=cast.ben, raw={"label": "well"}, revision=1)
    assert Annotation.objects.get(item=item).payload == SICK


def test_a_draft_needs_the_item_in_hand(cast: Cast) -> None:
    round = open_round_with(cast)
    item = claim(round, cast.ben).item
    for revision in (0, 1):
        with pytest.raises(Refused) as refusal:
            save_draft(item, by=cast.eve, raw=SICK, revision=revision)
        assert refusal.value.code == "lease-lost"


def test_a_bad_draft_is_refused_and_the_kept_one_stays(cast: Cast) -> None:
    item = claim(open_round_with(cast), cast.ben).item
    save_draft(item, by=cast.ben, raw=SICK, revision=0)
    with pytest.raises(BadPayload):
        save_draft(item, by=cast.ben, raw={"label": "worse"}, revision=1)
    assert Annotation.objects.get(item=item).revision == 1


def test_submitting_freezes_the_answer_and_completes_the_item(cast: Cast) -> None:
    round = open_round_with(cast, notes=1, overlap=2)
    item = claim(round, cast.ben).item
    save_draft(item, by=cast.ben, raw={}, revision=0)
    answer = submit_annotation(item, by=cast.ben, raw=SICK, revision=1, comment="Plainly", seconds=30)

    assert (answer.status, answer.schema, answer.guideline) == ("SUBMITTED", round.schema, round.guideline)
    assert len(answer.payload_sha256) == 64
    assert Item.objects.get(pk=item.pk).status == ItemStatus.OPEN
    with pytest.raises(Error, match="never changed"), transaction.atomic():
        Annotation.objects.filter(pk=answer.pk).update(payload={})

    submit_annotation(claim(round, cast.eve).item, by=cast.eve, raw=SICK, revision=0)
    assert Item.objects.get(pk=item.pk).status == ItemStatus.COMPLETE
    assert list(AuditEvent.objects.filter(act="ANNOTATION_SUBMIT").values_list("actor_name", flat=True)) == [
        "Ben",
        "Eve",
    ]
    assert AuditEvent.objects.filter(act="ITEM_COMPLETE").count() == 1


def test_the_same_answer_twice_is_one_answer_and_another_one_is_refused(cast: Cast) -> None:
    item = claim(open_round_with(cast), cast.ben).item
    first = submit_annotation(item, by=cast.ben, raw=SICK, revision=0)

    assert submit_annotation(item, by=cast.ben, raw=SICK, revision=0) == first
    for act in (submit_annotation, save_draft):
        with pytest.raises(Refused) as refusal:
            act(item, by=cast.ben, raw={"label": "well"}, revision=0)
        assert refusal.value.code == "submitted"


@pytest.mark.parametrize("raw", [{}, {"label": "worse"}, None])
def test_an_unfinished_answer_is_not_taken(cast: Cast, raw: Any) -> None:
    slot = claim(open_round_with(cast), cast.ben)
    with pytest.raises(BadPayload):
        submit_annotation(slot.item, by=cast.ben, raw=raw, revision=0)
    slot.refresh_from_db()
    assert slot.status == AssignmentStatus.CLAIMED


def test_codes_are_looked_up_in_the_code_set_of_the_schema(cast: Cast) -> None:
    round = open_round_with(cast, kind="coding")
    slot = claim(round, cast.ben)
    answer = submit_annotation(slot.item, by=cast.ben, raw=coded("J44.1")(slot.item), revision=0)

    quote = evidence(slot.item.note.text, "dyspnoea")
    assert answer.payload["codes"][0]["evidence"] == [quote]
    assert answer.payload["codes"][0]["description"].startswith("Chronic obstructive")
    slot = claim(round, cast.ben)
    with pytest.raises(BadPayload, match=CODE_SET):
        submit_annotation(slot.item, by=cast.ben, raw=coded("Z99.9")(slot.item), revision=0)


@pytest.mark.parametrize(
    ("reason", "waits_for_the_lead"),
    [(SkipReason.UNCLEAR, True), (SkipReason.UNREADABLE, True), (SkipReason.NOT_MY_FIELD, False)],
)
def test_a_skipped_item_goes_to_somebody_else(cast: Cast, reason: str, waits_for_the_lead: bool) -> None:
    round = open_round_with(cast, notes=1, overlap=1)
    slot = claim(round, cast.ben)
    save_draft(slot.item, by=cast.ben, raw=SICK, revision=0)

    skip = skip_item(slot.item, by=cast.ben, reason=reason, comment="Because")

    assert (skip.resolved_at is None) == waits_for_the_lead
    assert claim_next(round, by=cast.ben) is None
    assert claim(round, cast.eve).pk == slot.pk
    assert Annotation.objects.get(annotator=cast.ben).payload == SICK
    assert AuditEvent.objects.get(act="ITEM_SKIP").detail["skip_reason"] == reason
    with pytest.raises(Refused) as refusal:
        skip_item(slot.item, by=cast.ben, reason=reason)
    assert refusal.value.code == "lease-lost"


def test_an_identifier_takes_the_note_from_everyone_at_once(cast: Cast) -> None:
    round = open_round_with(cast, notes=2, overlap=2)
    slot, other = claim(round, cast.ben), claim(round, cast.eve)

    skip_item(slot.item, by=cast.ben, reason=SkipReason.IDENTIFIER, comment="A name at the top")

    item = Item.objects.get(pk=slot.item_id)
    assert item.status == ItemStatus.WITHDRAWN
    assert set(item.assignments.values_list("status", flat=True)) == {AssignmentStatus.WITHDRAWN}
    assert Incident.objects.get().comment == "A name at the top"
    assert claim(round, cast.ben).item_id == other.item_id != slot.item_id
    assert not any("A name" in str(event.detail) for event in AuditEvent.objects.all())
    with pytest.raises(Refused) as refusal:
        skip_item(slot.item, by=cast.eve, reason=SkipReason.IDENTIFIER)
    assert refusal.value.code == "lease-lost"

"""Many people at once on real PostgreSQL: no slot twice, no item too often, no answer lost, nobody waits for ever."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from annotation.actions.annotations import (
    StaleDraft,
    claim_next,
    save_draft,
    skip_item,
    submit_annotation,
)
from annotation.actions.rounds import close_round
from annotation.models import Annotation, Assignment, AssignmentStatus, Item, ItemStatus, Round, Skip, SkipReason
from clinicalft import audit
from clinicalft.access import Refused
from clinicalft.models import Membership, User
from tests.factories.rounds import open_round_with
from tests.personas import Cast, make_cast

pytestmark = pytest.mark.django_db(transaction=True)
SICK = {"label": "sick"}


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def clinicians(cast: Cast, n: int) -> list[User]:
    people = [User.objects.create(email=f"c{i}@example.org", name=f"Clinician {i}", password="!") for i in range(n)]
    Membership.objects.bulk_create([Membership(user=p, project=cast.project, roles=["clinician"]) for p in people])
    return people


def at_once(acts: list[Callable[[], Any]]) -> list[BaseException]:
    """Runs each act in a thread of its own with its own connection, all let go together; what they raised."""
    raised: list[BaseException] = []
    gate = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> None:
        try:
            gate.wait(30)
            act()
        except BaseException as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(act,), daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads), "somebody waits for ever"
    return raised


def work_through(round: Round, person: User, restless: random.Random) -> None:
    """Claims and submits until nothing is left, now and then saving a draft or passing an item on."""
    while slot := claim_next(round, by=person):
        dice = restless.random()
        if dice < 0.1 and not Skip.objects.filter(item=slot.item).exists():
            skip_item(slot.item, by=person, reason=SkipReason.NOT_MY_FIELD)
            continue
        revision = save_draft(slot.item, by=person, raw={}, revision=0).revision if dice < 0.3 else 0
        submit_annotation(slot.item, by=person, raw=SICK, revision=revision)


def test_twenty_people_fill_a_round_without_a_double_slot_or_an_overfull_item(cast: Cast) -> None:
    people = clinicians(cast, 20)
    round = open_round_with(cast, notes=25, overlap=3, coverage=60, annotators=people)

    raised = at_once([lambda p=p, i=i: work_through(round, p, random.Random(i)) for i, p in enumerate(people)])  # type: ignore[misc]

    assert raised == []
    answers = Counter(Annotation.objects.filter(status="SUBMITTED").values_list("item__number", flat=True))
    assert answers == {item.number: item.n_required for item in round.items.all()}
    assert set(round.assignments.values_list("status", flat=True)) == {AssignmentStatus.SUBMITTED}
    assert set(round.items.values_list("status", flat=True)) == {ItemStatus.COMPLETE}
    pairs = Counter(Assignment.objects.values_list("item", "annotator"))
    assert set(pairs.values()) == {1}
    assert audit.verify().is_intact


def test_twenty_claims_at_once_get_twenty_different_slots(cast: Cast) -> None:
    people = clinicians(cast, 20)
    round = open_round_with(cast, notes=30, overlap=1, annotators=people)
    got: list[int] = []

    def claim(person: User) -> None:
        slot = claim_next(round, by=person)
        assert slot is not None
        got.append(slot.pk)

    assert at_once([lambda p=p: claim(p) for p in people]) == []  # type: ignore[misc]
    assert len(set(got)) == 20
    assert Assignment.objects.filter(status=AssignmentStatus.CLAIMED).count() == 20


def test_one_person_in_ten_windows_holds_one_item(cast: Cast) -> None:
    round = open_round_with(cast, notes=12)
    got: list[int] = []

    def claim() -> None:
        slot = claim_next(round, by=cast.ben)
        assert slot is not None
        got.append(slot.pk)

    assert at_once([claim] * 10) == []
    assert len(got) == 10
    assert len(set(got)) == 1
    assert Assignment.objects.filter(annotator=cast.ben).count() == 1


def test_the_last_two_answers_of_an_item_arrive_together_and_it_is_complete(cast: Cast) -> None:
    for _ in range(5):
        round = open_round_with(cast, notes=1, overlap=2)
        slots = {person: claim_next(round, by=person) for person in (cast.ben, cast.eve)}
        acts = [
            lambda p=p, s=s: submit_annotation(s.item, by=p, raw=SICK, revision=0)  # type: ignore[misc, union-attr]
            for p, s in slots.items()
        ]
        assert at_once(acts) == []
        assert round.items.get().status == ItemStatus.COMPLETE


def test_an_answer_and_the_closing_of_its_round_never_wait_for_each_other(cast: Cast) -> None:
    people = clinicians(cast, 8)
    round = open_round_with(cast, notes=10, overlap=1, annotators=people)
    slots = [(person, claim_next(round, by=person)) for person in people]
    acts: list[Callable[[], Any]] = [
        lambda p=p, s=s: submit_annotation(s.item, by=p, raw=SICK, revision=0)  # type: ignore[misc, union-attr]
        for p, s in slots
    ]

    raised = at_once([*acts, lambda: close_round(round, by=cast.lea)])

    assert all(isinstance(error, Refused) for error in raised), raised
    n = Annotation.objects.filter(status="SUBMITTED").count()
    assert n + len(raised) == 8
    assert Item.objects.filter(status=ItemStatus.COMPLETE).count() == n
    assert not Assignment.objects.filter(status__in=["WAITING", "CLAIMED"]).exists()


def test_two_windows_that_save_at_once_lose_nothing_silently(cast: Cast) -> None:
    round = open_round_with(cast)
    slot = claim_next(round, by=cast.ben)
    assert slot is not None
    acts = [
        lambda value=value: save_draft(slot.item, by=cast.ben, raw={"label": value}, revision=0)  # type: ignore[misc]
        for value in ("well", "sick", "dying", "well")
    ]

    raised = at_once(acts)

    assert [type(error) for error in raised] == [StaleDraft] * 3
    kept = Annotation.objects.get()
    assert kept.revision == 1
    assert {error.kept.pk for error in raised if isinstance(error, StaleDraft)} == {kept.pk}


def test_a_report_of_an_identifier_and_answers_about_the_same_note_never_wait_for_each_other(cast: Cast) -> None:
    people = clinicians(cast, 5)
    round = open_round_with(cast, notes=1, overlap=5, annotators=people)
    slots = [(person, claim_next(round, by=person)) for person in people]
    acts: list[Callable[[], Any]] = [
        lambda p=p, s=s: save_draft(s.item, by=p, raw=SICK, revision=0)  # type: ignore[misc, union-attr]
        for p, s in slots[:2]
    ]
    acts += [
        lambda p=p, s=s: submit_annotation(s.item, by=p, raw=SICK, revision=0)  # type: ignore[misc, union-attr]
        for p, s in slots[2:4]
    ]
    reporter, reported = slots[4]
    assert reported is not None
    acts.append(lambda: skip_item(reported.item, by=reporter, reason=SkipReason.IDENTIFIER))

    raised = at_once(acts)

    assert all(isinstance(error, Refused) for error in raised), raised
    assert round.items.get().status == ItemStatus.WITHDRAWN
    assert not round.assignments.filter(status__in=["WAITING", "CLAIMED"]).exists()

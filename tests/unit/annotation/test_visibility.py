"""Who may see whose work, in every phase of a round."""

import pytest

from annotation.actions.annotations import claim_next, save_draft, skip_item, submit_annotation
from annotation.actions.rounds import close_round
from annotation.models import Note, NoteStatus, Round
from annotation.visibility import (
    check_blind_ended,
    is_readable,
    may_see_progress,
    own_annotations,
    own_assignments,
    own_rounds,
    released_notes,
    visible_annotations,
    visible_skips,
)
from annotation.workbench import item_of
from clinicalft.access import Refused
from clinicalft.models import User
from tests.factories.rounds import open_round_with
from tests.factories.rounds import released_notes as made_notes
from tests.personas import Cast, make_cast

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture
def round(cast: Cast) -> Round:
    """Ben has submitted item 1, passed item 2 on, and has a draft of item 3; Eve has submitted item 2."""
    round = open_round_with(cast, notes=4, overlap=2, annotators=[cast.ben, cast.eve, cast.cleo])
    first = claim_next(round, by=cast.ben)
    assert first is not None
    submit_annotation(first.item, by=cast.ben, raw={"label": "sick"}, revision=0)
    second = claim_next(round, by=cast.ben)
    assert second is not None
    skip_item(second.item, by=cast.ben, reason="UNCLEAR", comment="Which?")
    third = claim_next(round, by=cast.ben)
    assert third is not None
    save_draft(third.item, by=cast.ben, raw={"label": "well"}, revision=0)
    of_eve = claim_next(round, by=cast.eve)
    assert of_eve is not None
    submit_annotation(of_eve.item, by=cast.eve, raw={"label": "dying"}, revision=0)
    return round


@pytest.mark.parametrize(
    ("who", "before", "after"),
    [
        ("ben", {"Ben"}, {"Ben"}),
        ("eve", {"Eve"}, {"Eve"}),
        ("cleo", set(), {"Ben", "Eve"}),
        ("lea", set(), {"Ben", "Eve"}),
        ("ada", set(), {"Ben", "Eve"}),
        ("otto", set(), {"Ben", "Eve"}),
        ("priya", set(), set()),
        ("zoe", set(), set()),
    ],
)
def test_answers_of_others_open_with_the_closing_to_those_who_compare_them(
    cast: Cast, round: Round, who: str, before: set[str], after: set[str]
) -> None:
    user = getattr(cast, who)
    assert {row.annotator.name for row in visible_annotations(user, cast.project)} == before

    close_round(round, by=cast.lea)

    assert {row.annotator.name for row in visible_annotations(user, cast.project)} == after


def test_a_draft_is_visible_to_nobody_but_its_owner(cast: Cast, round: Round) -> None:
    close_round(round, by=cast.lea)
    for person in cast.people().values():
        assert all(row.status == "SUBMITTED" for row in visible_annotations(person, cast.project))
    assert {row.status for row in own_annotations(cast.ben, round)} == {"DRAFT", "SUBMITTED"}


@pytest.mark.parametrize(
    ("who", "before", "after"), [("lea", 1, 1), ("ben", 1, 1), ("eve", 0, 0), ("cleo", 0, 0), ("otto", 0, 0)]
)
def test_skips_and_their_comments_are_for_the_lead(cast: Cast, round: Round, who: str, before: int, after: int) -> None:
    user = getattr(cast, who)
    assert visible_skips(user, round).count() == before
    assert visible_skips(user, close_round(round, by=cast.lea)).count() == after


def test_a_lead_who_annotates_sees_no_counts_while_the_round_is_open(cast: Cast, round: Round) -> None:
    assert may_see_progress(cast.lea, round)
    assert not may_see_progress(cast.cleo, round)
    assert may_see_progress(cast.cleo, close_round(round, by=cast.lea))


def test_answers_are_compared_only_when_the_round_is_closed(cast: Cast, round: Round) -> None:
    with pytest.raises(Refused) as refusal:
        check_blind_ended(cast.lea, round)
    assert refusal.value.code == "blind"
    check_blind_ended(cast.lea, close_round(round, by=cast.lea))


def test_people_hold_what_they_claimed_and_nothing_else(cast: Cast, round: Round) -> None:
    assert {slot.item.number for slot in own_assignments(cast.ben, round)} == {1, 3}
    assert {slot.item.number for slot in own_assignments(cast.eve, round)} == {2}
    assert not own_assignments(cast.cleo, round).exists()
    assert list(own_rounds(cast.ben, cast.project)) == [round]
    assert not own_rounds(cast.lea, cast.project).exists()
    assert not own_rounds(cast.ben, cast.other_project).exists()


def test_the_workbench_opens_items_of_those_rounds_and_no_others(cast: Cast, round: Round) -> None:
    imported = User.objects.create(email="g@imported.invalid", name="Labels", is_imported=True, password="!")
    gold = open_round_with(cast, annotators=[imported], overlap=1, is_gold=True)

    for user, each, is_own in ((cast.ben, round, True), (cast.lea, round, False), (imported, gold, False)):
        assert own_rounds(user, cast.project).filter(pk=each.pk).exists() == is_own
        assert (item_of(user, cast.project, each.number, 1) is not None) == is_own
    assert item_of(cast.ben, cast.other_project, round.number, 1) is None


def test_only_released_current_notes_go_into_rounds(cast: Cast) -> None:
    notes = made_notes(cast, 3)
    Note.objects.filter(pk=notes[0].note_id).update(status=NoteStatus.WITHDRAWN)
    assert list(released_notes(cast.project)) == notes[1:]
    assert not released_notes(cast.other_project).exists()


def test_a_withdrawn_note_is_readable_to_nobody(cast: Cast, round: Round) -> None:
    item = round.items.select_related("note").first()
    assert item is not None
    assert is_readable(item)
    Note.objects.filter(pk=item.note.note_id).update(status=NoteStatus.WITHDRAWN)
    assert not is_readable(item)

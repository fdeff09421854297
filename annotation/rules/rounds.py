"""May a round be opened, changed or closed, and a skipped item be dealt with - and if not, why."""

from collections.abc import Collection

from annotation.models import Item, ItemStatus, Round, RoundStatus, Skip
from clinicalft.access import Refused, check_permission, has_permission
from clinicalft.models import Project, User
from clinicalft.roles import Permission


def check_open_round(user: User, project: Project) -> None:
    """Leads open rounds."""
    check_permission(user, Permission.ROUND_OPEN, project)


def check_shape(annotators: Collection[User], overlap: int, n_items: int) -> None:
    """A round has notes, and at least as many annotators as one item needs."""
    if not 1 <= overlap <= 5:
        raise Refused("overlap", "Between one and five people annotate an item.")
    if not n_items:
        raise Refused("no-notes", "No released note fits. Release notes first, or choose another batch.")
    if len(annotators) < overlap:
        raise Refused(
            "too-few-annotators",
            f"{overlap} different people are to annotate each shared item, but only {len(annotators)} are chosen.",
        )


def check_annotators(annotators: Collection[User], project: Project, *, is_gold: bool) -> None:
    """Annotators may annotate in the project; only a round of imported answers is "annotated" by imported people."""
    for person in annotators:
        if is_gold != person.is_imported:
            raise Refused("imported", f"{person.name} cannot be in this round: imported and live answers do not mix.")
        if not is_gold and not has_permission(person, Permission.ITEM_ANNOTATE, project):
            raise Refused("not-clinician", f"{person.name} may not annotate in this project.")


def check_close_round(user: User, round: Round) -> None:
    """A lead closes an open round, whenever they have seen enough."""
    check_permission(user, Permission.ROUND_OPEN, round.project)
    if round.status != RoundStatus.OPEN:
        raise Refused("closed", "This round is closed already.")


def check_add_annotators(user: User, round: Round) -> None:
    """People may join while the round is open."""
    check_close_round(user, round)
    if round.is_gold:
        raise Refused("gold", "Its answers came with the notes; nobody annotates here.")


def check_resolve_skip(user: User, skip: Skip) -> None:
    """A lead deals with a skipped item once."""
    check_permission(user, Permission.ROUND_OPEN, skip.item.project)
    if skip.resolved_at:
        raise Refused("resolved", "Somebody has dealt with this already.")


def check_withdraw_item(user: User, item: Item) -> None:
    """A lead takes an item out of an open round when nobody can annotate it."""
    check_close_round(user, item.round)
    if item.status == ItemStatus.WITHDRAWN:
        raise Refused("withdrawn", "This item is withdrawn already.")


def check_import_answers(user: User, round: Round) -> None:
    """Answers that came with the notes go into an open gold round."""
    check_close_round(user, round)
    if not round.is_gold:
        raise Refused("not-gold", "Only a round that was opened for imported answers takes them.")

"""Who may use the workbench. All three clinicians hold the one item, since each sees what they hold only."""

from typing import Any

from annotation.actions.annotations import claim_next
from annotation.models import Round
from tests.factories.rounds import open_round_with
from tests.personas import Cast
from tests.test_access import Row

CLINICIANS = frozenset({"ben", "eve", "cleo"})
READERS = CLINICIANS | {"lea", "rob", "priya"}


def setup(cast: Cast) -> Round:
    round = open_round_with(cast, notes=1, overlap=3)
    for person in (cast.ben, cast.eve, cast.cleo):
        assert claim_next(round, by=person)
    return round


def slug(cast: Cast, world: Any) -> dict[str, Any]:
    return {"slug": cast.project.slug}


def of(cast: Cast, world: Any) -> dict[str, Any]:
    return {"slug": cast.project.slug, "number": world.number}


def item(cast: Cast, world: Any) -> dict[str, Any]:
    return {**of(cast, world), "item_number": 1}


ROWS = {
    "annotation:work-list": Row(get=CLINICIANS, args=slug),
    "annotation:work-round": Row(get=CLINICIANS, args=of),
    "annotation:guideline-acknowledge": Row(post=CLINICIANS, args=of),
    "annotation:next-claim": Row(post=CLINICIANS, args=of),
    "annotation:work-done": Row(get=CLINICIANS, args=of),
    "annotation:work-item": Row(get=CLINICIANS, args=item),
    "annotation:draft-save": Row(post=CLINICIANS, args=item),
    "annotation:annotation-submit": Row(post=CLINICIANS, args=item),
    "annotation:item-skip": Row(post=CLINICIANS, args=item),
    "annotation:lease-extend": Row(post=CLINICIANS, args=item),
    "annotation:code-search": Row(get=READERS, args=slug),
}

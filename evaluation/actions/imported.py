"""Ratings that were published elsewhere: real people's judgements, brought in as a closed round of their own."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from annotation.actions.quarantine import enter_texts
from clinicalft import audit
from clinicalft.access import Refused, check_permission
from clinicalft.actions import create_user, next_number
from clinicalft.lib.hashing import sha256_text
from clinicalft.models import Project, User, WorkStatus
from clinicalft.roles import Permission
from evaluation.models import (
    Arm,
    Inference,
    Output,
    Rating,
    RatingRound,
    RatingRoundStatus,
    RatingStatus,
)
from evaluation.rubrics import Rubric

Row = Mapping[str, Any]


@transaction.atomic
def import_ratings(
    *, project: Project, title: str, rubric: Rubric, outputs: Sequence[Row], ratings: Sequence[Row], by: User
) -> RatingRound:
    """A closed round from published outputs and ratings, all or nothing.

    outputs: {"id", "system", "source_text", "text", "reference"?}; each system becomes an imported inference.
    ratings: {"output", "rater", "answers", "flags"?}; a question without an answer is left out of `answers`. Each rater
    becomes an account that nobody can log in to. Raises Refused with the row and the fault of the first bad one.
    """
    check_permission(by, Permission.RATING_OPEN, project)
    _check(rubric, outputs, ratings)
    now = timezone.now()
    rating_round = RatingRound.objects.create(
        project=project, number=next_number(RatingRound, project), title=title, rubric=rubric.as_json(), opened_by=by,
        is_imported=True, status=RatingRoundStatus.CLOSED, closed_at=now,
        version=len(ratings),
    )  # fmt: skip
    made = _make_outputs(rating_round, outputs, by)
    people = _make_raters(rating_round, ratings, by)
    position = dict.fromkeys(people, 0)
    rows = []
    for row in ratings:
        position[row["rater"]] += 1
        rows.append(
            Rating(
                rating_round=rating_round,
                project=project,
                output=made[row["output"]],
                rater=people[row["rater"]],
                position=position[row["rater"]],
                status=RatingStatus.SUBMITTED,
                submitted_at=now,
                answers=dict(row["answers"]),
                flags=dict(row.get("flags") or {}),
            )
        )
    Rating.objects.bulk_create(rows, batch_size=2000)
    audit.record("RATING_IMPORT", rating_round, by=by, n_outputs=len(outputs), n_ratings=len(ratings))
    return rating_round


def _check(rubric: Rubric, outputs: Sequence[Row], ratings: Sequence[Row]) -> None:
    known = {row["id"] for row in outputs}
    if len(known) < len(outputs):
        raise Refused("output-twice", "Two outputs have the same id. Give each its own.")
    questions = {question.key: question for question in rubric.questions}
    given: set[tuple[Any, Any]] = set()
    for number, row in enumerate(ratings, start=1):
        if row["output"] not in known:
            raise Refused("unknown-output", f"Rating {number} is of an output that is not in the list of outputs.")
        if (row["output"], row["rater"]) in given:
            raise Refused("rated-twice", f"Rating {number}: this rater has rated this output already.")
        given.add((row["output"], row["rater"]))
        for key, value in row["answers"].items():
            if key not in questions or value not in questions[key].values:
                raise Refused("unknown-answer", f"Rating {number}: {value!r} is no answer to {key!r} in the rubric.")
    if not ratings:
        raise Refused("no-ratings", "There is not a single rating to import.")


def _make_outputs(rating_round: RatingRound, outputs: Sequence[Row], by: User) -> dict[Any, Output]:
    project, now = rating_round.project, timezone.now()
    first = next_number(Inference, project)
    systems = sorted({row["system"] for row in outputs})
    inferences = {
        system: Inference.objects.create(
            project=project, number=number, arm=Arm.IMPORTED, system_name=system, created_by=by,
            status=WorkStatus.DONE, finished_at=now,
        )
        for number, system in enumerate(systems, start=first)
    }  # fmt: skip
    rating_round.inferences.set(inferences.values())
    count = dict.fromkeys(systems, 0)
    rows = []
    for row in outputs:
        count[row["system"]] += 1
        rows.append(
            Output(
                inference=inferences[row["system"]],
                project=project,
                number=count[row["system"]],
                source_text=row["source_text"],
                reference=row.get("reference") or "",
                text=row["text"],
                text_sha256=sha256_text(row["text"]),
            )
        )
    made = Output.objects.bulk_create(rows, 2000)
    texts = ("text", "reference", "source_text")
    enter_texts(project, [(output, None) for output in made], fields=texts, language=project.language)
    return {row["id"]: output for row, output in zip(outputs, made, strict=True)}


def _make_raters(rating_round: RatingRound, ratings: Sequence[Row], by: User) -> dict[Any, User]:
    people = {}
    for place, name in enumerate(dict.fromkeys(row["rater"] for row in ratings), start=1):
        address = f"rater-{place}.round-{rating_round.pk}@imported.invalid"
        people[name] = create_user(email=address, name=str(name), password=None, by=by, is_imported=True)
    rating_round.raters.set(people.values())
    return people

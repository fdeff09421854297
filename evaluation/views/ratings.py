"""Pages of step 10 for raters: their rounds, and one output at a time. Nothing here says which system wrote it."""

from typing import Any

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django_htmx.http import HttpResponseClientRedirect

from clinicalft.access import Refused
from clinicalft.guards import load, project_page
from clinicalft.models import Project
from clinicalft.roles import Permission
from evaluation import rubrics
from evaluation.actions import ratings
from evaluation.actions.ratings import StaleRating
from evaluation.forms.ratings import NO, YES, RatingForm
from evaluation.models import Rating, RatingRound, RatingStatus
from evaluation.visibility import own_rating_rounds, own_ratings, waiting_ratings

P = Permission.OUTPUT_RATE


@project_page(P)
def rating_list(request: HttpRequest, project: Project) -> HttpResponse:
    """The rounds that the person rates in, with how far they are."""
    mine = Q(ratings__in=own_ratings(request.user, project))
    rounds = own_rating_rounds(request.user, project).annotate(
        n=Count("ratings", filter=mine),
        n_given=Count("ratings", filter=mine & Q(ratings__status=RatingStatus.SUBMITTED)),
    )
    context = {"project": project, "rounds": rounds.order_by("-number"), "crumbs": [("Rate", "")]}
    return render(request, "evaluation/rating_list.html", context)


@project_page(P)
def rating_next(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """Leads to the person's next waiting output, or back to their rounds when there is none."""
    rating_round = _round(request, project, number)
    following = waiting_ratings(request.user, rating_round).first()
    if following is None:
        messages.success(request, f"Rating round {number}: nothing waits for you.")
        return redirect("evaluation:rating-list", slug=project.slug)
    return redirect("evaluation:rating-work", slug=project.slug, number=number, position=following.position)


@project_page(P)
def rating_work(request: HttpRequest, project: Project, number: int, position: int) -> HttpResponse:
    rating = _rating(request, project, number, position)
    if rating.status == RatingStatus.SUBMITTED:
        return redirect("evaluation:rating-next", slug=project.slug, number=number)
    return render(request, "evaluation/rating_work.html", _bench(request, rating, rating.answers, rating.flags))


@project_page(P, "POST")
def rating_draft(request: HttpRequest, project: Project, number: int, position: int) -> HttpResponse:
    rating = _rating(request, project, number, position)
    rubric = rubrics.Rubric.from_json(rating.rating_round.rubric)
    form = RatingForm(request.POST, rubric=rubric)
    if not form.is_valid():
        return JsonResponse({"sentence": form.fault}, status=422)
    try:
        kept = ratings.save_rating_draft(
            rating, answers=form.answers, flags=form.flags, by=request.user, **form.cleaned_data
        )
    except StaleRating as stale:
        mine, theirs = _lines(rubric, form.answers, form.flags), _lines(rubric, stale.kept.answers, stale.kept.flags)
        answer = {"sentence": stale.sentence, "revision": stale.kept.revision, "mine": mine, "theirs": theirs}
        return JsonResponse(answer, status=409)
    except Refused as refusal:
        return JsonResponse({"sentence": refusal.sentence}, status=409)
    return JsonResponse({"revision": kept.revision})


@project_page(P, "POST")
def rating_submit(request: HttpRequest, project: Project, number: int, position: int) -> HttpResponse:
    """Submits and goes to the next; a rating that is not whole comes back with what is missing, and nothing is lost."""
    rating = _rating(request, project, number, position)
    rubric = rubrics.Rubric.from_json(rating.rating_round.rubric)
    form = RatingForm(request.POST, rubric=rubric)
    texts = {"note": rating.output.source_text, "output": rating.output.text}
    faults = (
        [form.fault]
        if not form.is_valid()
        else list(rubrics.faults(rubric, form.answers, form.flags, **texts).values())
    )
    if faults and request.htmx:
        return render(request, "evaluation/_rating_faults.html", {"faults": faults}, status=422)
    if faults:
        answers, flags = rubrics.clean(rubric, form.answers, form.flags)
        context = _bench(request, rating, answers, flags) | {
            "faults": faults, "comment": request.POST.get("comment", ""), "seconds": request.POST.get("seconds", "0"),
        }  # fmt: skip
        return render(request, "evaluation/rating_work.html", context, status=422)
    ratings.submit_rating(rating, answers=form.answers, flags=form.flags, by=request.user, **form.cleaned_data)
    following = reverse("evaluation:rating-next", args=[project.slug, number])
    return HttpResponseClientRedirect(following) if request.htmx else redirect(following)


def _round(request: HttpRequest, project: Project, number: int) -> RatingRound:
    return load(own_rating_rounds(request.user, project), number=number)


def _rating(request: HttpRequest, project: Project, number: int, position: int) -> Rating:
    rows = own_ratings(request.user, project).select_related("rating_round", "project", "output")
    return load(rows, rating_round__number=number, position=position)


def _bench(request: HttpRequest, rating: Rating, answers: dict[str, Any], flags: dict[str, Any]) -> dict[str, Any]:
    """What the page of one output shows. Nothing of the output but its text, and no id but the rater's own position."""
    rubric = rubrics.Rubric.from_json(rating.rating_round.rubric)
    number, slug = rating.rating_round.number, rating.project.slug
    mine = own_ratings(request.user, rating.project).filter(rating_round=rating.rating_round)
    texts = {"note": rating.output.source_text, "output": rating.output.text}
    return {
        "project": rating.project,
        "rating": rating,
        "rating_round": rating.rating_round,
        "n": mine.count(),
        "n_given": mine.filter(status=RatingStatus.SUBMITTED).count(),
        "rows": _rows(rubric, answers, flags, texts),
        "note": _editor(rubric, flags, texts, "note"),
        "output": _editor(rubric, flags, texts, "output"),
        "comment": rating.comment,
        "seconds": rating.seconds,
        "faults": [],
        "crumbs": [("Rate", reverse("evaluation:rating-list", args=[slug])), (f"Rating round {number}", "")],
    }


def _rows(
    rubric: rubrics.Rubric, answers: dict[str, Any], flags: dict[str, Any], texts: dict[str, str]
) -> list[dict[str, Any]]:
    """The rows of components/rating.html: a question each, and for a flag no or yes with the rows that a yes opens."""
    rows: list[dict[str, Any]] = [
        {
            "name": question.key, "label": question.label, "help": question.help, "value": answers.get(question.key),
            "choices": [(point.value, point.label) for point in question.scale],
        }
        for question in rubric.questions
    ]  # fmt: skip
    for flag in rubric.flags:
        given = flags.get(flag.key, {})
        value = {True: YES, False: NO}.get(given.get("raised", ""))
        rows.append(
            {
                "name": flag.key, "label": flag.label, "help": flag.help, "value": value, "is_flag": True,
                "choices": [(NO, "No"), (YES, "Yes")],
            }
        )  # fmt: skip
        parts = (("kind", "What is wrong", flag.kinds), ("severity", "How bad is it", flag.severities))
        rows += [
            {
                "name": f"{flag.key}-{name}", "label": label, "parent": flag.key, "is_open": value == YES,
                "value": given.get(name), "choices": [(choice.key, choice.label) for choice in choices],
            }
            for name, label, choices in parts
            if choices
        ]  # fmt: skip
        rows.append(
            {
                "evidence_of": flag.key, "parent": flag.key, "is_open": value == YES,
                "quotes": [texts[span["field"]][span["start"] : span["end"]] for span in given.get("evidence", [])],
            }
        )  # fmt: skip
    return rows


def _editor(rubric: rubrics.Rubric, flags: dict[str, Any], texts: dict[str, str], field: str) -> dict[str, Any]:
    """The configuration of the span editor of one text: marked words belong to a flag."""
    text = texts[field]
    return {
        "text": text,
        "labels": [
            {"value": flag.key, "name": flag.label, "color": color}
            for flag, color in zip(rubric.flags, range(10), strict=False)
        ],
        "spans": [
            {"start": span["start"], "end": span["end"], "label": key, "quote": text[span["start"] : span["end"]]}
            for key, flag in flags.items()
            for span in flag.get("evidence", [])
            if span["field"] == field and 0 <= span["start"] < span["end"] <= len(text)
        ],
    }


def _lines(rubric: rubrics.Rubric, answers: dict[str, Any], flags: dict[str, Any]) -> str:
    """One version of a rating in a few lines of HTML, for the choice between two."""
    kept, raised = rubrics.clean(rubric, answers, flags)
    rows = [(question.label, kept.get(question.key, "not answered")) for question in rubric.questions]
    for flag in rubric.flags:
        given = raised.get(flag.key)
        word = "not answered" if given is None else "Yes" if given["raised"] else "No"
        rows.append((flag.label, word))
    return render_to_string("evaluation/_rating_lines.html", {"rows": rows})

"""Pages of step 10 for leads and senior clinicians: rounds of ratings, their live numbers, harm review."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from annotation.quarantine import masked
from clinicalft.access import Refused, has_permission, why_not
from clinicalft.guards import load, project_page
from clinicalft.models import Project, User, WorkStatus
from clinicalft.roles import ROLES, Permission
from evaluation.actions import ratings
from evaluation.agreement_query import rater_labels
from evaluation.forms.ratings import HarmReviewForm, RatingRoundForm
from evaluation.models import Inference, Output, Rating, RatingRound, RatingRoundStatus, RatingStatus
from evaluation.rubrics import Rubric
from evaluation.rules.ratings import (
    check_close_rating_round,
    check_open_rating_round,
    check_review_harm,
    check_see_results,
)
from evaluation.rules.reports import check_publish_report, rated_adapters
from evaluation.views.inference import area_tabs
from evaluation.views.summary import flag_words, readable_keys
from evaluation.visibility import pending_flags

P = Permission
SUBMITTED = Q(ratings__status=RatingStatus.SUBMITTED)


@project_page(P.EVALUATION_VIEW)
def rating_round_list(request: HttpRequest, project: Project) -> HttpResponse:
    rounds = project.rating_rounds.annotate(n_ratings=Count("ratings"), n_given=Count("ratings", filter=SUBMITTED))
    context = {
        "project": project,
        "page": Paginator(rounds.order_by("-number"), 25).get_page(request.GET.get("page")),
        "may_open": has_permission(request.user, P.RATING_OPEN, project),
        "why_not": why_not(check_open_rating_round, request.user, project),
        "tabs": area_tabs(project, "rating-round-list"),
        "crumbs": [("Evaluation", reverse("evaluation:inference-list", args=[project.slug])), ("Rating rounds", "")],
    }
    return render(request, "evaluation/rating_round_list.html", context)


@project_page(P.RATING_OPEN, "GET", "POST")
def rating_round_open(request: HttpRequest, project: Project) -> HttpResponse:
    arms = _arms(project)
    newest = arms.filter(adapter=arms[0].adapter, split=arms[0].split)[:2] if arms else []
    form = RatingRoundForm(
        request.POST or None, inferences=arms, raters=_clinicians(project), initial={"inferences": newest}
    )
    if form.is_valid():
        try:
            rating_round = ratings.open_rating_round(project=project, by=request.user, **form.cleaned_data)
            return redirect("evaluation:rating-round-detail", slug=project.slug, number=rating_round.number)
        except Refused as refusal:
            form.add_error(None, refusal.sentence)
    context = {
        "project": project,
        "form": form,
        "why_not": why_not(check_open_rating_round, request.user, project),
        "crumbs": [("Rating rounds", "../"), ("Open a round", "")],
    }
    return render(request, "evaluation/rating_round_open.html", context, status=422 if form.errors else 200)


def _arms(project: Project) -> QuerySet[Inference]:
    done = project.inferences.filter(status=WorkStatus.DONE, dataset__isnull=False)
    return done.select_related("adapter", "base_model", "dataset")


def _clinicians(project: Project) -> QuerySet[User]:
    roles = [role.name for role in ROLES.values() if P.OUTPUT_RATE in role.permissions]
    return User.objects.filter(memberships__project=project, memberships__roles__overlap=roles, is_active=True)


@project_page(P.EVALUATION_VIEW)
def rating_round_detail(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """How far each rater is, what waits for review, and the way to the numbers and the reports."""
    rating_round = visible_round(request, project, number)
    rubric = Rubric.from_json(rating_round.rubric)
    people = rating_round.raters.annotate(
        n=Count("ratings", filter=Q(ratings__rating_round=rating_round)),
        n_given=Count("ratings", filter=Q(ratings__rating_round=rating_round, ratings__status=RatingStatus.SUBMITTED)),
    ).order_by("name")
    context = {
        "project": project,
        "rating_round": rating_round,
        "is_open": rating_round.status == RatingRoundStatus.OPEN,
        "people": people,
        "n_given": sum(person.n_given for person in people),
        "n_ratings": sum(person.n for person in people),
        "n_flags": len(pending_flags(rating_round, [flag.key for flag in rubric.flags])),
        "reports": rating_round.reports.order_by("-number"),
        "rated": rated_adapters(rating_round),
        "may_open": has_permission(request.user, P.RATING_OPEN, project),
        "may_publish": has_permission(request.user, P.REPORT_PUBLISH, project),
        "why_not_close": why_not(check_close_rating_round, request.user, rating_round),
        "why_not_publish": why_not(check_publish_report, request.user, rating_round),
        "crumbs": [("Rating rounds", "../"), (f"Rating round {number}", "")],
    }
    return render(request, "evaluation/rating_round_detail.html", context)


def visible_round(request: HttpRequest, project: Project, number: int) -> RatingRound:
    """The round, for those who may see its results: nobody who still rates the same outputs."""
    rating_round = load(RatingRound.objects.select_related("project", "opened_by"), project=project, number=number)
    check_see_results(request.user, rating_round)
    return rating_round


@project_page(P.RATING_OPEN, "POST")
def rating_round_close(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    ratings.close_rating_round(load(RatingRound, project=project, number=number), by=request.user)
    messages.success(request, "The round is closed. Harm can be reviewed and the report published.")
    return redirect("evaluation:rating-round-detail", slug=project.slug, number=number)


# ---------- harm review


@project_page(P.EVALUATION_VIEW)
def harm_list(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """Flags that wait for a decision, harm before anything else, and below them what was decided. Blind to systems."""
    rating_round = visible_round(request, project, number)
    return render(request, "evaluation/harm_list.html", _harm(request, rating_round))


@project_page(P.HARM_REVIEW, "POST")
def harm_review(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    rating_round = visible_round(request, project, number)
    form = HarmReviewForm(request.POST)
    if not form.is_valid():
        return render(request, "evaluation/harm_list.html", _harm(request, rating_round, form), status=422)
    output = load(Output, project=project, pk=form.cleaned_data.pop("output"))
    ratings.review_harm(rating_round, output, by=request.user, **form.cleaned_data)
    messages.success(request, "Your decision is kept; it counts from the next report on.")
    return redirect("evaluation:harm-list", slug=project.slug, number=number)


def _harm(request: HttpRequest, rating_round: RatingRound, form: HarmReviewForm | None = None) -> dict[str, Any]:
    flags = {flag.key: flag for flag in Rubric.from_json(rating_round.rubric).flags}
    page = Paginator(pending_flags(rating_round, flags), 10).get_page(request.GET.get("page"))
    outputs = {output: None for output, _ in page.object_list}
    of_output: dict[int, list[Rating]] = {}
    given = rating_round.ratings.filter(output__in=outputs).select_related("output", "rater").order_by("rater")
    for rating in masked(given):
        of_output.setdefault(rating.output_id, []).append(rating)
    readable = readable_keys([given[0].output for given in of_output.values()])
    labels = rater_labels(rating_round)
    decided = list(rating_round.harm_reviews.select_related("output", "reviewed_by").order_by("-reviewed_at")[:50])
    masked(review for review in decided if review.reviewed_by_id != request.user.pk)
    page.object_list = [
        {
            "output": of_output[output][0].output,
            "flag": flags[key],
            "raised": [
                (labels[rating.rater_id], words, rating.comment)
                for rating in of_output[output]
                if (words := flag_words(flags[key], rating.flags.get(key, {}), rating.output, output in readable))
            ],
            "is_readable": output in readable,
            "why_not": why_not(check_review_harm, request.user, rating_round, key, of_output[output], is_decided=False),
        }
        for output, key in page.object_list
    ]
    return {
        "project": rating_round.project,
        "rating_round": rating_round,
        "page": page,
        "form": form,
        "decided": decided,
        "may_review": has_permission(request.user, P.HARM_REVIEW, rating_round.project),
        "crumbs": [(f"Rating round {rating_round.number}", "../"), ("Harm review", "")],
    }

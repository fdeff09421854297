"""Pages of step 9: adapters beside their base model on notes that none of them has seen."""

import csv
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from annotation.kinds import KINDS
from clinicalft.access import Refused, has_permission, why_not
from clinicalft.guards import load, project_page
from clinicalft.models import Project, WorkStatus
from clinicalft.roles import Permission
from evaluation.actions import inference as actions
from evaluation.answers import counts_of
from evaluation.forecast import forecast_inference
from evaluation.forms.inference import InferenceForm
from evaluation.metrics import confusion
from evaluation.models import Arm, Inference, Output
from evaluation.rules.inference import check_cancel_inference, check_resume_inference
from evaluation.rules.ratings import check_see_outputs
from evaluation.visibility import held, readable_outputs
from training.models import Split

P = Permission
EXPORTED = (
    "example", "finish", "tokens", "seconds", "equal_to_reference", "log_probability", "mean_log_probability",
    "token_log_probabilities", "answer_sha256",
)  # fmt: skip
NO_ANSWER = "no answer"


def area_tabs(project: Project, current: str) -> list[tuple[str, str, bool]]:
    """The three lists of the evaluation area."""
    lists = (("Inferences", "inference-list"), ("Rating rounds", "rating-round-list"), ("Reports", "report-list"))
    return [(label, reverse(f"evaluation:{name}", args=[project.slug]), name == current) for label, name in lists]


@project_page(P.EVALUATION_VIEW)
def inference_list(request: HttpRequest, project: Project) -> HttpResponse:
    rows = project.inferences.select_related("adapter", "base_model", "dataset", "created_by").annotate(
        n_outputs=Count("outputs"), n_held=_n_held()
    )
    context = {
        "project": project,
        "page": Paginator(rows.order_by("-number"), 25).get_page(request.GET.get("page")),
        "may_start": has_permission(request.user, P.INFERENCE_START, project),
        "why_not": "" if project.adapters.exists() else "There is no adapter yet. Start a run; it ends in one.",
        "tabs": area_tabs(project, "inference-list"),
        "crumbs": [("Evaluation", "")],
    }
    return render(request, "evaluation/inference_list.html", context)


def _n_held() -> Coalesce:
    """How many outputs of an inference wait for a privacy officer or hold an identifier."""
    outputs = Output.objects.filter(inference=OuterRef("pk"))
    counted = outputs.filter(held(outputs)).order_by().values("inference").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)


@project_page(P.INFERENCE_START, "GET", "POST")
def inference_start(request: HttpRequest, project: Project) -> HttpResponse:
    adapters = project.adapters.with_origin()
    newest = adapters.first()
    form = _form(project, request.POST or None, chosen=request.GET.get("adapter", newest))
    if form.is_valid():
        chosen = form.cleaned_data
        try:
            made = actions.start_inference(
                *chosen["adapter"], split=chosen["split"], by=request.user, dataset=chosen["dataset"],
                server=chosen["server"], with_base=not chosen["without_base"], config=form.config(),
            )  # fmt: skip
            return redirect("evaluation:inference-detail", slug=project.slug, number=made[0].number)
        except Refused as refusal:
            form.add_error(None, refusal.sentence)
    context = {
        "project": project,
        "form": form,
        "has_imported": adapters.filter(run=None).exists(),
        "has_servers": bool(settings.INFERENCE_SERVERS),
        "why_not": "" if newest else "There is no adapter yet. Start a run; it ends in one.",
        "crumbs": [("Evaluation", "../"), ("Start inference", "")],
    }
    return render(request, "evaluation/inference_start.html", context, status=422 if form.errors else 200)


def _form(project: Project, data: Any, *, chosen: Any = None) -> InferenceForm:
    return InferenceForm(
        data, adapters=project.adapters.with_origin(), datasets=project.datasets.filter(status=WorkStatus.DONE),
        initial={"adapter": [chosen] if chosen else []},
    )  # fmt: skip


@project_page(P.INFERENCE_START)
def inference_forecast(request: HttpRequest, project: Project) -> HttpResponse:
    """What an inference with the settings of the form would take, or what keeps it from being forecast."""
    form = _form(project, request.GET)
    forecast = None
    if form.is_valid():
        chosen = form.cleaned_data
        wanted = Inference(
            base_model=chosen["adapter"][0].base_model, server=chosen["server"], config=form.config(),
            n_total=chosen["answered"].examples.filter(split=chosen["split"]).count(),
        )  # fmt: skip
        n_systems = len(chosen["adapter"]) + (not chosen["without_base"])
        forecast = forecast_inference(wanted, n_systems=n_systems)
    return render(request, "evaluation/_inference_forecast.html", {"forecast": forecast, "form": form})


@project_page(P.EVALUATION_VIEW)
def inference_detail(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """Systems that were started together: progress, exact match, confusion, and their answers side by side."""
    pair = _together(request, project, number)
    context = _progress_context(request, project, pair)
    chosen, words = _chosen(pair, request)
    context |= {
        "page": Paginator(chosen, 20).get_page(request.GET.get("page")),
        "words": words,
        "confusions": [found for row in pair if (found := _confusion(row))],
        "crumbs": [("Evaluation", "../"), (str(pair[0]), "")],
    }
    context["rows"] = _side_by_side(pair, context["page"])
    return render(request, "evaluation/inference_detail.html", context)


@project_page(P.EVALUATION_VIEW)
def inference_progress(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    context = _progress_context(request, project, _together(request, project, number))
    response = render(request, "evaluation/_inference_progress.html", context)
    if context["is_finished"]:
        response["HX-Refresh"] = "true"
    return response


@project_page(P.INFERENCE_START, "POST")
def inference_cancel(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    actions.cancel_inference(load(Inference, project=project, number=number), by=request.user)
    messages.success(request, "It was asked to stop. The answers so far are kept.")
    return redirect("evaluation:inference-detail", slug=project.slug, number=number)


@project_page(P.INFERENCE_START, "POST")
def inference_resume(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    actions.resume_inference(load(Inference, project=project, number=number), by=request.user)
    messages.success(request, "It is queued again and answers what has no answer yet.")
    return redirect("evaluation:inference-detail", slug=project.slug, number=number)


@project_page(P.EVALUATION_VIEW)
def inference_export(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """Every answer of one system as a line of numbers, for calibration: no text of a note, a reference or an answer."""
    inference = load(Inference.objects.select_related("project"), project=project, number=number)
    check_see_outputs(request.user, inference)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="inference-{number}.csv"'
    writer = csv.writer(response)
    writer.writerow(EXPORTED)
    for output in inference.outputs.order_by("number").iterator(chunk_size=2000):
        writer.writerow(
            [
                output.number, output.finish, output.n_tokens, output.seconds,
                "" if output.is_match is None else int(output.is_match), output.logprob, output.mean_logprob,
                " ".join(map(str, output.token_logprobs or ())), output.text_sha256,
            ]
        )  # fmt: skip
    return response


def _together(request: HttpRequest, project: Project, number: int) -> list[Inference]:
    """The inference and those that were started with it, adapters first; one alone where there is no other."""
    rows = Inference.objects.select_related("project", "adapter", "base_model", "dataset")
    inference = load(rows, project=project, number=number)
    found = [inference]
    if inference.group:
        found = list(rows.filter(project=project, group=inference.group).order_by("number"))
    for row in found:
        check_see_outputs(request.user, row)
    return sorted(found, key=lambda row: row.arm != Arm.ADAPTER)


def _progress_context(request: HttpRequest, project: Project, pair: list[Inference]) -> dict[str, Any]:
    return {
        "project": project,
        "pair": [_state(request, row) for row in pair],
        "first": pair[0],
        "split": Split(pair[0].split).label,
        "is_finished": all(row.is_finished for row in pair),
        "may_start": has_permission(request.user, P.INFERENCE_START, project),
    }


def _state(request: HttpRequest, inference: Inference) -> dict[str, Any]:
    counts, expected = counts_of(inference), inference.forecast.get("seconds")
    return {
        "row": inference,
        **counts,
        "n_miss": counts["n_compared"] - counts["n_match"],
        "expected": expected / inference.forecast["n_systems"] if expected is not None else None,
        "match_href": f"?of={inference.number}&pick=match",
        "why_not_cancel": why_not(check_cancel_inference, request.user, inference),
        "why_not_resume": why_not(check_resume_inference, request.user, inference),
    }


PICKS = {
    "match": (Q(is_match=True), "equal to the reference"),
    "miss": (Q(is_match=False), "not equal to the reference"),
    "held": (held(Output.objects.all()), "held back because of a possible identifier"),
    "cut": (Q(finish="length"), "cut off at the longest answer allowed"),
}


def _chosen(pair: list[Inference], request: HttpRequest) -> tuple[Any, str]:
    """Numbers of the examples to show, and in words which: those that `pick` or `cell` counts of the inference `of`."""
    of = next((row for row in pair if str(row.number) == request.GET.get("of")), None)
    outputs = Output.objects.filter(inference=of or pair[0])
    if of is None:
        return outputs.order_by("number").values_list("number", flat=True), ""
    if cell := request.GET.get("cell"):
        reference, _, answer = cell.partition("|")
        matching = [number for number, expected, said in _labels(of) if (expected, said) == (reference, answer)]
        return sorted(matching), f"Reference {reference}, answered {answer}, by {of.system}."
    if request.GET.get("pick") not in PICKS:
        raise Http404
    condition, words = PICKS[request.GET["pick"]]
    numbers = outputs.filter(condition).order_by("number").values_list("number", flat=True)
    return numbers, f"Answers of {of.system}, {words}."


def _side_by_side(pair: list[Inference], page: Any) -> list[dict[str, Any]]:
    """One row per example of the page: its reference and each system's output, texts only of notes not withdrawn."""
    numbers = list(page.object_list)
    outputs = readable_outputs(Output.objects.filter(inference__in=pair, number__in=numbers))
    by_place = {(output.inference_id, output.number): output for output in outputs}
    rows = []
    for number in numbers:
        answers = [by_place.get((row.pk, number)) for row in pair]
        known = next((output for output in answers if output), None)
        rows.append({"number": number, "known": known, "answers": answers})
    return rows


def _confusion(inference: Inference) -> dict[str, Any] | None:
    """Reference by answer for kinds with one category each; None for others and before there is an answer."""
    answered = inference.outputs.select_related("example__item__round__schema")
    first = answered.filter(example__item__isnull=False).first()
    if first is None:
        return None
    labels = KINDS[first.example.item.round.kind].categories(first.example.item.round.schema.content)
    if not labels:
        return None
    counts = confusion([(expected, said) for _, expected, said in _labels(inference)], labels)
    return {
        "system": inference.system,
        "columns": [*labels, NO_ANSWER],
        "rows": [
            (label, [
                {"n": n, "is_right": label == said,
                 "href": "?" + urlencode({"of": inference.number, "cell": f"{label}|{said}"})}
                for said, n in zip([*labels, NO_ANSWER], row, strict=True)
            ])
            for label, row in zip(labels, counts, strict=True)
        ],
    }  # fmt: skip


def _labels(inference: Inference) -> list[tuple[int, str, str]]:
    """(number, reference's label, answer's label) of each output; an answer that is no label is "no answer"."""
    rows = inference.outputs.select_related("example__item__round__schema").filter(example__item__isnull=False)
    found = []
    for output in rows:
        kind = KINDS[output.example.item.round.kind]
        schema = output.example.item.round.schema.content
        parsed = [kind.parse_answer(text, schema, output.source_text) for text in (output.reference, output.text)]
        units = [kind.unit(payload, schema) if payload is not None else None for payload in parsed]
        if isinstance(units[0], str):
            found.append((output.number, units[0], str(units[1]) if units[1] is not None else NO_ANSWER))
    return found

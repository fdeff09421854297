"""Pages of steps 11 and 12: frozen reports, the rows and exports behind them, and signing."""

import csv
import json
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from annotation.quarantine import masked
from clinicalft import jobs
from clinicalft.access import Refused, has_permission, why_not
from clinicalft.guards import load, project_page
from clinicalft.lib.hashing import canonical_json
from clinicalft.models import Project, WorkStatus
from clinicalft.roles import Permission
from evaluation.actions import reports
from evaluation.forms.reports import SignatureForm
from evaluation.models import HarmReview, Output, RatingRound, Report
from evaluation.report_content import FRAME
from evaluation.rules.ratings import check_see_results
from evaluation.rules.reports import check_approve_deployment, check_reject_deployment
from evaluation.snapshot import rating_rows
from evaluation.views.inference import area_tabs
from evaluation.views.summary import pair_map, readable_keys, rows_behind, tables
from training.models import Adapter

P = Permission
LOWER_LIMITS = {"f1", "auroc"}


@project_page(P.EVALUATION_VIEW)
def report_list(request: HttpRequest, project: Project) -> HttpResponse:
    rows = project.reports.select_related("rating_round", "adapter", "created_by", "deployment")
    context = {
        "project": project,
        "page": Paginator(rows, 25).get_page(request.GET.get("page")),
        "tabs": area_tabs(project, "report-list"),
        "crumbs": [("Evaluation", reverse("evaluation:inference-list", args=[project.slug])), ("Reports", "")],
    }
    return render(request, "evaluation/report_list.html", context)


@project_page(P.REPORT_PUBLISH, "POST")
def report_publish(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    asked = request.POST.get("adapter", "")
    adapter = load(Adapter, project=project, number=asked) if asked.isdecimal() else None
    report = reports.publish_report(load(RatingRound, project=project, number=number), by=request.user, adapter=adapter)
    return redirect("evaluation:report-detail", slug=project.slug, number=report.number)


@project_page(P.EVALUATION_VIEW)
def report_detail(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """Gates first, then what was flagged, then the numbers, then the signatures."""
    return _detail(request, _report(request, project, number), SignatureForm())


@project_page(P.EVALUATION_VIEW)
def report_progress(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    report = _report(request, project, number)
    response = render(request, "evaluation/_report_progress.html", {"project": project, "report": report})
    if report.is_finished:
        response["HX-Refresh"] = "true"
    return response


@project_page(P.REPORT_PUBLISH, "POST")
def report_retry(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    jobs.retry(_report(request, project, number), by=request.user)
    return redirect("evaluation:report-detail", slug=project.slug, number=number)


def _report(request: HttpRequest, project: Project, number: int) -> Report:
    rows = Report.objects.select_related(
        "project", "rating_round__project", "adapter__run__created_by", "adapter__imported__created_by", "created_by",
        "deployment",
    )  # fmt: skip
    report = load(rows, project=project, number=number)
    check_see_results(request.user, report.rating_round)
    return report


def _detail(request: HttpRequest, report: Report, form: SignatureForm, status: int = 200) -> HttpResponse:
    project = report.project
    context: dict[str, Any] = {
        "project": project,
        "report": report,
        "crumbs": [("Reports", reverse("evaluation:report-list", args=[project.slug])), (str(report), "")],
        "may_publish": has_permission(request.user, P.REPORT_PUBLISH, project),
    }
    if report.status == WorkStatus.DONE:
        summary = tables(report.content, reverse("evaluation:report-rows", args=[project.slug, report.number]))
        context |= {
            "summary": summary,
            "gates": [_gate(gate, report, summary) for gate in report.gates],
            "harm": _flagged(report, "harm"),
            "maps": [(question["label"], pair_map(question)) for question in summary["questions"]],
            **_signing(request, report, form),
        }
    return render(request, "evaluation/report_detail.html", context, status=status)


def _gate(gate: dict[str, Any], report: Report, summary: dict[str, Any]) -> dict[str, Any]:
    """A stored gate as the component draws it, leading to the outputs that it counts."""
    other = "" if gate["literal"] == gate["evidence"] else _other_reading(gate)
    rows = reverse("evaluation:report-rows", args=[report.project.slug, report.number])
    key = next(arm["key"] for arm in summary["arms"] if arm["adapter"] == report.adapter_id and arm["arm"] == "ADAPTER")
    pick = {"raters": "rated", "f1": "labelled"}.get(gate["key"], f"counted:{gate['key']}")
    return {
        **gate,
        "rule": f"{gate['rule']} {gate['finding']} {other}".strip(),
        "href": f"{rows}?pick={pick}&arm={key}" if gate.get("is_measured", True) else "",
    }


def _other_reading(gate: dict[str, Any]) -> str:
    if gate["verdict"] == gate["evidence"]:
        return f"By the bare rate alone it would say: {gate['literal']}."
    return f"By the {'lower' if gate['key'] in LOWER_LIMITS else 'upper'} limit it would say: {gate['evidence']}."


def _flagged(report: Report, flag: str) -> list[dict[str, Any]]:
    """Every output on which the flag was raised, in every arm, whether or not it was dismissed: never averaged away."""
    found = [
        (key, system, what)
        for arm, system in report.content["systems"].items()
        for what in ("counted", "dismissed")
        for key in report.content["arms"][arm]["flags"].get(flag, {}).get(what, [])
    ]
    outputs = Output.objects.in_bulk([key for key, *_ in found])
    reviews = HarmReview.objects.filter(pk__in=report.content["reviews"], flag=flag).select_related("reviewed_by")
    decided = {review.output_id: review for review in masked(reviews)}
    readable = readable_keys(list(outputs.values()))
    return [
        {
            "output": outputs[key], "system": system["system"], "is_dismissed": what == "dismissed",
            "review": decided.get(key), "is_readable": key in readable,
        }
        for key, system, what in found
    ]  # fmt: skip


def _signing(request: HttpRequest, report: Report, form: SignatureForm) -> dict[str, Any]:
    deployment = getattr(report, "deployment", None)
    return {
        "deployment": deployment,
        "signatures": deployment.signatures.select_related("signed_by") if deployment else [],
        "may_sign": has_permission(request.user, P.DEPLOYMENT_APPROVE, report.project),
        "why_not_approve": why_not(check_approve_deployment, request.user, report),
        "why_not_reject": why_not(check_reject_deployment, request.user, report),
        "form": form,
    }


@project_page(P.EVALUATION_VIEW)
def report_rows(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """Exactly the outputs or ratings that one number of the report counts."""
    report = _done(request, project, number)
    context = rows_behind(report.rating_round, report.content, request.GET)
    context |= {"project": project, "crumbs": [(str(report), "../"), ("Rows", "")]}
    return render(request, "evaluation/rows.html", context)


def _done(request: HttpRequest, project: Project, number: int) -> Report:
    report = _report(request, project, number)
    if report.status != WorkStatus.DONE:
        raise Http404
    return report


@project_page(P.EVALUATION_VIEW)
def report_export(request: HttpRequest, project: Project, number: int, form: str) -> HttpResponse:
    """Exactly the ratings that the report used, without note text: CSV, or JSON with all that it takes to compute the
    report again (`report_content.report_content`) and its digest."""
    report = _done(request, project, number)
    rows = rating_rows(report.rating_round, report.content["reviews"])
    name = f"{project.slug}-report-{number}-ratings.{form}"
    if form == "json":
        body = {
            "report": number,
            "report_sha256": report.sha256,
            "ratings_sha256": report.ratings_sha256,
            "frame": {field: report.content[field] for field in FRAME if field in report.content},
            "ratings": rows,
        }
        response = HttpResponse(canonical_json(body), content_type="application/json")
    elif form == "csv":
        response = _csv(rows)
    else:
        raise Http404
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _csv(rows: list[dict[str, Any]]) -> HttpResponse:
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    questions = sorted({key for row in rows for key in row["answers"]})
    flags = sorted({key for row in rows for key in row["flags"]})
    plain = ("inference", "output", "output_sha256", "rater", "seconds", "submitted_at")
    writer = csv.writer(response)
    writer.writerow([*plain, *questions, *(f"{flag}{part}" for flag in flags for part in ("", "_details"))])
    for row in rows:
        cells = [row[name] for name in plain] + [row["answers"].get(key, "") for key in questions]
        for flag in flags:
            given = row["flags"].get(flag, {})
            details = {key: value for key, value in given.items() if key != "raised" and value}
            cells += [int(bool(given.get("raised"))), json.dumps(details, sort_keys=True) if details else ""]
        writer.writerow(cells)
    return response


@project_page(P.DEPLOYMENT_APPROVE, "POST")
def deployment_approve(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    return _sign(request, project, number, reports.approve_deployment, "Signed: approved.")


@project_page(P.DEPLOYMENT_APPROVE, "POST")
def deployment_reject(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    return _sign(request, project, number, reports.reject_deployment, "Signed: rejected.")


def _sign(request: HttpRequest, project: Project, number: int, action: Any, done: str) -> HttpResponse:
    report = _report(request, project, number)
    form = SignatureForm(request.POST)
    if form.is_valid():
        try:
            action(report, by=request.user, **form.cleaned_data)
            messages.success(request, done)
            return redirect("evaluation:report-detail", slug=project.slug, number=number)
        except Refused as refusal:
            if refusal.code not in ("password", "reason"):
                raise
            form.add_error(refusal.code, refusal.sentence)
    return _detail(request, report, form, status=422)

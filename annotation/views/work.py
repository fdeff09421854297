"""Pages of step 4: a clinician's rounds, and the workbench with one item at a time."""

import json
from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse

from annotation.actions import annotations
from annotation.actions.annotations import StaleDraft
from annotation.codes import HEADER, search_codes
from annotation.forms.work import SkipForm, WorkForm
from annotation.kinds import KINDS, BadPayload
from annotation.markup import changed_lines, guideline_html
from annotation.models import (
    Annotation,
    AnnotationStatus,
    Assignment,
    AssignmentStatus,
    Guideline,
    Item,
    ItemStatus,
    NoteStatus,
    Round,
    RoundStatus,
    SkipReason,
)
from annotation.progress import own_progress, rounds_with_own_work
from annotation.quarantine import sentences
from annotation.rules.work import WITHDRAWN
from annotation.visibility import is_readable, own_annotations, own_assignments, own_rounds
from annotation.workbench import item_of, own_annotation
from clinicalft.access import Refused
from clinicalft.guards import load, project_page
from clinicalft.models import Project
from clinicalft.roles import Permission

P = Permission.ITEM_ANNOTATE
# An open page learns as late as this that its note was taken away.
HEARTBEAT_SECONDS = 15
WORKBENCH = "annotation/_workbench.html"


@project_page(P)
def work_list(request: HttpRequest, project: Project) -> HttpResponse:
    page = Paginator(rounds_with_own_work(request.user, project), 25).get_page(request.GET.get("page"))
    context = {"project": project, "page": page, "crumbs": [("Work", "")]}
    return render(request, "annotation/work_list.html", context)


@project_page(P)
def work_round(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """The start of work in a round; whoever has an item in hand is taken to it."""
    round = _round(request, project, number)
    in_hand = own_assignments(request.user, round).filter(status=AssignmentStatus.CLAIMED)
    if held := in_hand.select_related("item").first():
        return redirect(_item_url(project, round, held.item))
    return render(request, "annotation/work_round.html", _start(request, round))


@project_page(P, "POST")
def guideline_acknowledge(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    round = _round(request, project, number)
    annotations.acknowledge_guideline(round, by=request.user)
    return _next(request, round)


@project_page(P, "POST")
def next_claim(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    return _next(request, _round(request, project, number))


@project_page(P)
def work_item(request: HttpRequest, project: Project, number: int, item_number: int) -> HttpResponse:
    """The workbench for the item in hand; what is submitted, or was lost to a lease, is shown to its owner."""
    item = _item(request, project, number, item_number)
    slot = own_assignments(request.user, item.round).filter(item=item).first()
    if slot and slot.status == AssignmentStatus.CLAIMED and item.round.status == RoundStatus.OPEN:
        return render(request, "annotation/work_item.html", _bench(request, item, slot))
    if Assignment.objects.filter(item=item, annotator=request.user, status=AssignmentStatus.WITHDRAWN).exists():
        raise Refused("withdrawn", WITHDRAWN)
    own = load(Annotation, item=item, annotator=request.user)
    if not is_readable(item):
        raise Refused("withdrawn", WITHDRAWN)
    return render(request, "annotation/work_done_item.html", _read_only(item, own))


@project_page(P, "POST")
def draft_save(request: HttpRequest, project: Project, number: int, item_number: int) -> HttpResponse:
    item = _item(request, project, number, item_number)
    form = WorkForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"sentence": form.fault}, status=422)
    try:
        draft = annotations.save_draft(item, by=request.user, **_work(form))
    except BadPayload as fault:
        return JsonResponse({"sentence": fault.sentence, "field": fault.field}, status=422)
    except StaleDraft as stale:
        return JsonResponse(
            {
                "sentence": stale.sentence, "revision": stale.kept.revision,
                "mine": _lines(item, form.cleaned_data["payload"]), "theirs": _lines(item, stale.kept.payload),
            },
            status=409,
        )  # fmt: skip
    except Refused as refusal:
        return JsonResponse({"sentence": refusal.sentence}, status=_status_of(refusal))
    return JsonResponse({"revision": draft.revision})


@project_page(P, "POST")
def annotation_submit(request: HttpRequest, project: Project, number: int, item_number: int) -> HttpResponse:
    """Submits and hands out the next item in one answer."""
    item = _item(request, project, number, item_number)
    form = WorkForm(request.POST)
    if not form.is_valid():
        return _fault(request, form.fault)
    try:
        annotations.submit_annotation(item, by=request.user, **_work(form))
    except BadPayload as fault:
        return _fault(request, fault.sentence, field=fault.field)
    except StaleDraft as stale:
        mine, theirs = _lines(item, form.cleaned_data["payload"]), _lines(item, stale.kept.payload)
        return _fault(request, stale.sentence, status=409, mine=mine, theirs=theirs)
    except Refused as refusal:
        return _fault(request, refusal.sentence, status=409)
    return _next(request, item.round)


@project_page(P, "POST")
def item_skip(request: HttpRequest, project: Project, number: int, item_number: int) -> HttpResponse:
    item = _item(request, project, number, item_number)
    form = SkipForm(request.POST)
    if not form.is_valid():
        return _fault(request, "Choose why you pass this item on.")
    annotations.skip_item(item, by=request.user, **form.cleaned_data)
    return _next(request, item.round)


@project_page(P, "POST")
def lease_extend(request: HttpRequest, project: Project, number: int, item_number: int) -> HttpResponse:
    item = _item(request, project, number, item_number)
    try:
        annotations.extend_lease(item, by=request.user)
    except Refused as refusal:
        return HttpResponse(refusal.sentence, status=_status_of(refusal), content_type="text/plain; charset=utf-8")
    return HttpResponse(status=204)


def _status_of(refusal: Refused) -> int:
    """410 for what was taken away: an open page then drops the text that it shows."""
    return 410 if refusal.code == "withdrawn" else 409


@project_page(P)
def work_done(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """The person's own submitted items, newest first."""
    round = _round(request, project, number)
    rows = own_annotations(request.user, round).filter(status=AnnotationStatus.SUBMITTED)
    rows = rows.filter(item__note__note__status=NoteStatus.RELEASED).exclude(item__status=ItemStatus.WITHDRAWN)
    rows = rows.select_related("item").order_by("-submitted_at")
    page = Paginator(rows, 50).get_page(request.GET.get("page"))
    kind = KINDS[round.kind]
    said = sentences(page)
    lines = [(row, kind.describe(row.payload, round.schema.content), said.get(row.pk, "")) for row in page]
    context = {
        "project": project, "round": round, "page": page, "rows": lines,
        "crumbs": [("Work", "../../"), (str(round), "../"), ("Your finished items", "")],
    }  # fmt: skip
    return render(request, "annotation/work_done.html", context)


@project_page(Permission.NOTE_READ)
def code_search(request: HttpRequest, project: Project) -> HttpResponse:
    """Codes for the picker, best first: {results: [{value, name, detail, warning}]}."""
    found = search_codes(request.GET.get("code_set", ""), request.GET.get("q", "")[:100])
    results = [
        {
            "value": code.code, "name": code.description, "detail": code.terms[:120],
            "warning": "" if code.is_billable else HEADER,
        }
        for code in found
    ]  # fmt: skip
    return JsonResponse({"results": results})


def _round(request: HttpRequest, project: Project, number: int) -> Round:
    round = load(own_rounds(request.user, project).select_related("schema", "guideline"), number=number)
    round.project = project
    return round


def _item(request: HttpRequest, project: Project, number: int, item_number: int) -> Item:
    """An item of a round that the person annotates in; 404 for everybody else."""
    item = item_of(request.user, project, number, item_number)  # type: ignore[arg-type]
    if item is None:
        raise Http404
    return item


def _item_url(project: Project, round: Round, item: Item) -> str:
    return reverse("annotation:work-item", args=[project.slug, round.number, item.number])


def _work(form: WorkForm) -> dict[str, Any]:
    """The keyword arguments that drafts and submissions share."""
    values = form.cleaned_data
    return {"raw": values["payload"], **{name: values[name] for name in ("revision", "seconds", "comment")}}


def _next(request: HttpRequest, round: Round) -> HttpResponse:
    """The next item, or the round's own page when nothing waits; htmx gets the workbench alone."""
    try:
        slot = annotations.claim_next(round, by=request.user)
    except Refused as refusal:
        if refusal.code not in ("guideline-unread", "round-closed"):
            raise
        slot = None
    url = _item_url(round.project, round, slot.item) if slot else _round_url(round)
    if not request.htmx:
        return redirect(url)
    if slot is None:
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    answer = render(request, WORKBENCH, _bench(request, slot.item, slot))
    answer["HX-Push-Url"] = url
    return answer


def _round_url(round: Round) -> str:
    return reverse("annotation:work-round", args=[round.project.slug, round.number])


def _start(request: HttpRequest, round: Round) -> dict[str, Any]:
    has_read = round.guideline.readings.filter(user=request.user).exists()
    before = None
    if not has_read:
        older = Guideline.objects.filter(
            project=round.project, title=round.guideline.title, version__lt=round.guideline.version
        )
        before = older.filter(readings__user=request.user).order_by("-version").first()
    return {
        "project": round.project, "round": round, "has_read": has_read, "before": before,
        "changes": changed_lines(before.text, round.guideline.text) if before else [],
        "guideline_html": guideline_html(round.guideline.text), "progress": own_progress(request.user, round),
        "has_work": rounds_with_own_work(request.user, round.project).get(pk=round.pk).has_work,
        "crumbs": [("Work", "../"), (str(round), "")],
    }  # fmt: skip


def _bench(request: HttpRequest, item: Item, slot: Assignment) -> dict[str, Any]:
    """Everything that the workbench shows about one item, and nothing of anybody else."""
    round = item.round
    kind, schema = KINDS[round.kind], round.schema.content
    own = own_annotation(request.user, item)  # type: ignore[arg-type]
    payload = own.payload if own else kind.empty(schema)
    return {
        "project": round.project, "round": round, "item": item, "kind": kind, "schema": schema, "annotation": own,
        "payload": payload, "payload_json": json.dumps(payload),
        "editor_config": kind.marks(payload, schema),
        "progress": own_progress(request.user, round), "heartbeat_seconds": HEARTBEAT_SECONDS,
        "skip_reasons": [reason for reason in SkipReason if reason != SkipReason.IDENTIFIER],
        "guideline_html": "" if request.htmx else guideline_html(round.guideline.text), "now": slot.claimed_at,
    }  # fmt: skip


def _read_only(item: Item, own: Annotation) -> dict[str, Any]:
    kind, schema = KINDS[item.round.kind], item.round.schema.content
    lines = kind.describe(own.payload, schema)
    round = item.round
    return {
        "project": round.project, "round": round, "item": item, "annotation": own, "lines": lines,
        "editor_config": {**kind.marks(own.payload, schema), "readonly": True},
        "is_lost": own.status == AnnotationStatus.DRAFT, "quarantine": sentences([own]).get(own.pk, ""),
        "crumbs": [("Work", "../../"), (str(round), "../"), (str(item), "")],
    }  # fmt: skip


def _lines(item: Item, payload: Any) -> str:
    """A payload as HTML for reading, such as the two versions of a conflict; one sentence when it is unreadable."""
    kind, schema = KINDS[item.round.kind], item.round.schema.content
    try:
        lines = kind.describe({**kind.empty(schema), **payload}, schema)
    except (KeyError, TypeError, ValueError):
        return "This version cannot be read."
    return render_to_string("annotation/_payload.html", {"lines": lines})


def _fault(request: HttpRequest, sentence: str, *, status: int = 422, **context: Any) -> HttpResponse:
    """One sentence above the fields, which stay as they are on the page; without htmx a page of its own."""
    if not request.htmx:
        return render(request, "errors/refused.html", {"sentence": sentence}, status=status)
    answer = render(request, "annotation/_work_fault.html", {"sentence": sentence, **context}, status=status)
    answer["HX-Retarget"] = "#work-fault"
    answer["HX-Reswap"] = "innerHTML"
    return answer

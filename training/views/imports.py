"""Pages on which examples that were made elsewhere come in: a file, a look at it, and what became of its rows."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from annotation.deid import LABELS
from annotation.models import QuarantinedText, TextStatus
from annotation.quarantine import type_of
from clinicalft.access import Refused, has_permission, why_not
from clinicalft.guards import load, project_page
from clinicalft.models import Project
from clinicalft.roles import Permission
from training.actions import imports
from training.forms.datasets import DatasetImportForm, DatasetUploadForm
from training.imports import FORMS, Look, look
from training.models import DatasetImport, DatasetUpload, ImportedExample, messages_of
from training.rules.datasets import check_imported

FAULTS_SHOWN = 20
ROWS_A_PAGE = 25
SAID = ("title", "source", "licence", "language", "form", "instruction")


@project_page(Permission.DATASET_FREEZE, "GET", "POST")
def dataset_upload(request: HttpRequest, project: Project) -> HttpResponse:
    form = DatasetUploadForm(request.POST, request.FILES) if request.method == "POST" else DatasetUploadForm()
    if form.is_valid():
        name, content = form.cleaned_data["file"]
        imports.upload_dataset(project=project, file_name=name, content=content, by=request.user)
        return redirect("training:dataset-import", slug=project.slug)
    context = {"project": project, "form": form, "crumbs": [("Datasets", "../"), ("Import examples", "")]}
    return render(request, "training/dataset_upload.html", context, status=422 if form.errors else 200)


@project_page(Permission.DATASET_FREEZE, "GET", "POST")
def dataset_import(request: HttpRequest, project: Project) -> HttpResponse:
    """The file that waits, shown from the database: its text is in no URL, session or browser storage."""
    upload = DatasetUpload.objects.filter(project=project, created_by=request.user).first()
    if upload is None:
        messages.info(request, "No file is waiting here. Choose one.")
        return redirect("training:dataset-upload", slug=project.slug)
    found = look(upload.content)
    title = upload.file_name.rsplit(".", 1)[0][:120]
    first = {"form": found.form, "language": project.language, "title": title, **found.mapping}
    form = DatasetImportForm(request.POST or None, initial=first, columns=found.columns)
    if form.is_valid():
        chosen = form.cleaned_data
        found = look(upload.content, form=chosen["form"], mapping=form.mapping(), instruction=chosen["instruction"])
        if request.POST.get("act") == "import" and found.n_good:
            try:
                made = imports.import_dataset(
                    project=project, file_name=upload.file_name, content=upload.content, mapping=form.mapping(),
                    by=request.user, skip_bad_rows=True,
                    **{name: chosen[name] for name in SAID},
                )  # fmt: skip
                return redirect("training:dataset-import-detail", slug=project.slug, number=made.number)
            except Refused as refusal:
                form.add_error(None, refusal.sentence)
    context = {
        "project": project, "upload": upload, "form": form, "found": found, "form_name": FORMS[found.form][0],
        "rows": _shown(found), "faults": found.faults[:FAULTS_SHOWN], "n_faults": len(found.faults),
        "crumbs": [("Datasets", "../../"), ("Import examples", "../"), ("Look at the file", "")],
    }  # fmt: skip
    return render(request, "training/dataset_import.html", context, status=422 if form.errors else 200)


def _shown(found: Look) -> list[dict[str, Any]]:
    return [
        {"number": row.number, "patient": row.patient, "rejected": row.rejected,
         "messages": messages_of(row.contents, has_system=row.has_system)}
        for row in found.rows
    ]  # fmt: skip


@project_page(Permission.DATASET_FREEZE, "POST")
def dataset_upload_discard(request: HttpRequest, project: Project) -> HttpResponse:
    imports.discard_dataset_upload(load(DatasetUpload, project=project, created_by=request.user), by=request.user)
    messages.success(request, "The file was discarded. Nothing of it is kept here.")
    return redirect("training:dataset-list", slug=project.slug)


@project_page(Permission.DATASET_VIEW)
def dataset_import_detail(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """What became of each row: how many are checked, and which wait for a privacy officer and why. No text."""
    made = load(DatasetImport, project=project, number=number)
    rows = QuarantinedText.objects.filter(object_type=type_of(ImportedExample), object_id__in=made.rows.values("pk"))
    counts = dict(rows.values_list("status").annotate(n=Count("pk")))
    held = Paginator(
        rows.filter(status__in=[TextStatus.WAITING, TextStatus.CONFIRMED]).order_by("object_id"), ROWS_A_PAGE
    ).get_page(request.GET.get("page"))
    numbers = dict(made.rows.filter(pk__in=[text.object_id for text in held]).values_list("pk", "number"))
    context = {
        "project": project, "made": made, "form_name": FORMS[made.form][0], "page": held,
        "counts": [(TextStatus(status), counts[status]) for status in TextStatus.values if status in counts],
        "n_unscanned": counts.get(TextStatus.UNSCANNED, 0),
        "held": [(numbers[text.object_id], text, _kinds(text)) for text in held],
        "faults": made.faults[:FAULTS_SHOWN], "datasets": made.datasets.order_by("number"),
        "may_decide": has_permission(request.user, Permission.NOTE_RELEASE, project),
        "may_freeze": has_permission(request.user, Permission.DATASET_FREEZE, project),
        "why_not": why_not(check_imported, made), "crumbs": [("Datasets", "../../"), (str(made), "")],
    }  # fmt: skip
    return render(request, "training/dataset_import_detail.html", context)


def _kinds(text: QuarantinedText) -> str:
    """Which kinds of identifiers a row may hold, or why it could not be read."""
    kinds = sorted({LABELS[span["label"]].name.lower() for span in text.spans})
    return text.reason or ", ".join(kinds)

"""Pages of step 6: datasets."""

from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render

from annotation.models import ItemStatus
from annotation.rules.agreement import check_cleared, to_be_cleared
from clinicalft.access import Refused, has_permission, why_not
from clinicalft.guards import load, project_page
from clinicalft.models import Project, WorkStatus
from clinicalft.roles import Permission
from training.actions import datasets
from training.cohort import cohort, selected, strata
from training.exports import ARCHIVE, FORMATS, MEANINGS, archive, dataset_lines
from training.forms.datasets import FreezeForm
from training.models import Dataset, DatasetUpload, Split
from training.named_rows import links
from training.population import compared
from training.rules.datasets import check_frozen, check_imported, to_be_checked
from training.snapshot import FILES

# A dataset from before manifests named every form can still be had in these.
OLDER_FORMATS = ("messages", "chatml", "alpaca")


@project_page(Permission.DATASET_VIEW)
def dataset_list(request: HttpRequest, project: Project) -> HttpResponse:
    page = Paginator(project.datasets.select_related("created_by"), 25).get_page(request.GET.get("page"))
    may_freeze = has_permission(request.user, Permission.DATASET_FREEZE, project)
    imports = Paginator(project.dataset_imports.select_related("imported_by"), 25).get_page(request.GET.get("imports"))
    waiting = DatasetUpload.objects.filter(project=project, created_by=request.user).defer("content").first()
    context = {
        "project": project, "page": page, "may_freeze": may_freeze, "imports": imports, "waiting": waiting,
        "crumbs": [("Datasets", "")],
    }  # fmt: skip
    return render(request, "training/dataset_list.html", context)


@project_page(Permission.DATASET_FREEZE, "GET", "POST")
def dataset_freeze(request: HttpRequest, project: Project) -> HttpResponse:
    rounds, imports = project.rounds.all(), project.dataset_imports.all()
    chosen_import = request.GET.get("import")
    initial = {"imports": [one.pk for one in imports if str(one.number) == chosen_import]}
    form = FreezeForm(
        request.POST or None, rounds=rounds, imports=imports, templates=project.prompt_templates.all(), initial=initial
    )
    if form.is_valid():
        chosen = form.cleaned_data
        try:
            dataset = datasets.freeze_dataset(
                project=project, rounds=chosen["rounds"], imports=chosen["imports"], title=chosen["title"],
                by=request.user, instruction=chosen["instruction"], template=chosen["template"], seed=chosen["seed"],
                train_share=chosen["train_percent"] / 100, validation_share=chosen["validation_percent"] / 100,
            )  # fmt: skip
            return redirect("training:dataset-detail", slug=project.slug, number=dataset.number)
        except Refused as refusal:
            form.add_error("rounds", refusal.sentence)
    choices = [(round, why_not(check_cleared, round, round.n_unsettled)) for round in to_be_cleared(rounds)]
    n_unscanned = to_be_checked(imports)
    context = {
        "project": project, "form": form, "choices": choices, "chosen": form["rounds"].value() or [],
        "imports": [(one, why_not(check_imported, one, n_unscanned.get(one.pk, 0))) for one in imports],
        "chosen_imports": [str(value) for value in form["imports"].value() or []],
        "crumbs": [("Datasets", "../"), ("Freeze a dataset", "")],
    }  # fmt: skip
    return render(request, "training/dataset_freeze.html", context, status=422 if form.errors else 200)


@project_page(Permission.DATASET_VIEW)
def dataset_detail(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    dataset = load(Dataset.objects.select_related("created_by", "template"), project=project, number=number)
    split = request.GET.get("split") if request.GET.get("split") in Split.values else Split.TRAIN
    asked = request.GET.get("example", "")
    said: list[str] = []
    named = dataset.examples.filter(number=asked).first() if asked.isdecimal() and len(asked) < 10 else None
    if named:
        split, chosen = named.split, dataset.examples.filter(pk=named.pk)
    else:
        chosen, said = selected(dataset.examples.filter(split=split, is_shot=False), request.GET)
    examples = Paginator(chosen.select_related("item__note"), 10).get_page(request.GET.get("page"))
    may_download = has_permission(request.user, Permission.DATASET_DOWNLOAD, project)
    context = {
        "project": project,
        "dataset": dataset,
        "sources": dataset.sources.select_related("round", "agreement"),
        "imports": dataset.imports.order_by("number"),
        "files": _files(dataset) if may_download else [],
        "not_written": dataset.manifest.get("not_written", {}),
        "why_not": why_not(check_frozen, dataset),
        "page": examples,
        "named": named and named.number,
        "withdrawn": ItemStatus.WITHDRAWN,
        "shots": dataset.examples.filter(is_shot=True).select_related("item__note"),
        "stopped_by": links(dataset.stopped_by, project) if dataset.status == WorkStatus.FAILED else [],
        "may_freeze": has_permission(request.user, Permission.DATASET_FREEZE, project),
        "population": compared(dataset) if dataset.status == WorkStatus.DONE and not dataset.is_imported else [],
        "strata": strata(dataset) if dataset.status == WorkStatus.DONE else None,
        "cohort": cohort(dataset) if dataset.status == WorkStatus.DONE else [],
        "selected": said,
        "split": split,
        "tabs": [(Split(name).label, f"?split={name}", name == split) for name in Split.values],
        "crumbs": [("Datasets", "../"), (str(dataset), "")],
    }
    return render(request, "training/dataset_detail.html", context)


def _files(dataset: Dataset) -> list[dict[str, Any]]:
    """Each form in which the dataset can be had, with its file for each split."""
    digests = dataset.manifest.get("exports", {})
    counts = {Split.TRAIN: dataset.n_train, Split.VALIDATION: dataset.n_validation, Split.TEST: dataset.n_test}
    return [
        {
            "form": form,
            "meaning": MEANINGS[form],
            "parts": [
                {"name": f"{split.lower()}-{form}.jsonl", "split": split.label, "n": counts[split],
                 "sha256": digests.get(form, {}).get(name, {}).get("sha256", "")}
                for split, name in FILES.items()
            ],
        }
        for form in FORMATS
        if form in (digests or OLDER_FORMATS)
    ]  # fmt: skip


@project_page(Permission.DATASET_VIEW)
def dataset_progress(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    dataset = load(Dataset, project=project, number=number)
    response = render(request, "training/_dataset_progress.html", {"project": project, "dataset": dataset})
    if dataset.is_finished:
        response["HX-Refresh"] = "true"
    return response


@project_page(Permission.DATASET_DOWNLOAD)
def dataset_download(request: HttpRequest, project: Project, number: int, file_name: str) -> HttpResponse:
    """A file of the dataset. The audit event is written before the first byte, though nothing else changes on a GET:
    a link is what people expect of a download."""
    dataset = load(Dataset, project=project, number=number)
    names = {f"{split.lower()}-{form}.jsonl": (split, form) for split in Split.values for form in FORMATS}
    is_archive = file_name == ARCHIVE and bool(dataset.archive_sha256)
    if not is_archive and file_name not in names:
        raise Http404
    datasets.record_download(dataset, by=request.user, file_name=file_name)
    if is_archive:
        content, kind, name = archive(dataset), "application/zip", f"dataset-{number}.zip"
    else:
        content = dataset_lines(dataset, *names[file_name])
        kind, name = "application/jsonl; charset=utf-8", f"dataset-{number}-{file_name}"
    response = StreamingHttpResponse(content, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response  # type: ignore[return-value]

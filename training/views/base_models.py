"""Pages of the registry of base models; they belong to the site."""

from pathlib import Path

from django.conf import settings
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from clinicalft import jobs
from clinicalft.access import Refused
from clinicalft.guards import load, site_page
from clinicalft.roles import Permission
from training.actions import runs
from training.forms.runs import BaseModelForm
from training.models import BaseModel


@site_page(Permission.BASE_MODEL_REGISTER)
def base_model_list(request: HttpRequest) -> HttpResponse:
    page = Paginator(BaseModel.objects.all(), 25).get_page(request.GET.get("page"))
    return render(request, "training/base_model_list.html", {"page": page, "crumbs": [("Base models", "")]})


@site_page(Permission.BASE_MODEL_REGISTER, "GET", "POST")
def base_model_register(request: HttpRequest) -> HttpResponse:
    form = BaseModelForm(request.POST or None)
    if form.is_valid():
        try:
            base_model = runs.register_base_model(**form.cleaned_data, by=request.user)
            return redirect("base-model-detail", pk=base_model.pk)
        except Refused as refusal:
            form.add_error("name" if refusal.code == "name-taken" else "folder", refusal.sentence)
    context = {"form": form, "folders": _folders(), "crumbs": [("Base models", "../"), ("Register", "")]}
    return render(request, "training/base_model_register.html", context, status=422 if form.errors else 200)


def _folders() -> list[str]:
    """Folders of models that are there and not registered yet, as suggestions."""
    root = Path(settings.MODELS_DIR)
    known = set(BaseModel.objects.values_list("folder", flat=True))
    found = sorted(path.parent.relative_to(root).as_posix() for path in root.glob("*/config.json"))
    return [folder for folder in found if folder not in known and not folder.startswith(".")]


@site_page(Permission.BASE_MODEL_REGISTER)
def base_model_detail(request: HttpRequest, pk: int) -> HttpResponse:
    base_model = load(BaseModel, pk=pk)
    context = {"base_model": base_model, "crumbs": [("Base models", "../"), (base_model.name, "")]}
    return render(request, "training/base_model_detail.html", context)


@site_page(Permission.BASE_MODEL_REGISTER)
def base_model_progress(request: HttpRequest, pk: int) -> HttpResponse:
    base_model = load(BaseModel, pk=pk)
    response = render(request, "training/_base_model_progress.html", {"base_model": base_model})
    if base_model.is_finished:
        response["HX-Refresh"] = "true"
    return response


@site_page(Permission.BASE_MODEL_REGISTER, "POST")
def base_model_retry(request: HttpRequest, pk: int) -> HttpResponse:
    jobs.retry(load(BaseModel, pk=pk), by=request.user)
    return redirect("base-model-detail", pk=pk)

"""Pages of step 8: adapters, what leaves of them as archives, and what comes in; and the keys that are trusted."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render

from clinicalft import signing
from clinicalft.access import Refused, has_permission, why_not
from clinicalft.guards import load, project_page, site_page
from clinicalft.models import Project
from clinicalft.roles import Permission
from training.actions import adapters
from training.figures import figures_of
from training.forms.adapters import AdapterImportForm, TrustedKeyForm
from training.models import Adapter, AdapterExport, ExportForm, TrustedKey
from training.rules.adapters import check_export_adapter
from training.views.runs import tabs_of

P = Permission


@project_page(P.RUN_VIEW)
def adapter_list(request: HttpRequest, project: Project) -> HttpResponse:
    context = {
        "project": project,
        "page": Paginator(Adapter.objects.with_origin().filter(project=project), 25).get_page(request.GET.get("page")),
        "tabs": tabs_of(project, "adapters"),
        "may_import": has_permission(request.user, P.ADAPTER_IMPORT, project),
        "crumbs": [("Runs", "../runs/"), ("Adapters", "")],
    }
    return render(request, "training/adapter_list.html", context)


@project_page(P.RUN_VIEW)
def adapter_detail(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    adapter = load(Adapter.objects.with_origin(), project=project, number=number)
    exports = Paginator(adapter.exports.select_related("adapter", "created_by"), 10)
    context = {
        "project": project,
        "adapter": adapter,
        "figures": figures_of([adapter.run])[0] if adapter.run else None,
        "exports": exports.get_page(request.GET.get("exports")),
        "forms": [(form, why_not(check_export_adapter, request.user, adapter, form)) for form in ExportForm],
        "may_export": has_permission(request.user, P.ADAPTER_EXPORT, project),
        "crumbs": [("Runs", "../../runs/"), ("Adapters", "../"), (str(adapter), "")],
    }
    return render(request, "training/adapter_detail.html", context)


@project_page(P.ADAPTER_EXPORT, "POST")
def adapter_export(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    form = request.POST.get("form", "")
    if form not in ExportForm.values:
        raise Refused("form", "Choose the adapter alone or the merged model.")
    adapters.export_adapter(load(Adapter, project=project, number=number), form=form, by=request.user)
    return redirect("training:adapter-detail", slug=project.slug, number=number)


@project_page(P.ADAPTER_EXPORT, "POST")
def adapter_verify(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    adapter = load(Adapter, project=project, number=number)
    faults = adapters.verify_adapter(adapter, by=request.user)
    for fault in faults:
        messages.error(request, fault)
    if not faults:
        messages.success(request, "Weights and configuration have the digest that was registered, every manifest has "
                         "its signature, and every merged model the files that were signed.")  # fmt: skip
    return redirect("training:adapter-detail", slug=project.slug, number=number)


def _export(project: Project, number: int) -> AdapterExport:
    return load(AdapterExport.objects.select_related("project", "adapter"), project=project, number=number)


@project_page(P.RUN_VIEW)
def export_progress(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    export = _export(project, number)
    response = render(request, "training/_export_progress.html", {"project": project, "export": export})
    if export.is_finished:
        response["HX-Refresh"] = "true"
    return response


@project_page(P.ADAPTER_EXPORT, "POST")
def export_cancel(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    export = _export(project, number)
    adapters.cancel_export(export, by=request.user)
    return redirect("training:adapter-detail", slug=project.slug, number=export.adapter.number)


@project_page(P.ADAPTER_EXPORT, "POST")
def export_retry(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    export = _export(project, number)
    adapters.retry_export(export, by=request.user)
    return redirect("training:adapter-detail", slug=project.slug, number=export.adapter.number)


@project_page(P.ADAPTER_EXPORT)
def export_download(request: HttpRequest, project: Project, number: int) -> HttpResponse:
    """The archive. The audit event is written before the first byte, though nothing else changes on a GET: a link is
    what people expect of a download."""
    export = _export(project, number)
    content = adapters.download_export(export, by=request.user)
    response = StreamingHttpResponse(content, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{export.file_name}"'
    response["Content-Length"] = str(export.archive_bytes)
    return response  # type: ignore[return-value]


@project_page(P.ADAPTER_IMPORT, "GET", "POST")
def adapter_import(request: HttpRequest, project: Project) -> HttpResponse:
    form = AdapterImportForm(request.POST, request.FILES) if request.method == "POST" else AdapterImportForm()
    if form.is_valid():
        file = form.cleaned_data["file"]
        try:
            adapter = adapters.import_adapter(project=project, file_name=file.name, stream=file.file, by=request.user)
            messages.success(request, f"Imported as {adapter}. Let it answer held-out notes before anything else.")
            return redirect("training:adapter-detail", slug=project.slug, number=adapter.number)
        except Refused as refusal:
            form.add_error("file", refusal.sentence)
    context = {
        "project": project, "form": form, "keys": TrustedKey.objects.filter(withdrawn_at=None),
        "crumbs": [("Runs", "../../runs/"), ("Adapters", "../"), ("Import an adapter", "")],
    }  # fmt: skip
    return render(request, "training/adapter_import.html", context, status=422 if form.errors else 200)


# ---------- keys


@site_page(P.ADAPTER_IMPORT, "GET", "POST")
def trusted_key_list(request: HttpRequest) -> HttpResponse:
    """Whose signature is taken here, our own public key for others, and a form for one more."""
    form = TrustedKeyForm(request.POST or None)
    if form.is_valid():
        try:
            key = adapters.add_trusted_key(**form.cleaned_data, by=request.user)
            messages.success(request, f"Adapters signed by {key} may be imported from now on.")
            return redirect("trusted-key-list")
        except Refused as refusal:
            form.add_error("public_key", refusal.sentence)
    own = signing.public_key()
    context: dict[str, Any] = {
        "form": form, "own": own, "own_id": signing.key_id(own) if own else "",
        "page": Paginator(TrustedKey.objects.select_related("added_by", "withdrawn_by"), 25).get_page(
            request.GET.get("page")
        ),
        "crumbs": [("Base models", "../"), ("Trusted keys", "")],
    }  # fmt: skip
    return render(request, "training/trusted_key_list.html", context, status=422 if form.errors else 200)


@site_page(P.ADAPTER_IMPORT, "POST")
def trusted_key_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    key = load(TrustedKey, pk=pk)
    adapters.withdraw_trusted_key(key, by=request.user)
    messages.success(request, f"Nothing signed by {key} comes in any more. What came in before stays.")
    return redirect("trusted-key-list")

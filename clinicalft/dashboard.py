"""The home page and the project page: the only pages that draw on every app."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from clinicalft.guards import project_page, site_page
from clinicalft.models import Project
from clinicalft.roles import Permission


@site_page(None)
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "clinicalft/home.html")


@project_page(Permission.PROJECT_VIEW)
def project_detail(request: HttpRequest, project: Project) -> HttpResponse:
    return render(request, "clinicalft/project_detail.html", {"project": project})

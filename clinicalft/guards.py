"""Doorkeepers of pages: who gets in is decided before a view's first line runs."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods

from clinicalft.access import Refused, has_permission, remember_roles, role_names
from clinicalft.crypto import Undecipherable
from clinicalft.models import Project, User
from clinicalft.roles import Permission

View = Callable[..., HttpResponse]
M = TypeVar("M", bound=Model)


def project_page(permission: Permission, *methods: str) -> Callable[[View], View]:
    """A page of a project: `slug` in the URL becomes `project`; strangers get 404, members without `permission` 403.

    `methods` are the HTTP methods allowed, GET when none is named. A Refused that the view lets through becomes a
    409 page (or, for htmx, a 409 whose body is the sentence), and so does an original that was destroyed.
    """

    def decorate(view: View) -> View:
        @require_http_methods(list(methods) or ["GET"])
        @wraps(view)
        def guarded(request: HttpRequest, slug: str, **kwargs: Any) -> HttpResponse:
            project = _project_of(request.user, slug)  # type: ignore[arg-type]
            if project is None or not role_names(request.user, project):  # type: ignore[arg-type]
                raise Http404
            if not has_permission(request.user, permission, project):  # type: ignore[arg-type]
                raise PermissionDenied
            request.project = project  # type: ignore[attr-defined]
            return _answer(request, lambda: view(request, project=project, **kwargs))

        guarded.permission = permission  # type: ignore[attr-defined]
        return guarded

    return decorate


# Every page of a project begins with this: the project, and the roles that the person holds in it, if any.
COLUMNS = [field.attname for field in Project._meta.concrete_fields]
PROJECT_OF = f"""
SELECT {", ".join(f"project.{name}" for name in COLUMNS)}, member.roles FROM clinicalft_project project
LEFT JOIN clinicalft_membership member ON member.project_id = project.id AND member.user_id = %s
WHERE project.slug = %s
"""


def _project_of(user: User, slug: str) -> Project | None:
    with connection.cursor() as cursor:
        cursor.execute(PROJECT_OF, [user.pk, slug])
        row = cursor.fetchone()
    if row is None:
        return None
    *values, roles = row
    project = Project.from_db(DEFAULT_DB_ALIAS, COLUMNS, values)
    remember_roles(user, project, roles or ())
    return project


def site_page(permission: Permission | None, *methods: str) -> Callable[[View], View]:
    """A page outside projects: anyone logged in when `permission` is None, else holders of it on the site (404)."""

    def decorate(view: View) -> View:
        @require_http_methods(list(methods) or ["GET"])
        @wraps(view)
        def guarded(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            if permission is not None and not has_permission(request.user, permission):  # type: ignore[arg-type]
                raise Http404
            return _answer(request, lambda: view(request, **kwargs))

        guarded.permission = permission  # type: ignore[attr-defined]
        return guarded

    return decorate


def _answer(request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
    try:
        return view()
    except Undecipherable as fault:
        return _refused(request, str(fault))
    except Refused as refusal:
        if refusal.code == "permission":
            raise PermissionDenied(refusal.sentence) from refusal
        return _refused(request, refusal.sentence)


def _refused(request: HttpRequest, sentence: str) -> HttpResponse:
    if getattr(request, "htmx", False):
        return HttpResponse(sentence, status=409, content_type="text/plain; charset=utf-8")
    return render(request, "errors/refused.html", {"sentence": sentence}, status=409)


def load(rows: type[M] | QuerySet[M], **lookup: Any) -> M:
    """The row or 404; always pass the project (or a path to it), so that a stranger's id finds nothing."""
    return get_object_or_404(rows, **lookup)

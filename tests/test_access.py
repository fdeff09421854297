"""Every URL by every persona. A URL without a row here fails, and so does a row without a URL.

`tests/access_table/*.py` each hold `ROWS`: {url name: Row}. A row says who may GET it and who may POST to it, and how
to build its arguments from the rows that `setup` made.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

import tests.access_table
from clinicalft.models import User
from tests.personas import Cast, make_cast

EVERYONE = frozenset({"ada", "ben", "eve", "cleo", "lea", "rob", "priya", "otto"})


@dataclass(frozen=True)
class Row:
    """Who may use one URL. `get`/`post` name personas; None means that the method is not allowed (405).

    Members who are not named get 403 (or 404 where `hidden`), strangers always 404, the logged-out are sent to log in
    (or get 401 from the JSON interface, where `api`).
    `args(cast, world)` gives the URL's keyword arguments, where `world` is what the table's `setup(cast)` returned.
    `data` is a POST body; what it answers does not matter here, as long as it is neither 403 nor 404 for those allowed.
    """

    get: frozenset[str] | None = None
    post: frozenset[str] | None = None
    args: Callable[[Cast, Any], dict[str, Any]] = lambda cast, world: {}
    data: dict[str, Any] = field(default_factory=dict)
    hidden: bool = False
    site: bool = False
    public: bool = False
    api: bool = False


def tables() -> dict[str, Any]:
    found = {}
    for module in pkgutil.iter_modules(tests.access_table.__path__):
        found[module.name] = importlib.import_module(f"tests.access_table.{module.name}")
    return found


ROWS = {name: (table, row) for table in tables().values() for name, row in table.ROWS.items()}


def url_names(resolver: URLResolver, namespace: str = "") -> set[str]:
    names: set[str] = set()
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            names |= url_names(pattern, f"{pattern.namespace}:" if pattern.namespace else namespace)
        elif isinstance(pattern, URLPattern):
            names.add(f"{namespace}{pattern.name}")
    return names


def test_every_url_has_a_row_and_every_row_a_url() -> None:
    assert url_names(get_resolver()) == set(ROWS)


@pytest.mark.django_db
@pytest.mark.parametrize("table", tables().values(), ids=tables())
def test_who_may_enter(table: Any) -> None:
    """One world for a whole table; every visit is taken back before the next one."""
    cast = make_cast()
    world = table.setup(cast)
    sessions = {who: session(user) for who, user in cast.people().items()} | {"nobody": None}
    wrong = []
    for name, row in table.ROWS.items():
        url = reverse(name, kwargs=row.args(cast, world))
        for method in ("get", "post"):
            allowed: frozenset[str] | None = getattr(row, method)
            for who, key in sessions.items():
                status = visit(key, method, url, row)
                if status not in expected(row, allowed, who):
                    wrong.append(f"{method.upper()} {name} as {who} answered {status}")

    assert not wrong, "\n".join(wrong)


def session(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def visit(key: str | None, method: str, url: str, row: Row) -> int:
    with transaction.atomic():
        client = Client()
        if key is not None:
            client.cookies[settings.SESSION_COOKIE_NAME] = key
        as_json = {"content_type": "application/json"} if row.api and method == "post" else {}
        status = int(getattr(client, method)(url, row.data, **as_json).status_code)
        transaction.set_rollback(True)
    return status


def expected(row: Row, allowed: frozenset[str] | None, who: str) -> set[int]:
    if row.public:
        return {405} if allowed is None else {200, 302, 400, 409, 422, 404}
    if who == "nobody":
        return {401} if row.api else {302}
    if allowed is None:
        return {404, 403, 405} if who == "zoe" else {405, 403, 404}
    if who in allowed:
        return {200, 204, 302, 400, 409, 422}
    if who == "zoe" or row.hidden or row.site:
        return {404}
    return {403}

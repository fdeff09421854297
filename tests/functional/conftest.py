"""A browser for the tests of each file, and windows in it of people who are logged in."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from clinicalft.models import User
from tests.conftest import wait_until
from tests.personas import Cast, make_cast

Window = Callable[[User], Page]


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Started once a file, because that takes longer than most tests; each of these has contexts of its own."""
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright's loop makes Django believe that the database is used from async code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        # Inside the loop Django opened a connection of its own, which nobody else would close.
        connection.close()
        browser.close()


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    return make_cast()


@pytest.fixture
def expected() -> tuple[str, ...]:
    """Words of complaints that a test provokes: what the browser itself says about some answers."""
    return ()


@pytest.fixture
def window(browser: Browser, live_server: Any, cast: Cast, expected: tuple[str, ...]) -> Iterator[Window]:
    """Opens windows of people who are logged in; the test fails when the browser reports an error, as for CSP."""
    complaints: list[str] = []
    contexts: dict[int, BrowserContext] = {}

    def open_window(who: User) -> Page:
        if who.pk not in contexts:
            client = Client()
            client.force_login(who)
            cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
            context = browser.new_context(base_url=live_server.url, viewport={"width": 1366, "height": 850})
            context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
            contexts[who.pk] = context
        page = contexts[who.pk].new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        return page

    yield open_window
    for context in contexts.values():
        context.close()
    # A request that is still being answered would meet the tables as they are emptied.
    wait_until(lambda: not any("process_request" in each.name for each in threading.enumerate()), every=0.02)
    assert [words for words in complaints if not any(known in words for known in expected)] == []

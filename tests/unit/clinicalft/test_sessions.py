"""Sessions: what a request finds by its cookie."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from clinicalft.sessions import SessionStore

pytestmark = pytest.mark.django_db


def kept() -> str:
    store = SessionStore()
    store["who"] = "ben"
    store.save()
    assert store.session_key is not None
    return store.session_key


def test_a_session_is_found_by_its_key() -> None:
    assert SessionStore(kept())["who"] == "ben"


def test_a_session_that_has_expired_or_never_was_is_empty_and_its_key_forgotten() -> None:
    key = kept()
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    for gone in (key, "a" * 32):
        store = SessionStore(gone)
        assert store.get("who") is None
        assert store.session_key is None

"""The first account of a site."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from clinicalft.models import AuditEvent, User

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n" * 2))


@pytest.mark.django_db
def test_first_admin_can_log_in_and_the_log_says_where_they_came_from(client: Client) -> None:
    call_command("create_admin", "ada@example.org", "Ada Lovelace")

    assert User.objects.get().site_roles == ["admin"]
    assert client.login(username="ada@example.org", password=PASSWORD)
    assert AuditEvent.objects.filter(act="USER_CREATE", actor_id=None).count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("email", "name", "password", "sentence"),
    [
        ("nonsense", "Ada", PASSWORD, "valid email"),
        ("ada@example.org", " ", PASSWORD, "Give a name"),
        ("ada@example.org", "Ada", "short", "too short"),
    ],
)
def test_bad_input_makes_no_account(
    monkeypatch: pytest.MonkeyPatch, email: str, name: str, password: str, sentence: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))

    with pytest.raises(CommandError, match=sentence):
        call_command("create_admin", email, name)

    assert not User.objects.exists()


@pytest.mark.django_db
def test_taken_address_is_said() -> None:
    call_command("create_admin", "ada@example.org", "Ada")

    with pytest.raises(CommandError, match="already an account"):
        call_command("create_admin", "ADA@example.org", "Ada")

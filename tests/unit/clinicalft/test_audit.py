"""The audit log: chained by the database, frozen for everyone, and able to prove it."""

import threading

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.db.utils import InternalError, ProgrammingError

from clinicalft import audit
from clinicalft.models import AuditEvent
from tests.personas import make_cast

pytestmark = pytest.mark.django_db
REFUSED = (InternalError, ProgrammingError)


def some_events(n: int = 5) -> list[AuditEvent]:
    cast = make_cast()
    for number in range(n):
        audit.record("TEST", cast.project, by=cast.lea, number=number)
    return list(AuditEvent.objects.filter(act="TEST").order_by("-id")[:n])[::-1]


def as_owner(sql: str, *args: object) -> None:
    """What a person with the keys of the database could do: switch the triggers off and change rows."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE clinicalft_auditevent DISABLE TRIGGER audit_frozen")
        cursor.execute(sql, args)
        cursor.execute("ALTER TABLE clinicalft_auditevent ENABLE ALWAYS TRIGGER audit_frozen")


def test_an_untouched_log_verifies() -> None:
    some_events()

    assert audit.verify().is_intact


def test_an_event_cannot_be_updated_or_deleted_through_any_door() -> None:
    event = some_events()[2]

    for change in (
        lambda: AuditEvent.objects.filter(pk=event.pk).update(act="OTHER"),
        lambda: AuditEvent.objects.filter(pk=event.pk).delete(),
        lambda: connection.cursor().execute("UPDATE clinicalft_auditevent SET reason = 'x'"),
    ):
        with pytest.raises(REFUSED), transaction.atomic():
            change()


def test_the_log_cannot_be_truncated() -> None:
    some_events()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE clinicalft_auditevent ENABLE ALWAYS TRIGGER audit_kept")

    with pytest.raises(REFUSED), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE clinicalft_auditevent")

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE clinicalft_auditevent DISABLE TRIGGER audit_kept")


@pytest.mark.parametrize("column", ["act", "actor_name", "reason", "object_type"])
def test_an_edit_by_the_owner_of_the_table_is_named(column: str) -> None:
    event = some_events()[2]

    as_owner(f"UPDATE clinicalft_auditevent SET {column} = 'FORGED' WHERE id = %s", event.pk)

    found = audit.verify()
    assert (found.first_bad_id, found.fault) == (event.pk, "edited")


def test_an_edited_detail_or_time_is_named() -> None:
    first, second = some_events()[1:3]

    as_owner("UPDATE clinicalft_auditevent SET at = at - interval '1 day' WHERE id = %s", second.pk)
    assert audit.verify().first_bad_id == second.pk

    as_owner("UPDATE clinicalft_auditevent SET detail = '{}' WHERE id = %s", first.pk)
    assert audit.verify().first_bad_id == first.pk


def test_a_removed_event_is_noticed_at_the_next_one() -> None:
    events = some_events()

    as_owner("DELETE FROM clinicalft_auditevent WHERE id = %s", events[2].pk)

    found = audit.verify()
    assert found.first_bad_id == events[3].pk
    assert "removed" in found.fault


def test_values_that_a_caller_sets_for_the_chain_are_ignored() -> None:
    cast = make_cast()

    AuditEvent.objects.create(
        chain=cast.project.pk, actor_name="x", act="T", object_type="t", object_id=1, previous="00", digest="00"
    )

    assert audit.verify().is_intact


def test_the_command_names_the_bad_event_and_fails() -> None:
    event = some_events()[0]
    as_owner("UPDATE clinicalft_auditevent SET act = 'FORGED' WHERE id = %s", event.pk)

    with pytest.raises(CommandError, match=f"Audit event {event.pk} is not as it was written: edited"):
        call_command("audit_verify")


@pytest.mark.django_db(transaction=True)
def test_eight_writers_at_once_make_one_unbroken_chain() -> None:
    cast = make_cast()

    def write() -> None:
        for number in range(20):
            audit.record("TEST", cast.project, by=cast.lea, number=number)
        connection.close()

    writers = [threading.Thread(target=write) for _ in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    found = audit.verify()
    assert found.is_intact
    assert found.n_events == 160

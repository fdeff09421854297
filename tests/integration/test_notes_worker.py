"""Import and de-identification by a real worker that is killed on the way: everything is done once, nothing leaks."""

import os
import signal
from datetime import timedelta

import pytest
import redis
from django.utils import timezone

from annotation.models import Batch, Deidentification, DeidentifiedNote, Note
from clinicalft import jobs
from clinicalft.models import WorkStatus
from tests.conftest import StartWorker, wait_until
from tests.factories.notes import jsonl, note_rows, queued_batch
from tests.personas import make_cast

PHRASE = "Qwertzuiop Asdfghjkl"


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_while_it_de_identifies_is_replaced_and_repeats_nothing(
    start_worker: StartWorker, empty_broker: redis.Redis
) -> None:
    cast = make_cast()
    texts = [f"Patient {PHRASE} came on March 9. " * 12 + f"Note {n}." for n in range(120)]
    first = start_worker("default", "--pool", "prefork")
    batch = queued_batch(cast, jsonl(note_rows(120, texts)))
    wait_until(lambda: DeidentifiedNote.objects.count() > 0, seconds=60)

    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    done = dict(DeidentifiedNote.objects.values_list("note_id", "created_at"))
    work = Deidentification.objects.get(batch=batch)
    assert 0 < len(done) < 120
    assert work.status == WorkStatus.RUNNING
    Deidentification.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    start_worker("default")
    assert jobs.requeue_lost_work() == 1
    wait_until(lambda: Deidentification.objects.get(pk=work.pk).status == WorkStatus.DONE, seconds=90)

    assert Note.objects.count() == DeidentifiedNote.objects.count() == 120
    again = dict(DeidentifiedNote.objects.values_list("note_id", "created_at"))
    assert {pk: again[pk] for pk in done} == done
    assert Batch.objects.get().status == WorkStatus.DONE
    for key in empty_broker.keys("*"):
        assert PHRASE.encode() not in (empty_broker.dump(key) or b"")

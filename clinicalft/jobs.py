"""Background work: the row is the truth, the broker only carries its id.

A job may be delivered twice, late or never, and its worker may die at any moment. So every start is a claim (a
conditional update that exactly one worker wins), every write of the worker holds the lease by its fencing token
(`attempt`), and `requeue_lost_work` finds whatever was left behind. Times are those of the database's clock.
"""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from celery import current_app
from django.apps import apps
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from kombu.exceptions import OperationalError

from clinicalft import audit
from clinicalft.access import Refused
from clinicalft.models import BackgroundWork, User, WorkStatus

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
RESEND_AFTER = timedelta(seconds=30)
LOST = "The worker that did this was lost, and so were the ones that took it over. Start it again."


class LeaseLost(Exception):
    """Another worker holds the row now: stop at once and write nothing."""


class Cancelled(Exception):
    """A person asked for this work to stop."""


@dataclass(frozen=True)
class Lease:
    """The right of one worker to write to one row, for one attempt."""

    model: type[BackgroundWork]
    pk: int
    attempt: int


def work_models() -> list[type[BackgroundWork]]:
    """Every kind of background work, in the order of the line."""
    return [model for model in apps.get_models() if issubclass(model, BackgroundWork)]


def enqueue(work: BackgroundWork) -> None:
    """Sends the row's id to its queue once the present transaction is committed."""
    transaction.on_commit(lambda: _send(work))


def _send(work: BackgroundWork) -> None:
    waiting = type(work)._default_manager.filter(pk=work.pk, status=WorkStatus.QUEUED)
    if not waiting.update(sent_at=Now()):
        return
    try:
        current_app.send_task(work.TASK, args=[work.pk], queue=work.QUEUE)
    except OperationalError:
        # The row stays queued and the janitor sends it again when the broker answers.
        log.warning("broker unreachable", extra={"work": type(work).__name__, "row": work.pk})


def claim(model: type[BackgroundWork], pk: int) -> Lease | None:
    """The lease of a waiting row, or None when it is not waiting any more (a duplicate delivery: return quietly)."""
    with transaction.atomic():
        changed = model._default_manager.filter(pk=pk, status=WorkStatus.QUEUED, cancel_requested_at=None).update(
            status=WorkStatus.RUNNING,
            attempt=F("attempt") + 1,
            attempts_left=F("attempts_left") - 1,
            lease_owner=f"{socket.gethostname()}:{os.getpid()}",
            leased_until=Now() + LEASE,
            started_at=Now(),
            n_done_at_start=F("n_done"),
            error="",
        )
        if not changed:
            return None
        work = model._default_manager.get(pk=pk)
        audit.record(f"{_noun(model)}_CLAIM", work, by=None, attempt=work.attempt)
    return Lease(model, pk, work.attempt)


def _held(lease: Lease) -> Any:
    return lease.model._default_manager.filter(pk=lease.pk, status=WorkStatus.RUNNING, attempt=lease.attempt)


def heartbeat(lease: Lease, **progress: Any) -> None:
    """Extends the lease and stores `n_done`, `n_total`, `phase`; raises LeaseLost, or Cancelled when asked to stop."""
    if not _held(lease).update(leased_until=Now() + LEASE, **progress):
        raise LeaseLost
    if _held(lease).filter(cancel_requested_at__isnull=False).exists():
        raise Cancelled


def hold(lease: Lease) -> BackgroundWork:
    """The row, locked until the end of the present transaction, for writing results; raises LeaseLost."""
    work: BackgroundWork | None = _held(lease).select_for_update().first()
    if work is None:
        raise LeaseLost
    return work


@transaction.atomic
def finish(lease: Lease, **fields: Any) -> None:
    """Ends the work well, with `fields` set in the same update; raises LeaseLost."""
    _end(lease, WorkStatus.DONE, phase="", **fields)


@transaction.atomic
def fail(lease: Lease, sentence: str, **fields: Any) -> None:
    """Ends the work with one plain sentence that says why (no note text); raises LeaseLost."""
    _end(lease, WorkStatus.FAILED, error=sentence, **fields)


@transaction.atomic
def cancelled(lease: Lease, **fields: Any) -> None:
    """Ends the work because a person asked for it; raises LeaseLost."""
    _end(lease, WorkStatus.CANCELLED, **fields)


def _end(lease: Lease, to: WorkStatus, **fields: Any) -> None:
    if not _held(lease).update(status=to, finished_at=Now(), leased_until=None, **fields):
        raise LeaseLost
    work = lease.model._default_manager.get(pk=lease.pk)
    audit.record(f"{_noun(lease.model)}_{to}", work, by=None, attempt=lease.attempt, error=work.error)


@transaction.atomic
def hand_back(lease: Lease) -> None:
    """Puts interrupted work back into its queue, to go on from where it stopped; raises LeaseLost.

    Being interrupted (a worker that shuts down) is nobody's fault, so it costs no attempt.
    """
    if not _held(lease).update(
        status=WorkStatus.QUEUED, leased_until=None, queued_at=Now(), attempts_left=F("attempts_left") + 1
    ):
        raise LeaseLost
    work = lease.model._default_manager.get(pk=lease.pk)
    audit.record(f"{_noun(lease.model)}_INTERRUPTED", work, by=None, attempt=lease.attempt)
    enqueue(work)


@contextmanager
def working(lease: Lease) -> Iterator[None]:
    """The end of every task in one place: a Refused fails the row with its sentence, Cancelled cancels it, LeaseLost
    stops quietly, and anything else fails it with the error's type (never its text, which may quote a note)."""
    try:
        yield
    except LeaseLost:
        log.warning("lease lost", extra={"work": lease.model.__name__, "row": lease.pk})
    except Cancelled:
        cancelled(lease)
    except Refused as refusal:
        fail(lease, refusal.sentence)
    except Exception as error:
        log.exception("work failed", extra={"work": lease.model.__name__, "row": lease.pk})
        fail(lease, f"An error in the program stopped this ({type(error).__name__}). An admin finds more in the log.")


@transaction.atomic
def request_cancel(work: BackgroundWork, *, by: User) -> None:
    """Stops waiting work at once and asks running work to stop at its next heartbeat; Refused when it has ended."""
    rows = type(work)._default_manager.filter(pk=work.pk)
    if rows.filter(status=WorkStatus.QUEUED).update(
        status=WorkStatus.CANCELLED, cancel_requested_at=Now(), finished_at=Now()
    ) or rows.filter(status=WorkStatus.RUNNING).update(cancel_requested_at=Now()):
        audit.record(f"{_noun(type(work))}_CANCEL", work, by=by)
    else:
        raise Refused("finished", "This has already ended, so there is nothing to cancel.")


@transaction.atomic
def retry(work: BackgroundWork, *, by: User) -> None:
    """Queues failed or cancelled work again with fresh attempts, going on from where it stopped."""
    changed = (
        type(work)
        ._default_manager.filter(pk=work.pk, status__in=[WorkStatus.FAILED, WorkStatus.CANCELLED])
        .update(
            status=WorkStatus.QUEUED, attempts_left=work.MAX_ATTEMPTS, cancel_requested_at=None, error="",
            queued_at=Now(), finished_at=None,
        )
    )  # fmt: skip
    if not changed:
        raise Refused("not-ended", "Only work that failed or was cancelled can be started again.")
    audit.record(f"{_noun(type(work))}_RETRY", work, by=by)
    enqueue(work)


def requeue_lost_work() -> int:
    """Re-queues rows whose lease ran out (or fails them after the last attempt) and re-sends rows the broker forgot.

    Returns how many rows it acted on. Safe to run anywhere, any number of times: each change is conditional.
    """
    return sum(_requeue_expired(model) + _resend_forgotten(model) for model in work_models())


def _requeue_expired(model: type[BackgroundWork]) -> int:
    expired = Q(status=WorkStatus.RUNNING, leased_until__lt=Now())
    n = 0
    for work in model._default_manager.filter(expired):
        with transaction.atomic():
            row = model._default_manager.filter(expired, pk=work.pk, attempt=work.attempt)
            fields: dict[str, Any] = {"finished_at": Now()}
            if work.cancel_requested_at:
                to = WorkStatus.CANCELLED
            elif work.attempts_left:
                to, fields = WorkStatus.QUEUED, {"queued_at": Now()}
            else:
                to, fields["error"] = WorkStatus.FAILED, LOST
            if not row.update(status=to, leased_until=None, **fields):
                continue
            audit.record(f"{_noun(model)}_LOST", work, by=None, attempt=work.attempt, new=str(to))
            if to == WorkStatus.QUEUED:
                enqueue(work)
            n += 1
    return n


def _resend_forgotten(model: type[BackgroundWork]) -> int:
    before = timezone.now() - RESEND_AFTER
    waiting = model._default_manager.filter(status=WorkStatus.QUEUED, cancel_requested_at=None).filter(
        Q(sent_at=None, queued_at__lt=before) | Q(sent_at__lt=before)
    )
    rows = list(waiting)
    # A long queue is not a forgotten one: only when the broker holds nothing were messages lost.
    if not rows or _broker_holds(model.QUEUE):
        return 0
    for work in rows:
        _send(work)
    return len(rows)


def _broker_holds(queue: str) -> bool:
    try:
        with current_app.connection_for_write() as connection:
            return bool(connection.default_channel.client.llen(queue))
    except OperationalError:
        return True


def _noun(model: type[BackgroundWork]) -> str:
    """The audit word of a kind of work: RatingRound -> RATING_ROUND."""
    name = model.__name__
    return "".join(f"_{c}" if c.isupper() and i else c for i, c in enumerate(name)).upper()

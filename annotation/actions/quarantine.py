"""Second scan of every text that enters after de-identification: its entry, what a worker found, the decision."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from annotation.actions.tallies import count_items, lock_items_of
from annotation.deid import Span
from annotation.models import QuarantinedText, TextScan, TextStatus
from annotation.quarantine import places_of, type_of
from annotation.rules.quarantine import check_decide_text
from clinicalft import audit, jobs
from clinicalft.access import Refused
from clinicalft.models import Project, User
from clinicalft.states import advance

ROWS_AT_ONCE = 1000
BY_HAND = "person"


@dataclass(frozen=True)
class Hits:
    """What a scan saw in the texts of one row: spans by place; or why it could not read them, which is a hit, too."""

    spans: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    reason: str = ""

    def __bool__(self) -> bool:
        return bool(self.reason) or any(self.spans.values())

    def stored(self) -> dict[str, Any]:
        """Spans, reason and risk as the row keeps them. What could not be read counts as one identifier."""
        spans = [{"place": place, **span.as_dict()} for place, found in self.spans.items() for span in found]
        risk = sum(span.score for found in self.spans.values() for span in found) + (1.0 if self.reason else 0.0)
        return {"spans": spans, "reason": self.reason[:200], "risk": risk}


def enter_texts(
    project: Project | int, rows: Iterable[tuple[Model, int | None]], *, fields: Collection[str], language: str = "en"
) -> int:
    """Puts the free text of new rows into quarantine and queues their scan; returns how many have any.

    `language` is that of rows about no note; the others are read in the language of their note. Call it inside the
    transaction that makes the rows, (row, key of its note or None) each: there is no moment at which somebody else
    could read them.
    """
    project_id = project.pk if isinstance(project, Project) else project
    texts = [
        QuarantinedText(
            project_id=project_id, object_type=type_of(type(row)), object_id=row.pk, fields=list(fields), note_id=note
        )
        for row, note in rows
        if places_of(row, fields)
    ]  # fmt: skip
    if not texts:
        return 0
    scan = TextScan.objects.create(project_id=project_id, n_total=len(texts), language=language)
    for text in texts:
        text.scan = scan
    QuarantinedText.objects.bulk_create(texts, batch_size=ROWS_AT_ONCE)
    jobs.enqueue(scan)
    return len(texts)


@transaction.atomic
def record_scan(lease: jobs.Lease, results: Sequence[tuple[QuarantinedText, Hits]]) -> None:
    """Writes what a worker found in some texts of its scan; raises LeaseLost, with nothing written."""
    scan = jobs.hold(lease)
    items = lock_items_of(text for text, _ in results)
    for text, hits in results:
        text.status = TextStatus.WAITING if hits else TextStatus.CLEAN
        for name, value in hits.stored().items():
            setattr(text, name, value)
    QuarantinedText.objects.bulk_update([text for text, _ in results], ["status", "spans", "reason", "risk"])
    count_items(items)
    held = [text.pk for text, hits in results if hits]
    if held:
        audit.record("TEXT_QUARANTINE", scan, by=None, texts=held)


def hold_scanned(rows: Iterable[tuple[Model, int | None, Hits]], *, fields: Collection[str]) -> None:
    """Quarantines new rows that were scanned before they were stored; call it in the transaction that stores them."""
    texts = [
        QuarantinedText(
            project_id=row.project_id, object_type=type_of(type(row)), object_id=row.pk, fields=list(fields),  # type: ignore[attr-defined]
            note_id=note, status=TextStatus.WAITING, **hits.stored(),
        )
        for row, note, hits in rows
        if hits
    ]  # fmt: skip
    for text in QuarantinedText.objects.bulk_create(texts, batch_size=ROWS_AT_ONCE):
        audit.record("TEXT_QUARANTINE", text, by=None, object_type=text.object_type, object_id=text.object_id)


@transaction.atomic
def decide_text(
    text: QuarantinedText, *, by: User, identifiers: Collection[int] = (), is_whole: bool = False, reason: str = ""
) -> QuarantinedText:
    """A privacy officer's decision: which of the spans, by their positions, are identifiers; none clears the text.

    Confirmed ones are replaced by tags wherever others read the text, and the rest is forgotten. `is_whole` replaces
    all of it, for what no pass has marked. The row that holds the text stays as it is.
    """
    text = QuarantinedText.objects.select_for_update(of=("self",)).select_related("project").get(pk=text.pk)
    check_decide_text(by, text)
    chosen = sorted(set(identifiers))
    if chosen and not 0 <= chosen[0] <= chosen[-1] < len(text.spans):
        raise Refused("stale", "The findings in this text changed. Load the page again; nothing was saved.")
    kept = _whole(text) if is_whole else [text.spans[position] for position in chosen]
    items = lock_items_of([text])
    to, act = (TextStatus.CONFIRMED, "TEXT_CONFIRM") if kept else (TextStatus.CLEARED, "TEXT_CLEAR")
    detail = {
        "object_type": text.object_type, "object_id": text.object_id, "n_found": len(text.spans), "n_kept": len(kept),
        "is_whole": is_whole,
    }  # fmt: skip
    advance(
        text, to, by=by, act=act, reason=reason, decided_at=timezone.now(), decided_by=by, spans=kept, detail=detail
    )  # fmt: skip
    count_items(items)
    return text


@transaction.atomic
def decide_texts(texts: Iterable[QuarantinedText], *, by: User, is_identifier: bool, reason: str) -> None:
    """One decision on several texts: everything that was found in them is an identifier, or nothing is.

    What could not be read is hidden whole, or let out. Each text has its own audit event, with `reason` in it.
    """
    if not reason.strip():
        raise Refused("reason", "Say why: a decision on many texts at once stands in the audit log with its reason.")
    for text in texts:
        decide_text(
            text, by=by, identifiers=range(len(text.spans)) if is_identifier else (),
            is_whole=is_identifier and not text.spans, reason=reason.strip(),
        )  # fmt: skip


def _whole(text: QuarantinedText) -> list[dict[str, Any]]:
    """One span over each text of the row."""
    places = places_of(text.model._default_manager.get(pk=text.object_id), text.fields)
    return [
        {"place": place, **Span(0, len(words), "OTHER_ID", 1.0, BY_HAND).as_dict()} for place, words in places.items()
    ]

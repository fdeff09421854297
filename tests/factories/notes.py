"""Notes on their way from a file to release, brought there by the real actions and the real de-identification."""

import json
from collections.abc import Sequence
from typing import Any

from annotation import tasks
from annotation.actions.batches import import_notes
from annotation.actions.notes import release_notes
from annotation.models import Batch, DeidentifiedNote, NoteStatus
from tests.personas import Cast

Json = dict[str, Any]

TEXT = (
    "HISTORY OF PRESENT ILLNESS\n{who} is seen on March 9, 2021 for a cough of {n} weeks. No fever.\n\n"
    "ASSESSMENT AND PLAN\nAcute bronchitis. Call 555-201-{n:04d} if worse."
)


def jsonl(rows: Sequence[Json]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def note_rows(n: int, texts: Sequence[str] | None = None, start: int = 1) -> list[Json]:
    """Rows of a file of `n` notes of as many patients, each with identifiers that the file also names."""
    names = [("Maria", "Santos"), ("John", "Okafor"), ("Wei", "Zhang"), ("Amira", "Haddad"), ("Olga", "Petrova")]
    rows = []
    for i in range(start, start + n):
        first, last = names[i % len(names)]
        rows.append(
            {
                "id": f"note-{i}", "patient_id": f"patient-{i}", "first_name": first, "last_name": last,
                "mrn": f"00{i:05d}7", "age": str(20 + i % 75), "sex": "female" if i % 2 else "male",
                "specialty": "pulmonology" if i % 2 else "cardiology",
                "text": (texts[i - start] if texts else TEXT.format(who=f"{first} {last}", n=i)),
            }
        )  # fmt: skip
    return rows


MAPPING = {
    "source_id": "id", "patient_id": "patient_id", "first_name": "first_name", "last_name": "last_name", "mrn": "mrn",
    "age": "age", "sex": "sex", "specialty": "specialty", "text": "text",
}  # fmt: skip


def queued_batch(cast: Cast, content: str, *, mapping: dict[str, str] | None = None, **options: Any) -> Batch:
    """A batch whose import waits for a worker."""
    return import_notes(
        project=cast.project, file_name="notes.jsonl", content=content, mapping=mapping or MAPPING, by=cast.priya,
        **options,
    )  # fmt: skip


def imported_batch(
    cast: Cast, n: int = 6, texts: Sequence[str] | None = None, gold: Sequence[Json] | None = None, start: int = 1
) -> Batch:
    """A batch in quarantine: imported, not de-identified yet."""
    rows = note_rows(n, texts, start)
    mapping = dict(MAPPING)
    if gold is not None:
        mapping["annotation"] = "annotation"
        rows = [{**row, "annotation": payload} for row, payload in zip(rows, gold, strict=True)]
    batch = queued_batch(cast, jsonl(rows), mapping=mapping)
    tasks.import_notes(batch.pk)
    batch.refresh_from_db()
    assert batch.status == "DONE", batch.error
    return batch


def deidentified_batch(cast: Cast, n: int = 6, texts: Sequence[str] | None = None, **options: Any) -> Batch:
    """A batch that waits for review and release."""
    batch = imported_batch(cast, n, texts, **options)
    tasks.deidentify_batch(batch.deidentifications.get().pk)
    return batch


def released_notes(
    cast: Cast, n: int = 6, texts: Sequence[str] | None = None, gold: Sequence[Json] | None = None, start: int = 1
) -> list[DeidentifiedNote]:
    """Released notes in the cast's project, in the order of their numbers, each of a patient of its own.

    `texts` are their raw texts and `gold` the payloads that came with them; a second call in a project needs a `start`
    above the numbers of the first, because a source id is imported once.
    """
    batch = deidentified_batch(cast, len(texts) if texts else n, texts, gold=gold, start=start)
    assert not batch.notes.exclude(status=NoteStatus.DEIDENTIFIED).exists(), "a text of this factory was held back"
    release_notes(batch, by=cast.priya)
    return list(DeidentifiedNote.objects.filter(note__batch=batch).select_related("note").order_by("note__number"))

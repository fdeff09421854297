"""Which rows of a file may come into a project, and why the others may not; and what may be done with a batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from annotation.importers import Record, Rejected, read
from annotation.models import Batch, Note
from clinicalft.access import Refused, check_permission
from clinicalft.crypto import blind_index
from clinicalft.models import Project, User, WorkStatus
from clinicalft.roles import Permission

TAKEN = "has the id of a note that is in this project already; every note is imported once."
ROWS_AT_ONCE = 500


def check_import(user: User, project: Project) -> None:
    """Privacy officers bring notes in."""
    check_permission(user, Permission.NOTE_IMPORT, project)


def check_retry_import(user: User, batch: Batch) -> None:
    """An import goes on where it stopped as long as its file is still kept."""
    check_import(user, batch.project)
    if batch.status not in (WorkStatus.FAILED, WorkStatus.CANCELLED):
        raise Refused("not-ended", "Only an import that failed or was cancelled can be started again.")
    if not Batch.objects.filter(pk=batch.pk, content__isnull=False).exists():
        raise Refused("no-file", "The file is no longer kept here. Upload it again.")


def check_cancel_import(user: User, batch: Batch) -> None:
    """What has ended cannot be cancelled."""
    check_import(user, batch.project)
    if batch.is_finished:
        raise Refused("finished", "This import has already ended.")


def sorted_rows(
    content: str, file_name: str, mapping: Mapping[str, str], *, digest: str, project_id: int,
    batch: Batch | None = None, tick: Callable[[], None] = lambda: None,
) -> tuple[list[Record], list[Rejected]]:  # fmt: skip
    """The rows of a file that may come in, and the others with their reasons in the order of the file.

    A note that another batch of the project brought in is rejected. Ids that the file does not give are made from
    `digest`, the SHA-256 of the file, and the line, so that another file may have that line, too. `tick` is called
    now and then. Raises ImportFault for an unreadable file or mapping.
    """
    good: list[Record] = []
    rejected: list[Rejected] = []
    for n, row in enumerate(read(content.encode(), file_name, mapping)):
        if n % ROWS_AT_ONCE == 0:
            tick()
        if isinstance(row, Rejected):
            rejected.append(row)
        else:
            good.append(with_own_ids(row, digest))
    fresh: list[Record] = []
    for start in range(0, len(good), ROWS_AT_ONCE):
        some = good[start : start + ROWS_AT_ONCE]
        taken = taken_indexes(project_id, [note_index(project_id, record) for record in some], batch)
        for record in some:
            if note_index(project_id, record) in taken:
                rejected.append(Rejected(record.line, mapping.get("source_id", ""), TAKEN))
            else:
                fresh.append(record)
    return fresh, sorted(rejected, key=lambda row: row.line)


def with_own_ids(record: Record, digest: str) -> Record:
    """`record` with ids that are its own: the importer numbers the lines of a file that has none."""
    if record.source_id != f"line-{record.line}":
        return record
    source_id = f"{digest[:16]}/{record.source_id}"
    has_patient = record.patient_id != f"note-{record.source_id}"
    return replace(record, source_id=source_id, patient_id=record.patient_id if has_patient else f"note-{source_id}")


def note_index(project_id: int, record: Record) -> str:
    """The keyed digest by which a note of the source is known in a project."""
    return blind_index("note", str(project_id), record.source_id)


def patient_index(project_id: int, record: Record) -> str:
    """The keyed digest by which a patient of the source is known in a project."""
    return blind_index("patient", str(project_id), record.patient_id)


def taken_indexes(project_id: int, indexes: Sequence[str], batch: Batch | None) -> set[str]:
    """Those of `indexes` that a batch other than `batch` has brought into the project already."""
    there = Note.objects.filter(project_id=project_id, source_index__in=indexes)
    return set((there.exclude(batch=batch) if batch else there).values_list("source_index", flat=True))

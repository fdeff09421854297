"""Step 1: an uploaded file waits for confirmation, then becomes a batch of raw notes in quarantine."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from django.db import transaction
from django.db.models import Max

from annotation.actions.notes import start_deidentification
from annotation.actions.policies import add_links
from annotation.actions.uploads import drop_keys, drop_uploads, keep_upload
from annotation.deid.known import joined_values
from annotation.importers import Record, Rejected
from annotation.models import Batch, Note, Patient, PatientLink, Upload
from annotation.rules.batches import check_import, check_retry_import, note_index, patient_index, taken_indexes
from clinicalft import audit, jobs
from clinicalft.access import Refused
from clinicalft.actions import next_number
from clinicalft.crypto import new_data_key, sealed
from clinicalft.lib.hashing import sha256_text
from clinicalft.models import Project, User, WorkStatus

SHORT = {"specialty": 60, "sex": 20, "site": 60, "language": 10}
AGE_BANDS = ((18, "0-17"), (40, "18-39"), (65, "40-64"), (90, "65-89"))


@transaction.atomic
def upload_file(*, project: Project, file_name: str, content: str, by: User) -> Upload:
    """Keeps a file, encrypted, until `by` confirms or discards it; it takes the place of the one that waited before."""
    check_import(by, project)
    upload = keep_upload(Upload, project=project, file_name=file_name, content=content, by=by)
    audit.record("NOTE_UPLOAD", upload, by=by, n_characters=len(content))
    return upload


@transaction.atomic
def discard_upload(upload: Upload, *, by: User) -> None:
    """Removes a file that waits for confirmation; nothing of it is kept."""
    check_import(by, upload.project)
    audit.record("NOTE_UPLOAD_DISCARD", upload, by=by)
    drop_uploads(Upload.objects.filter(pk=upload.pk))


@transaction.atomic
def import_notes(
    *, project: Project, file_name: str, content: str, mapping: Mapping[str, str], by: User, skip_bad_rows: bool = False
) -> Batch:
    """Queues the import of a file as a new batch; `mapping` is field of ours -> column of the file.

    A bad row stops the whole import, unless `skip_bad_rows`: then the good ones come in and the rest is listed. The
    file that `by` had waiting in this project is confirmed with this and removed.
    """
    check_import(by, project)
    batch = Batch.objects.create(
        project=project, number=next_number(Batch, project), file_name=file_name[-255:], content=content,
        file_sha256=hashlib.sha256(content.encode()).hexdigest(), mapping=dict(mapping), skip_bad_rows=skip_bad_rows,
        created_by=by, original_key=new_data_key(), link_key=new_data_key(),
    )  # fmt: skip
    drop_uploads(Upload.objects.filter(project=project, created_by=by))
    audit.record("NOTE_IMPORT", batch, by=by, file_sha256=batch.file_sha256, skip_bad_rows=skip_bad_rows)
    jobs.enqueue(batch)
    return batch


@transaction.atomic
def cancel_import(batch: Batch, *, by: User) -> None:
    """Stops an import; nothing of it stays behind. A running one ends at its next step."""
    check_import(by, batch.project)
    jobs.request_cancel(batch, by=by)
    batch.refresh_from_db()
    if batch.status == WorkStatus.CANCELLED:
        _remove(batch)


@transaction.atomic
def retry_import(batch: Batch, *, by: User) -> None:
    """Goes on with an import whose worker was lost, from the row where it stopped."""
    check_retry_import(by, batch)
    jobs.retry(batch, by=by)


def added_indexes(batch: Batch) -> set[str]:
    """The notes that this import has written already: it never writes one twice, however often it is started."""
    return set(batch.notes.values_list("source_index", flat=True))


@transaction.atomic
def add_notes(lease: jobs.Lease, records: Sequence[Record]) -> None:
    """Writes some notes of a batch and their patients into quarantine, all or none; raises LeaseLost, Refused."""
    batch = _held(lease)
    Project.objects.select_for_update().get(pk=batch.project_id)
    indexes = [note_index(batch.project_id, record) for record in records]
    if taken_indexes(batch.project_id, indexes, batch):
        raise Refused(
            "duplicate", "Another import brought the same notes in meanwhile. Upload the file again to see which."
        )
    patients = _patients(batch, records)
    first = (Note.objects.filter(project_id=batch.project_id).aggregate(n=Max("number"))["n"] or 0) + 1
    Note.objects.bulk_create(
        [
            _note(batch, record, patients[patient_index(batch.project_id, record)], number=number, index=index)
            for number, record, index in zip(count(first), records, indexes, strict=False)
        ]
    )


def _note(batch: Batch, record: Record, patient: Patient, *, number: int, index: str) -> Note:
    return Note(
        project_id=batch.project_id, batch=batch, patient=patient, number=number, source_index=index,
        source_id=record.source_id, text=record.text, text_sha256=sha256_text(record.text),
        n_characters=len(record.text), age_band=age_band(record.age), gold=gold_of(record),
        **{name: str(getattr(record, name))[:length] for name, length in SHORT.items()},
    )  # fmt: skip


def _patients(batch: Batch, records: Sequence[Record]) -> dict[str, Patient]:
    """The patients of `records` by their index, new ones made, each knowing every identifier that any row named."""
    named: dict[str, dict[str, list[str]]] = {}
    for record in records:
        index = patient_index(batch.project_id, record)
        named[index] = merged_identifiers(named.get(index, {}), record.known)
    existing = {p.source_index: p for p in Patient.objects.filter(project_id=batch.project_id, source_index__in=named)}
    changed = []
    for index, patient in existing.items():
        old = json.loads(patient.known_identifiers)
        new = merged_identifiers(old, named[index])
        if new != old or patient.batch_id != batch.pk:
            # The newest batch seals what names a patient: an older one can be destroyed without it.
            patient.batch = batch
            patient.known_identifiers = sealed(patient, "known_identifiers", json.dumps(new))
            changed.append(patient)
    Patient.objects.bulk_update(changed, ["known_identifiers", "batch"])
    fresh = Patient.objects.bulk_create(
        Patient(project_id=batch.project_id, batch=batch, source_index=index, known_identifiers=json.dumps(known))
        for index, known in named.items()
        if index not in existing
    )
    patients = existing | {patient.source_index: patient for patient in fresh}
    source_ids = {patient_index(batch.project_id, record): record.patient_id for record in records}
    add_links(batch, {patients[index]: source_id for index, source_id in source_ids.items()})
    return patients


def merged_identifiers(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[str]]:
    """Both, with the different values of one field side by side; `old` may be of the time when they were one text."""
    both = {name: joined_values(old.get(name), new.get(name)) for name in {**old, **new}}
    return {name: values for name, values in both.items() if values}


def age_band(age: str) -> str:
    """The band of an age in years, "" for no number; 90 and over are one (45 CFR 164.514(b)(2)(i)(C))."""
    try:
        years = int(float(age))
    except (ValueError, OverflowError):
        return ""
    return next((band for limit, band in AGE_BANDS if years < limit), "90+") if years >= 0 else ""


def gold_of(record: Record) -> dict[str, Any] | None:
    """The payload that came with a note: a whole one, or a class label."""
    return record.annotation or ({"label": record.label} if record.label else None)


@transaction.atomic
def finish_import(lease: jobs.Lease, rejected: Sequence[Rejected], *, method: str) -> None:
    """Ends an import, forgets the file, and hands the batch on to de-identification by `method`."""
    batch = _held(lease)
    jobs.finish(lease, content=None, rejected=listed(rejected), n_notes=batch.notes.count())
    batch.refresh_from_db()
    start_deidentification(batch, method=method, by=batch.created_by)


@transaction.atomic
def fail_import(lease: jobs.Lease, sentence: str, rejected: Sequence[Rejected] = ()) -> None:
    """Ends an import that brought nothing in, with the reason and the rows at fault."""
    batch = _held(lease)
    jobs.fail(lease, sentence, phase="", rejected=listed(rejected))
    _remove(batch)


@transaction.atomic
def drop_import(lease: jobs.Lease) -> None:
    """Ends an import that a person cancelled while it ran."""
    batch = _held(lease)
    jobs.cancelled(lease)
    _remove(batch)


def listed(rejected: Sequence[Rejected]) -> list[list[Any]]:
    """Rejected rows as the batch keeps them."""
    return [[row.line, row.column, row.sentence] for row in rejected]


def _held(lease: jobs.Lease) -> Batch:
    batch = jobs.hold(lease)
    assert isinstance(batch, Batch)
    return batch


def _remove(batch: Batch) -> None:
    """Takes back what an import wrote before it ended badly: its notes, patients without notes, and the file.

    Its keys stay where a patient of other batches was sealed with them.
    """
    Project.objects.select_for_update().get(pk=batch.project_id)
    patients = list(batch.notes.values_list("patient_id", flat=True).distinct())
    batch.notes.all().delete()
    gone = Patient.objects.filter(pk__in=patients, notes=None)
    PatientLink.objects.filter(patient__in=gone).delete()
    gone.delete()
    Batch.objects.filter(pk=batch.pk).update(content=None)
    if not Patient.objects.filter(batch=batch).exists():
        drop_keys(batch.original_key, batch.link_key)

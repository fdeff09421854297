"""Step 6: bring in examples that were made elsewhere; each is checked for identifiers before anybody learns from it."""

import hashlib
from collections.abc import Mapping, Sequence

from django.db import transaction

from annotation.actions.quarantine import enter_texts
from annotation.actions.uploads import drop_uploads, keep_upload
from annotation.importers import Record
from annotation.models import Patient
from annotation.rules.batches import patient_index
from clinicalft import audit
from clinicalft.access import Refused
from clinicalft.actions import next_number
from clinicalft.crypto import blind_index
from clinicalft.lib.hashing import canonical_json, sha256_text
from clinicalft.models import Project, User
from training.imports import Fault, ImportRefused, Row, read
from training.models import DatasetImport, DatasetUpload, ImportedExample
from training.rules.datasets import check_import_dataset

ROWS_AT_ONCE = 1000
TEXTS = ("contents", "rejected")


@transaction.atomic
def upload_dataset(*, project: Project, file_name: str, content: str, by: User) -> DatasetUpload:
    """Keeps a file, encrypted, until `by` confirms or discards it; it takes the place of the one that waited before."""
    check_import_dataset(by, project)
    upload = keep_upload(DatasetUpload, project=project, file_name=file_name, content=content, by=by)
    audit.record("DATASET_UPLOAD", upload, by=by, n_characters=len(content))
    return upload


@transaction.atomic
def discard_dataset_upload(upload: DatasetUpload, *, by: User) -> None:
    """Removes a file that waits for confirmation; nothing of it is kept."""
    check_import_dataset(by, upload.project)
    audit.record("DATASET_UPLOAD_DISCARD", upload, by=by)
    drop_uploads(DatasetUpload.objects.filter(pk=upload.pk))


@transaction.atomic
def import_dataset(
    *, project: Project, title: str, source: str, licence: str, file_name: str, content: str, form: str,
    mapping: Mapping[str, str], by: User, language: str = "", instruction: str = "", skip_bad_rows: bool = False,
) -> DatasetImport:  # fmt: skip
    """Stores the rows of a file and queues their check for identifiers; the file itself is not kept.

    `form` and `mapping` are those of `training.imports`. A bad row stops the whole import, unless `skip_bad_rows`: then
    the good ones come in and the rest is listed. Rows are read for identifiers in their `language`, such as "es"; empty
    is that of the project. The file that `by` had waiting in this project is removed.
    """
    check_import_dataset(by, project)
    language = language.strip() or project.language
    if not source.strip() or not licence.strip():
        raise Refused("no-licence", "Say where the file comes from and under which licence: the card repeats both.")
    good, faults = _sorted_rows(content, form, mapping, instruction)
    if faults and not skip_bad_rows:
        first = faults[0]
        raise Refused("bad-rows", f"{len(faults)} rows cannot be read. Row {first.number}: {first.sentence}")
    if not good:
        raise Refused("no-rows", "No row of the file can be imported, so nothing was.")
    made = DatasetImport.objects.create(
        project=project, number=next_number(DatasetImport, project), title=title, source=source.strip(),
        licence=licence.strip(), language=language, file_name=file_name[-255:], form=form, mapping=dict(mapping),
        file_sha256=hashlib.sha256(content.encode()).hexdigest(), instruction=instruction.strip(), n_rows=len(good),
        faults=[[fault.number, fault.sentence] for fault in faults], imported_by=by,
    )  # fmt: skip
    rows = _store(made, good)
    enter_texts(project, [(row, None) for row in rows], fields=TEXTS, language=made.language)
    drop_uploads(DatasetUpload.objects.filter(project=project, created_by=by))
    audit.record("DATASET_IMPORT", made, by=by, file_sha256=made.file_sha256, n_rows=made.n_rows, n_faulty=len(faults))
    return made


def _sorted_rows(
    content: str, form: str, mapping: Mapping[str, str], instruction: str
) -> tuple[list[Row], list[Fault]]:
    good: list[Row] = []
    faults: list[Fault] = []
    try:
        for row in read(content, form=form, mapping=mapping, instruction=instruction):
            if isinstance(row, Fault):
                faults.append(row)
            else:
                good.append(row)
    except ImportRefused as refusal:
        raise Refused("unreadable", str(refusal)) from refusal
    return good, faults


def _store(made: DatasetImport, rows: Sequence[Row]) -> list[ImportedExample]:
    said = [sha256_text(canonical_json([row.has_system, row.contents, row.rejected])) for row in rows]
    indexes = [_patient_index(made, row, digest) for row, digest in zip(rows, said, strict=True)]
    Patient.objects.bulk_create(
        [Patient(project_id=made.project_id, source_index=index) for index in dict.fromkeys(indexes)],
        batch_size=ROWS_AT_ONCE, ignore_conflicts=True,
    )  # fmt: skip
    known = Patient.objects.filter(project_id=made.project_id, source_index__in=set(indexes))
    patients = dict(known.values_list("source_index", "pk"))
    return ImportedExample.objects.bulk_create(
        [
            ImportedExample(
                dataset_import=made, number=row.number, patient_id=patients[index], contents=list(row.contents),
                has_system=row.has_system, rejected=row.rejected, sha256=digest,
            )
            for row, index, digest in zip(rows, indexes, said, strict=True)
        ],
        batch_size=ROWS_AT_ONCE,
    )  # fmt: skip


def _patient_index(made: DatasetImport, row: Row, digest: str) -> str:
    """A patient of the source is the one whose notes are here; a row without one is its own, and the same in every
    import."""
    if row.patient:
        return patient_index(made.project_id, Record(row.number, "", row.patient, ""))
    return blind_index("row", str(made.project_id), digest)

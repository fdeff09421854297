"""The round of bench/annotators.py: a project with many notes and most of their answers. Needs Django to be set up."""

from django.db import connection
from django.utils import timezone

from annotation.actions import rounds
from annotation.actions.annotations import acknowledge_guideline
from annotation.actions.payloads import finished_payload
from annotation.models import (
    Annotation,
    AnnotationStatus,
    Assignment,
    AssignmentStatus,
    Batch,
    Code,
    DeidentifiedNote,
    Note,
    NoteStatus,
    Patient,
    Round,
)
from bench.annotators_client import CODES, HEAD, PASSWORD, Site, payload
from clinicalft.actions import add_member, create_project, create_user
from clinicalft.crypto import blind_index
from clinicalft.demo.notes import carried
from clinicalft.lib.hashing import sha256_json, sha256_text
from clinicalft.models import AuditEvent, Project, User

N_CHARACTERS, SEED = 2500, 20261121


def make_site(port: int, n_items: int, n_annotations: int, n_people: int) -> Site:
    """A project with one open round of coding in which `n_annotations` answers were given."""
    admin = create_user(email="admin@bench.example", name="Admin", password=None, by=None, site_roles=["admin"])
    project = create_project(name="Bench", by=admin)
    people = []
    for i in range(n_people):
        person = create_user(email=f"reader{i}@bench.example", name=f"Reader {i}", password=PASSWORD, by=admin)
        add_member(user=person, project=project, roles=["clinician"], by=admin)
        people.append(person)
    round = open_round(project, people, make_notes(project, admin, n_items), -(-n_annotations // n_items) + 1)
    answer(round, people, n_annotations)
    with connection.cursor() as cursor:
        # What autovacuum would have done long before a round is this far.
        cursor.execute("VACUUM ANALYZE")
    return Site(port, round.number, tuple(person.email for person in people))


def make_notes(project: Project, by: User, n: int) -> list[DeidentifiedNote]:
    """Released notes of 2,500 characters, each of another patient, made of the visit notes that the demo carries."""
    visits = [row["note"] for row in carried("aci_bench_notes")]
    texts = [HEAD + f"Visit {i}. {visits[i % len(visits)]}{visits[(i * 7 + 1) % len(visits)]}" for i in range(n)]
    batch = Batch.objects.create(project=project, number=1, file_name="bench", file_sha256="0" * 64, created_by=by)
    patients = Patient.objects.bulk_create(
        [Patient(project=project, source_index=blind_index(str(i))) for i in range(n)], batch_size=2000
    )
    notes = Note.objects.bulk_create(
        [
            Note(project=project, batch=batch, patient=patient, number=number, source_id=str(number), text=text,
                 source_index=blind_index(f"note {number}"), text_sha256=sha256_text(text), n_characters=len(text),
                 status=NoteStatus.RELEASED)
            for number, (patient, text) in enumerate(zip(patients, texts, strict=True), start=1)
        ],
        batch_size=500,
    )  # fmt: skip
    clear = [
        DeidentifiedNote(note=note, project=project, text=text[:N_CHARACTERS], text_sha256=note.text_sha256,
                         method="bench", released_at=timezone.now(), released_by=by)
        for note, text in zip(notes, texts, strict=True)
    ]  # fmt: skip
    return DeidentifiedNote.objects.bulk_create(clear, batch_size=500)


def open_round(project: Project, people: list[User], notes: list[DeidentifiedNote], overlap: int) -> Round:
    """A round of coding over all notes, with one place in each item more than are answered."""
    lead = create_user(email="lead@bench.example", name="Lead", password=None, by=None)
    add_member(user=lead, project=project, roles=["lead"], by=project.created_by)
    Code.objects.bulk_create([Code(code_set="Bench", code=c, description=c, is_billable=True) for c in CODES])
    round = rounds.open_round(
        project=project, title="Coding", kind="coding", schema=rounds.NewSchema("Codes", {"code_set": "Bench"}),
        guideline=rounds.NewGuideline("How", "# How\n\nCode what was treated."), notes=notes, annotators=people,
        by=lead, overlap=overlap, seed=SEED,
    )  # fmt: skip
    for person in people:
        acknowledge_guideline(round, by=person)
    return round


def answer(round: Round, people: list[User], n: int) -> None:
    """Fills the first `n` slots, with the annotations and the audit events that belong to them."""
    slots = list(round.assignments.select_related("item").order_by("position")[:n])
    for slot in slots:
        slot.annotator = people[(slot.item.number + 7 * slot.slot) % len(people)]
        slot.status, slot.submitted_at = AssignmentStatus.SUBMITTED, timezone.now()
    Assignment.objects.bulk_update(slots, ["annotator", "status", "submitted_at"], batch_size=1000)
    content = finished_payload(payload(), round=round, text=HEAD)
    digest = sha256_json(content)
    made = Annotation.objects.bulk_create(
        [
            Annotation(item=slot.item, round=round, project_id=round.project_id, annotator=slot.annotator,
                       schema_id=round.schema_id, guideline_id=round.guideline_id, status=AnnotationStatus.SUBMITTED,
                       payload=content, payload_sha256=digest, seconds=60, submitted_at=timezone.now())
            for slot in slots
        ],
        batch_size=1000,
    )  # fmt: skip
    AuditEvent.objects.bulk_create(
        [
            AuditEvent(chain=round.project_id, actor_id=one.annotator_id, actor_name="Reader", act="ANNOTATION_SUBMIT",
                       object_type="annotation.Annotation", object_id=one.pk, detail={"sha256": digest})
            for one in made
        ],
        batch_size=1000,
    )  # fmt: skip

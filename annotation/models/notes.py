"""Steps 1 and 2: uploaded files, raw notes in quarantine, their patients, and the texts that leave it."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector
from django.db import models
from django.db.models.functions import Left
from django.utils import timezone

from clinicalft.crypto import SealedJSONField, SealedTextField
from clinicalft.models import BackgroundWork, Project, new_public_id


class BatchManager(models.Manager["Batch"]):
    """The uploaded file may be large: it stays in the database until somebody asks for it."""

    def get_queryset(self) -> models.QuerySet["Batch"]:
        return super().get_queryset().defer("content")


class Batch(BackgroundWork):
    """One uploaded file of notes, imported as a whole: the unit in which notes are de-identified and released."""

    TASK = "annotation.tasks.import_notes"

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="batches")
    number = models.PositiveIntegerField()
    file_name = models.CharField(max_length=255)
    file_sha256 = models.CharField(max_length=64)
    content = SealedTextField(
        null=True, key="original_key", help_text="The uploaded file until its import has ended, then nothing."
    )
    mapping = models.JSONField(default=dict, help_text="Field of ours -> column of the file.")
    skip_bad_rows = models.BooleanField(default=False, help_text="Import the good rows; otherwise all or nothing.")
    rejected = models.JSONField(default=list, help_text="[line, column, sentence] of each row left out; no note text.")
    n_notes = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    # Ids of data keys (clinicalft.crypto); "" for a batch from before there were any.
    original_key = models.CharField(max_length=32, blank=True, help_text="Seals what came in: notes and identifiers.")
    link_key = models.CharField(max_length=32, blank=True, help_text="Seals what leads from surrogates to people.")
    originals_destroyed_at = models.DateTimeField(null=True)
    links_destroyed_at = models.DateTimeField(null=True)

    objects: ClassVar[BatchManager] = BatchManager()

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="batch_number")]

    def __str__(self) -> str:
        return f"Batch {self.number}"


class WaitingFile(models.Model):
    """A file that a person has sent and not confirmed yet, one per person and project; it goes when they decide."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+")
    file_name = models.CharField(max_length=255)
    content = SealedTextField(key="original_key")
    original_key = models.CharField(max_length=32, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True


class Upload(WaitingFile):
    """A file of notes."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "created_by"], name="upload_once")]


class Deidentification(BackgroundWork):
    """The background job that de-identifies every note of a batch; it goes on where it stopped."""

    TASK = "annotation.tasks.deidentify_batch"

    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="deidentifications")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+")
    method = models.CharField(max_length=80, help_text="Version of the method and its recognisers.")
    policy = models.ForeignKey(
        "annotation.ProjectPolicy", null=True, on_delete=models.PROTECT, related_name="+",
        help_text="How it replaces what it finds; nothing: by tags.",
    )  # fmt: skip
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")


class Patient(models.Model):
    """A person whom notes are about. What names them is encrypted; the public id is random and derived from nothing."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="patients")
    public_id = models.UUIDField(default=new_public_id, unique=True)
    source_index = models.CharField(max_length=64, help_text="Keyed digest of the id in the source.")
    batch = models.ForeignKey(
        Batch, null=True, on_delete=models.PROTECT, related_name="+",
        help_text="The newest with notes of this person, whose key seals what names them.",
    )  # fmt: skip
    known_identifiers = SealedTextField(
        default="{}", key="batch.original_key", help_text="JSON of what the source says names this person."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "source_index"], name="patient_once")]


class NoteStatus(models.TextChoices):
    IMPORTED = "IMPORTED", "In quarantine"
    DEIDENTIFIED = "DEIDENTIFIED", "Waiting for review"
    HELD = "HELD", "Held back"
    RELEASED = "RELEASED", "Released"
    WITHDRAWN = "WITHDRAWN", "Withdrawn"

    @property
    def meaning(self) -> str:
        return {
            "IMPORTED": "Nobody but a privacy officer can open it; it is not de-identified yet.",
            "DEIDENTIFIED": "Identifiers were found and replaced; a privacy officer has to look and release.",
            "HELD": "It could not be de-identified safely; the reason stands beside it.",
            "RELEASED": "Clinicians may annotate the de-identified text.",
            "WITHDRAWN": "Somebody saw an identifier in it; it was taken away from everyone.",
        }[self.value]


# What stands for words about a note, or from it, once its originals are destroyed.
LOST = "(destroyed with the original)"

# Encrypted columns of a note: pages that do not need them leave them in the database.
RAW = ("text", "source_id", "gold")


class NoteQuerySet(models.QuerySet["Note"]):
    def with_current(self) -> "NoteQuerySet":
        """Each note with `version`, `risk`, `n_spans` and `reviewed_at` of its current de-identified text, None without
        one. What is encrypted stays in the database.
        """
        return self.defer(*RAW).annotate(
            current=models.FilteredRelation("deidentified", condition=models.Q(deidentified__is_current=True)),
            version=models.F("current__version"),
            risk=models.F("current__risk"),
            n_spans=models.Func(
                "current__spans", function="jsonb_array_length", output_field=models.IntegerField(null=True)
            ),
            reviewed_at=models.F("current__reviewed_at"),
        )

    def riskiest_first(self) -> "NoteQuerySet":
        """In the order in which to look at them: withdrawn, unseen, seen; of these those held back, then by risk."""
        unseen = models.Case(
            models.When(status=NoteStatus.WITHDRAWN, then=0), models.When(current__reviewed_at=None, then=1), default=2
        )
        held = models.Case(models.When(status=NoteStatus.HELD, then=0), default=1)
        return self.order_by(unseen, held, models.F("current__risk").desc(nulls_first=True), "number")

    def reviewed(self) -> "NoteQuerySet":
        """Notes whose current text a person has looked at."""
        return self.filter(models.Q(current__reviewed_at__isnull=False))

    def runnable(self, by_hand: bool = False) -> "NoteQuerySet":
        """Notes in quarantine that no person has looked at or corrected, and so lose nothing when the machine tries
        again; with `by_hand` also those that a person holds back.
        """
        touched = models.Q(reviewed_at__isnull=False) | models.Q(corrected_by__isnull=False)
        rows = self.filter(
            status__in=[NoteStatus.DEIDENTIFIED, NoteStatus.HELD], batch__originals_destroyed_at=None
        )  # fmt: skip
        if not by_hand:
            rows = rows.filter(held_by=None)
        own = DeidentifiedNote.objects.filter(note=models.OuterRef("pk"), is_current=True)
        return rows.exclude(models.Exists(own.filter(touched)))

    def to_review(self) -> "NoteQuerySet":
        """Notes that a privacy officer still has to look at before they can be released."""
        return self.filter(
            models.Q(status=NoteStatus.WITHDRAWN)
            | models.Q(status__in=[NoteStatus.DEIDENTIFIED, NoteStatus.HELD], current__reviewed_at=None)
        )


class Note(models.Model):
    """A raw clinical note, encrypted and in quarantine. Only a privacy officer opens it."""

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        NoteStatus.IMPORTED: {NoteStatus.DEIDENTIFIED, NoteStatus.HELD},
        NoteStatus.DEIDENTIFIED: {NoteStatus.RELEASED, NoteStatus.HELD, NoteStatus.IMPORTED},
        NoteStatus.HELD: {NoteStatus.DEIDENTIFIED, NoteStatus.IMPORTED},
        NoteStatus.RELEASED: {NoteStatus.WITHDRAWN},
        NoteStatus.WITHDRAWN: {NoteStatus.DEIDENTIFIED},
    }

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="notes")
    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="notes")
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="notes")
    number = models.PositiveIntegerField()
    source_id = SealedTextField(key="batch.original_key")
    source_index = models.CharField(max_length=64)
    text = SealedTextField(key="batch.original_key")
    text_sha256 = models.CharField(max_length=64)
    n_characters = models.PositiveIntegerField()
    status = models.CharField(max_length=12, choices=NoteStatus.choices, default=NoteStatus.IMPORTED)
    held_reason = models.CharField(max_length=200, blank=True)
    held_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Nobody: the machine.",
    )
    language = models.CharField(max_length=10, default="en")
    specialty = models.CharField(max_length=60, blank=True)
    sex = models.CharField(max_length=20, blank=True)
    age_band = models.CharField(max_length=10, blank=True)
    site = models.CharField(max_length=60, blank=True)
    gold = SealedJSONField(
        null=True, key="batch.original_key", help_text="A payload that came with the note, about the original text."
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager["Note"]] = NoteQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="note_number"),
            models.UniqueConstraint(fields=["project", "source_index"], name="note_source_once"),
        ]
        indexes = [models.Index(fields=["batch", "status"], name="note_batch_status")]

    def __str__(self) -> str:
        return f"Note {self.number}"


# A search index takes a limited number of words; the rest of a huge note is not searched.
NOTE_SEARCH = SearchVector(Left("text", 100_000), config="simple")


class DeidentifiedNote(models.Model):
    """The text of a note with its identifiers replaced. A correction is a new row that names the one it replaces."""

    note = models.ForeignKey(Note, on_delete=models.PROTECT, related_name="deidentified")
    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+")
    version = models.PositiveIntegerField(default=1)
    is_current = models.BooleanField(default=True)
    text = models.TextField()
    text_sha256 = models.CharField(max_length=64)
    spans = models.JSONField(
        default=list, help_text="[{start, end, label, score, source}] in code points of the original; no text."
    )
    suspects = models.JSONField(
        default=list, help_text="Spans like these that the second scan saw in the result: the reason to hold it back."
    )
    risk = models.FloatField(default=0, help_text="Sum of 1 - score over its spans: how many of them may be wrong.")
    gold = models.JSONField(null=True, help_text="The payload that came with the note, carried over to this text.")
    method = models.CharField(max_length=80)
    corrected_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="Nobody: the machine.",
    )
    created_at = models.DateTimeField(default=timezone.now)
    reviewed_at = models.DateTimeField(null=True, help_text="When a privacy officer last looked at it and saved.")
    reviewed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    released_at = models.DateTimeField(null=True)
    released_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["note", "version"], name="deidentified_version"),
            models.UniqueConstraint(fields=["note"], condition=models.Q(is_current=True), name="deidentified_current"),
            models.CheckConstraint(
                condition=models.Q(released_at=None, released_by=None)
                | models.Q(released_at__isnull=False, released_by__isnull=False),
                name="deidentified_release_pair",
            ),
        ]
        indexes = [GinIndex(NOTE_SEARCH, name="deidentified_search")]

    def __str__(self) -> str:
        return f"Note {self.note.number}"


class Incident(models.Model):
    """That somebody saw an identifier in a released note; the note is withdrawn at once.

    It stays open until a privacy officer writes what it was.
    """

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="incidents")
    note = models.ForeignKey(Note, on_delete=models.PROTECT, related_name="incidents")
    reported_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reported_at = models.DateTimeField(default=timezone.now)
    comment = SealedTextField(default="", key="note.batch.original_key", lost=LOST)
    text = models.ForeignKey(
        DeidentifiedNote, null=True, on_delete=models.PROTECT, related_name="incidents", help_text="The version seen."
    )
    n_items = models.PositiveIntegerField(default=0, help_text="Items that were taken away with it.")
    n_slots = models.PositiveIntegerField(default=0, help_text="Work on them that was waiting or in hand.")
    cause = SealedTextField(
        default="", key="note.batch.original_key", lost=LOST, help_text="What it was: who closed it says so."
    )
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

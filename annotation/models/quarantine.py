"""Texts that enter after de-identification: what was written about a note, and whether others may read it yet."""

from typing import Any, ClassVar

from django.apps import apps
from django.conf import settings
from django.db import models
from django.utils import timezone

from annotation.models.notes import Note
from clinicalft.models import BackgroundWork, Project


class TextScan(BackgroundWork):
    """The background job that looks for identifiers in texts that just entered; it goes on where it stopped."""

    TASK = "annotation.tasks.scan_texts"

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="+")
    language = models.CharField(
        max_length=10, default="en", help_text="Of texts about no note; the others have that of their note."
    )


class TextStatus(models.TextChoices):
    UNSCANNED = "UNSCANNED", "Not checked yet"
    CLEAN = "CLEAN", "Nothing found"
    WAITING = "WAITING", "Waits for a privacy officer"
    CLEARED = "CLEARED", "Cleared"
    CONFIRMED = "CONFIRMED", "Identifiers replaced"

    @property
    def meaning(self) -> str:
        return {
            "UNSCANNED": "A worker checks it for identifiers; nobody else reads it before that.",
            "CLEAN": "No pass found an identifier.",
            "WAITING": "It may hold an identifier; nobody else reads or uses it before a privacy officer decides.",
            "CLEARED": "A privacy officer decided that it holds no identifier.",
            "CONFIRMED": "A privacy officer confirmed identifiers; others read tags in their place.",
        }[self.value]


class QuarantinedText(models.Model):
    """The free text of one row (an answer, a comment, an output), from its entry to a decision. It holds no text.

    `object_type` and `object_id` name the row as audit events do; `fields` are those of its columns that hold text.
    """

    TRANSITIONS: ClassVar[dict[str, set[str]]] = {
        TextStatus.UNSCANNED: {TextStatus.CLEAN, TextStatus.WAITING},
        TextStatus.CLEAN: set(),
        TextStatus.WAITING: {TextStatus.CLEARED, TextStatus.CONFIRMED},
        TextStatus.CLEARED: set(),
        TextStatus.CONFIRMED: set(),
    }

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="quarantined_texts")
    object_type = models.CharField(max_length=60)
    object_id = models.PositiveBigIntegerField()
    fields = models.JSONField(default=list)
    note = models.ForeignKey(
        Note, null=True, on_delete=models.PROTECT, related_name="+", help_text="Whose identifiers are known."
    )
    scan = models.ForeignKey(TextScan, null=True, on_delete=models.PROTECT, related_name="texts")
    status = models.CharField(max_length=10, choices=TextStatus.choices, default=TextStatus.UNSCANNED)
    spans = models.JSONField(
        default=list, help_text="[{place, start, end, label, score, source}]: `place` is the field and the way into it."
    )
    reason = models.CharField(max_length=200, blank=True, help_text="Why it could not be checked; no text.")
    risk = models.FloatField(default=0, help_text="Sum of the scores of its spans: how many identifiers to expect.")
    entered_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["object_type", "object_id"], name="quarantined_once"),
            models.CheckConstraint(
                condition=models.Q(decided_at=None, decided_by=None, status__in=["UNSCANNED", "CLEAN", "WAITING"])
                | models.Q(
                    decided_at__isnull=False, decided_by__isnull=False, status__in=["CLEARED", "CONFIRMED"]
                ),
                name="quarantined_decision",
            ),
        ]  # fmt: skip
        indexes = [models.Index(fields=["project", "status", "-risk"], name="quarantined_queue")]

    def __str__(self) -> str:
        return f"Text of {self.what} {self.object_id}"

    @property
    def what(self) -> str:
        """The kind of row in words: "annotation", "harm review"."""
        return str(self.model._meta.verbose_name)

    @property
    def model(self) -> type[models.Model]:
        """The kind of row whose text this is."""
        found: Any = apps.get_model(self.object_type)
        return found

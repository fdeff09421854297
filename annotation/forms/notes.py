"""Forms of steps 1 and 2: they parse and clean, and never save."""

import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from annotation import importers
from annotation.deid import LABELS
from annotation.models import NoteStatus

# Field of ours -> label and help, in the groups in which the page shows them. The day a note was written is an
# identifier itself, so it is not offered.
FIELDS: dict[str, dict[str, tuple[str, str]]] = {
    "The note": {
        "text": ("Text", "The note itself. The only one that must be there."),
        "source_id": ("Note id", "Keeps a note from being imported twice. Encrypted."),
        "language": ("Language", "en, es, ar ..."),
        "specialty": ("Specialty", ""),
        "site": ("Site", "Ward, clinic or hospital."),
    },
    "The patient": {
        "patient_id": ("Patient id", "Keeps one patient's notes together. Encrypted."),
        "sex": ("Sex", ""),
        "age": ("Age", "In years; kept as a band, 90 and over as one."),
    },
    "What names the patient": {
        "first_name": ("First name", ""),
        "middle_name": ("Middle name", ""),
        "last_name": ("Last name", ""),
        "other_names": ("Other names", "Relatives, maiden name, aliases."),
        "birth_date": ("Date of birth", ""),
        "mrn": ("Medical record number", ""),
        "phone": ("Telephone", ""),
        "email": ("E-mail", ""),
        "ssn": ("Social security number", ""),
        "health_plan_id": ("Health plan number", ""),
        "account": ("Account number", ""),
        "address": ("Address", ""),
        "city": ("City", ""),
        "zip": ("ZIP code", ""),
        "other_ids": ("Other numbers", ""),
    },
    "Answers that came with it": {
        "label": ("Gold label", "A class that somebody has given the note already."),
        "annotation": ("Gold annotation", "A whole answer, as an object."),
    },
}
OFFERED = frozenset(name for group in FIELDS.values() for name in group)


UNREADABLE = "The marks could not be read, so nothing was saved. Load the page again."


class UploadForm(forms.Form):
    """A file of notes. `cleaned_data["file"]` is (name, text)."""

    file = forms.FileField(
        error_messages={
            "required": "Choose a file of notes first.",
            "empty": "This file is empty. Choose one with at least one note.",
        },
    )

    def clean_file(self) -> tuple[str, str]:
        file: UploadedFile = self.cleaned_data["file"]
        name = str(file.name)
        if (file.size or 0) > settings.MAX_UPLOAD_BYTES:
            limit = settings.MAX_UPLOAD_BYTES // 1_048_576
            raise forms.ValidationError(f"{name} is larger than {limit} MB. Split it and upload the parts one by one.")
        data = file.read()
        try:
            importers.preview(data, name)
        except importers.ImportFault as fault:
            raise forms.ValidationError(str(fault)) from fault
        return name, data.decode()


class MappingForm(forms.Form):
    """Which column of the file is which field of ours, and what becomes of bad rows."""

    skip_bad_rows = forms.TypedChoiceField(
        label="If rows have problems",
        choices=[("", "Import nothing: I will mend the file"), ("yes", "Import the good rows and list the rest")],
        widget=forms.RadioSelect,
        coerce=bool,
        required=False,
        empty_value=False,
    )

    def __init__(self, *args: Any, columns: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", "not in this file"), *((column, column) for column in columns)]
        for group in FIELDS.values():
            for name, (label, help_text) in group.items():
                self.fields[name] = forms.ChoiceField(
                    label=label, help_text=help_text, choices=choices, required=name in importers.REQUIRED
                )
        self.fields["text"].error_messages["required"] = "Choose the column that holds the text of the notes."

    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """The mapping's fields as the page shows them."""
        return [(title, [self[name] for name in names]) for title, names in FIELDS.items()]

    def clean(self) -> dict[str, Any]:
        chosen = list(self.mapping().values())
        for column in {column for column in chosen if chosen.count(column) > 1}:
            raise forms.ValidationError(f"Column {column} is chosen twice. Each column can be one thing only.")
        return self.cleaned_data

    def mapping(self) -> dict[str, str]:
        """Field of ours -> column, for what is in the file."""
        return {name: self.cleaned_data[name] for name in sorted(OFFERED) if self.cleaned_data.get(name)}


class ReviewForm(forms.Form):
    """The spans that hold after a review, as [{start, end, label}], and the version that was looked at."""

    spans = forms.CharField(widget=forms.HiddenInput)
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    def clean_spans(self) -> list[dict[str, Any]]:
        try:
            raw = json.loads(self.cleaned_data["spans"])
            spans = [{"start": int(s["start"]), "end": int(s["end"]), "label": str(s["label"])} for s in raw]
        except (ValueError, TypeError, KeyError) as fault:
            raise forms.ValidationError(UNREADABLE) from fault
        if any(span["label"] not in LABELS for span in spans):
            raise forms.ValidationError("A mark has a label that does not exist. Load the page again.")
        return spans


class HoldForm(forms.Form):
    reason = forms.CharField(max_length=200, label="Why it is held back", help_text="Without identifiers, please.")


class ReportForm(forms.Form):
    comment = forms.CharField(
        max_length=2000, required=False, label="What you saw", widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Only privacy officers read this; it is kept encrypted.",
    )  # fmt: skip


class ReleaseForm(forms.Form):
    n_shown = forms.IntegerField(widget=forms.HiddenInput, min_value=0)


class NoteFilterForm(forms.Form):
    """Filters of the list of released notes."""

    q = forms.CharField(required=False, max_length=200, label="Words in the text", strip=True)
    batch = forms.TypedChoiceField(required=False, coerce=int, empty_value=None)
    specialty = forms.ChoiceField(required=False)

    def __init__(self, *args: Any, batches: Sequence[int], specialties: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["batch"].choices = [("", "All"), *((n, f"Batch {n}") for n in batches)]  # type: ignore[attr-defined]
        self.fields["specialty"].choices = [("", "All"), *((s, s) for s in specialties)]  # type: ignore[attr-defined]


class StatusFilterForm(forms.Form):
    status = forms.ChoiceField(required=False, choices=[("", ""), *NoteStatus.choices])

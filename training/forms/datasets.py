"""Forms of datasets; they parse and clean and never save."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet

from annotation.models import Round
from training.imports import COLUMNS, FORMS, ImportRefused, look
from training.models import DatasetImport, PromptTemplate


class FreezeForm(forms.Form):
    """Which rounds or imports go into a dataset and how it is split."""

    title = forms.CharField(max_length=120)
    rounds = forms.ModelMultipleChoiceField(
        queryset=Round.objects.none(), widget=forms.CheckboxSelectMultiple, required=False
    )  # fmt: skip
    imports = forms.ModelMultipleChoiceField(
        queryset=DatasetImport.objects.none(), widget=forms.CheckboxSelectMultiple, required=False
    )  # fmt: skip
    instruction = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4}), required=False,
        help_text="What the model is asked to do with each note. Empty uses the wording made from the labels; imported "
        "examples keep their own.",
    )  # fmt: skip
    template = forms.ModelChoiceField(
        PromptTemplate.objects.none(), required=False, empty_label="None: the instruction, then the note",
        label="Prompt template",
        help_text="How a note is put to the model, in training and in use. Imported examples keep their own wording.",
    )  # fmt: skip
    train_percent = forms.IntegerField(min_value=1, max_value=98, initial=80, label="Train, in per cent of the notes")
    validation_percent = forms.IntegerField(
        min_value=1, max_value=98, initial=10, label="Validation, in per cent",
        help_text="The rest is the held-out test. All notes of a patient go to the same part.",
    )  # fmt: skip
    seed = forms.IntegerField(
        min_value=0,
        max_value=2**31 - 2,
        required=False,
        help_text="Empty draws one. The same seed splits the same way.",
    )

    def __init__(
        self, *args: Any, rounds: QuerySet[Round], imports: QuerySet[DatasetImport],
        templates: QuerySet[PromptTemplate], **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__(*args, **kwargs)
        self.fields["template"].queryset = templates  # type: ignore[attr-defined]
        self.fields["rounds"].queryset = rounds  # type: ignore[attr-defined]
        self.fields["imports"].queryset = imports  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        train, validation = cleaned.get("train_percent"), cleaned.get("validation_percent")
        if train and validation and train + validation > 99:
            self.add_error("validation_percent", "Train and validation leave nothing for the held-out test. Lower one.")
        return cleaned


class DatasetUploadForm(forms.Form):
    """One file of examples. `cleaned_data["file"]` is (name, text)."""

    file = forms.FileField(error_messages={"required": "Choose a file first.", "empty": "This file is empty."})

    def clean_file(self) -> tuple[str, str]:
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > settings.MAX_UPLOAD_BYTES:
            limit = settings.MAX_UPLOAD_BYTES // 1_048_576
            raise forms.ValidationError(f"{file.name} is larger than {limit} MB. Split it and import the parts.")
        try:
            text = file.read().decode("utf-8-sig")
            look(text)
        except UnicodeDecodeError:
            raise forms.ValidationError(f"{file.name} is not UTF-8. Save it as UTF-8 and choose it again.") from None
        except ImportRefused as fault:
            raise forms.ValidationError(str(fault)) from None
        return str(file.name), text


class DatasetImportForm(forms.Form):
    """What a file is, where it comes from, and which of its columns says what."""

    title = forms.CharField(max_length=120)
    source = forms.CharField(
        max_length=500,
        help_text="Where it was made and by whom, as you would cite it. The card repeats it.",
    )
    licence = forms.CharField(
        max_length=120, help_text="For instance CC BY 4.0, MIT, or “internal, by agreement of ...”."
    )
    language = forms.CharField(
        max_length=10, help_text="en, es, fr ...: the rows are checked for identifiers by the rules of this language."
    )
    form = forms.ChoiceField(
        label="Form", choices=[(name, title) for name, (title, _) in FORMS.items()],
        help_text="Recognised by its columns; choose another if it is wrong.",
    )  # fmt: skip
    question = forms.ChoiceField(required=False, label="Column of the question")
    answer = forms.ChoiceField(required=False, label="Column of the answer")
    rejected = forms.ChoiceField(required=False, label="Column of the worse answer")
    system = forms.ChoiceField(required=False, label="Column of the system message")
    patient = forms.ChoiceField(
        required=False, label="Column of the patient",
        help_text="All rows of a patient go to the same part. Without one each row stands for itself.",
    )  # fmt: skip
    instruction = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 2}), label="System message for rows that have none"
    )

    def __init__(self, *args: Any, columns: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("question", "answer", "rejected", "system", "patient"):
            choices = [("", "None"), *((column, column) for column in columns)]
            self.fields[name].choices = choices  # type: ignore[attr-defined]

    @property
    def has_columns(self) -> bool:
        """Whether the form needs to be told which column is the question and which the answer."""
        return bool(self["form"].value() == COLUMNS)

    def mapping(self) -> Mapping[str, str]:
        """Field -> column, of a valid form."""
        wanted = ("question", "answer", "rejected", "system", "patient") if self.has_columns else ("patient",)
        return {name: self.cleaned_data[name] for name in wanted if self.cleaned_data[name]}

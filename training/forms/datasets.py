"""Forms of datasets; they parse and clean and never save."""

from typing import Any

from django import forms
from django.db.models import QuerySet

from annotation.models import Round


class FreezeForm(forms.Form):
    """Which rounds go into a dataset and how it is split."""

    title = forms.CharField(max_length=120)
    rounds = forms.ModelMultipleChoiceField(
        queryset=Round.objects.none(), widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one round."},
    )  # fmt: skip
    instruction = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4}), required=False,
        help_text="What the model is asked to do with each note. Empty uses the wording made from the labels.",
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

    def __init__(self, *args: Any, rounds: QuerySet[Round], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["rounds"].queryset = rounds  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        train, validation = cleaned.get("train_percent"), cleaned.get("validation_percent")
        if train and validation and train + validation > 99:
            self.add_error("validation_percent", "Train and validation leave nothing for the held-out test. Lower one.")
        return cleaned

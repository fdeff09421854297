"""What leads and raters send: rounds to open, ratings as they stand on the page, decisions on flags."""

import json
from typing import Any

from django import forms
from django.db.models import QuerySet

from clinicalft.models import User
from evaluation.models import HarmOutcome, Inference
from evaluation.rubrics import Flag, Rubric

YES, NO = "yes", "no"
TEXTS = ("note", "output")


class RatingRoundForm(forms.Form):
    """Which outputs are rated by whom."""

    title = forms.CharField(max_length=120, help_text="Raters see it, so it names no model.")
    inferences = forms.ModelMultipleChoiceField(
        queryset=Inference.objects.none(), widget=forms.CheckboxSelectMultiple, label="Outputs of",
        help_text="Rating the base model, too, shows what the adapter changed. Raters never see which is which.",
    )  # fmt: skip
    raters = forms.ModelMultipleChoiceField(
        queryset=User.objects.none(), widget=forms.CheckboxSelectMultiple, help_text="Three to five clinicians."
    )
    sample_size = forms.IntegerField(
        min_value=1, required=False, label="Notes",
        help_text="How many notes are drawn; empty takes all. No second note of a patient before each has given one.",
    )  # fmt: skip
    due_on = forms.DateField(required=False, label="Due on", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, inferences: QuerySet[Inference], raters: QuerySet[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["inferences"].queryset = inferences  # type: ignore[attr-defined]
        self.fields["inferences"].label_from_instance = lambda row: f"{row.system} ({row.dataset}, {row})"  # type: ignore[attr-defined]
        self.fields["raters"].queryset = raters  # type: ignore[attr-defined]


class RatingForm(forms.Form):
    """A rating as it stands on the page, whole or not: `answers` and `flags` as `evaluation.rubrics` wants them."""

    revision = forms.IntegerField(min_value=0)
    seconds = forms.IntegerField(min_value=0, max_value=86_400, required=False)
    comment = forms.CharField(required=False, max_length=2000)

    def __init__(self, data: Any, *, rubric: Rubric) -> None:
        super().__init__(data)
        self.rubric = rubric

    def clean_seconds(self) -> int:
        return self.cleaned_data["seconds"] or 0

    @property
    def fault(self) -> str:
        """The first thing that is wrong, in one sentence."""
        name, faults = next(iter(self.errors.items()))
        if name == "comment":
            return "The comment is longer than 2,000 characters. Shorten it."
        return f"The page sent something unreadable ({name}: {faults[0]}). Load it again; your saved answers are kept."

    @property
    def answers(self) -> dict[str, Any]:
        """The chosen point of each question; questions without a choice are left out."""
        chosen = {}
        for question in self.rubric.questions:
            by_text = {str(value): value for value in question.values}
            if (given := self.data.get(question.key)) in by_text:
                chosen[question.key] = by_text[given]
        return chosen

    @property
    def flags(self) -> dict[str, Any]:
        """What was chosen for each flag, with the words marked for it; flags without a choice are left out."""
        return {flag.key: self._flag(flag) for flag in self.rubric.flags if self.data.get(flag.key) in (YES, NO)}

    def _flag(self, flag: Flag) -> dict[str, Any]:
        if self.data.get(flag.key) == NO:
            return {"raised": False}
        chosen = {name: self.data.get(f"{flag.key}-{name}", "") for name in ("kind", "severity")}
        evidence = [
            {"field": name, "start": span.get("start"), "end": span.get("end")}
            for name in TEXTS
            for span in _list_of_objects(self.data.get(f"{name}-spans", ""))
            if span.get("label") == flag.key
        ]
        return {"raised": True, **chosen, "evidence": evidence}


def _list_of_objects(text: str) -> list[dict[str, Any]]:
    """What the span editor sent; anything else is as if nothing were marked, which the rubric then asks for."""
    try:
        value = json.loads(text or "[]")
    except json.JSONDecodeError:
        return []
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


class HarmReviewForm(forms.Form):
    """A senior clinician's decision on one flag of one output."""

    output = forms.IntegerField(widget=forms.HiddenInput)
    flag = forms.CharField(max_length=20)
    outcome = forms.ChoiceField(choices=HarmOutcome.choices)
    reason = forms.CharField(max_length=1000)

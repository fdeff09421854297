"""Choosing the adapter that is to answer."""

from django import forms
from django.db.models import QuerySet

from training.models import Adapter, Split


class InferenceForm(forms.Form):
    """Which adapter answers which split; its base model answers the same for comparison."""

    adapter = forms.ModelChoiceField(queryset=Adapter.objects.none(), empty_label=None)
    split = forms.ChoiceField(
        choices=[choice for choice in Split.choices if choice[0] != Split.TRAIN], initial=Split.TEST,
        help_text="Only the held-out split says how the adapter does on notes that it has never seen.",
    )  # fmt: skip

    def __init__(self, *args: object, adapters: QuerySet[Adapter], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.fields["adapter"].queryset = adapters  # type: ignore[attr-defined]

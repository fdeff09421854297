"""What the workbench sends."""

from django import forms

from annotation.models import SkipReason


class PayloadField(forms.JSONField):
    # An empty payload is a payload: what is missing in it is the kind's to say.
    empty_values = (None, "")


class WorkForm(forms.Form):
    """An answer as it stands on the page: the payload as JSON, and which saved version it was made from."""

    payload = PayloadField()
    revision = forms.IntegerField(min_value=0)
    seconds = forms.IntegerField(min_value=0, required=False)
    comment = forms.CharField(required=False, max_length=2000)

    def clean_seconds(self) -> int:
        return self.cleaned_data["seconds"] or 0

    @property
    def fault(self) -> str:
        """The first thing that is wrong, in one sentence."""
        name, faults = next(iter(self.errors.items()))
        if name == "comment":
            return "The note to the lead is longer than 2,000 characters. Shorten it."
        return f"The page sent something unreadable ({name}: {faults[0]}). Load it again; your saved draft is kept."


class SkipForm(forms.Form):
    """Why an item is passed on."""

    reason = forms.ChoiceField(choices=SkipReason.choices)
    comment = forms.CharField(required=False, max_length=2000)

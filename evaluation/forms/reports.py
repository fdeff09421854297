"""Signing."""

from django import forms


class SignatureForm(forms.Form):
    """A decision on a deployment. The password is asked for again: a session alone cannot sign."""

    reason = forms.CharField(
        required=False, max_length=1000, widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Needed to reject; welcome with an approval.",
    )  # fmt: skip
    password = forms.CharField(
        strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}), label="Your password",
        help_text="Your signature: printed name, time and meaning are stored with the digest of this report.",
    )  # fmt: skip

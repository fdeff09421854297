"""The one error of de-identification."""


class DeidError(ValueError):
    """A note cannot be de-identified safely. The message is one sentence that never contains the text."""

from django.apps import AppConfig


class AnnotationConfig(AppConfig):
    """Steps 1 to 5: notes, de-identification, rounds, annotations, agreement."""

    name = "annotation"
    default_auto_field = "django.db.models.BigAutoField"

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    """Steps 6 to 8: datasets, runs, adapters."""

    name = "training"
    default_auto_field = "django.db.models.BigAutoField"

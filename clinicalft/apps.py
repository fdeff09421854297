from django.apps import AppConfig


class ClinicalftConfig(AppConfig):
    """The shared ground: people, projects, access, audit, background work."""

    name = "clinicalft"
    default_auto_field = "django.db.models.BigAutoField"

from django.apps import AppConfig

# Tasks are sent and registered on the current Celery application: it must be ours in every process.
from clinicalft import celery as celery


class ClinicalftConfig(AppConfig):
    """The shared ground: people, projects, access, audit, background work."""

    name = "clinicalft"
    default_auto_field = "django.db.models.BigAutoField"

import gc

from django.apps import AppConfig

# Tasks are sent and registered on the current Celery application: it must be ours in every process.
from clinicalft import celery as celery

# From here until all apps are ready nothing becomes garbage, and looking for it takes a fifth of each process's start.
gc.disable()


class ClinicalftConfig(AppConfig):
    """The shared ground: people, projects, access, audit, background work."""

    name = "clinicalft"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        gc.freeze()
        gc.enable()

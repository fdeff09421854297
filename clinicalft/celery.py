"""The Celery application: its settings are those named CELERY_ in settings.py, its tasks those of our apps."""

import logging.config
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinicalft.settings")

# Django's checks import every page, which no worker needs; bin/check and the command that migrates make them.
os.environ.setdefault("CELERY_SKIP_CHECKS", "1")

app = Celery("clinicalft")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# Named and not imported: it needs the models, which are there when a worker starts.
app.steps["consumer"].add("clinicalft.presence.Presence")


@setup_logging.connect
def log_as_the_web_does(**kwargs: Any) -> None:
    """Celery would print task arguments and exception texts in a format of its own."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)

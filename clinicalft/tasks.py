"""Celery doorways of the shared ground."""

from celery import shared_task

from clinicalft import jobs


@shared_task
def requeue_lost_work() -> None:
    """The janitor: beat calls it every 15 seconds."""
    jobs.requeue_lost_work()

"""Files that wait for the person who sent them to confirm: one per person, project and kind, encrypted under a key of
its own, which goes with it. Called by the actions of each kind, inside their transactions."""

from datetime import timedelta
from functools import partial
from typing import TypeVar

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from annotation.models import WaitingFile
from clinicalft.crypto import destroy_data_key, new_data_key
from clinicalft.models import Project, User

KEPT = timedelta(days=1)

Kind = TypeVar("Kind", bound=WaitingFile)


def keep_upload(kind: type[Kind], *, project: Project, file_name: str, content: str, by: User) -> Kind:
    """Keeps a file until `by` confirms or discards it; it takes the place of the one that waited before.

    Whatever anybody left waiting in this project for a day goes as well.
    """
    waiting = kind._default_manager.filter(project=project)
    drop_uploads(waiting.filter(created_at__lt=timezone.now() - KEPT))
    before = waiting.filter(created_by=by).values_list("original_key", flat=True).first()
    upload, _ = kind._default_manager.update_or_create(
        project=project, created_by=by,
        defaults={
            "file_name": file_name[-255:], "content": content, "created_at": timezone.now(),
            "original_key": new_data_key(),
        },
    )  # fmt: skip
    drop_keys(before)
    return upload


def drop_uploads(uploads: QuerySet[Kind]) -> None:
    """Removes waiting files and their keys; nothing of them is kept."""
    keys = list(uploads.values_list("original_key", flat=True))
    uploads.delete()
    drop_keys(*keys)


def drop_keys(*keys: str | None) -> None:
    """Destroys keys of what was removed, once it is removed for good."""
    for key in filter(None, keys):
        transaction.on_commit(partial(destroy_data_key, key))

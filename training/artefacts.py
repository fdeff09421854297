"""Adapters and merged models travel by the artefact store (settings.STORAGES), adapters under their digest.

Of an adapter every host looks into its own folder of runs first, and has it whole or not at all. Nothing is trusted
because of where it lies: each file is hashed on its way in, and an adapter's on its way out.
"""

import fcntl
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages

from training.engine.files import read_json, sha256_of_file
from training.engine.outcome import BadInput, is_disk_full
from training.models import Adapter

MANIFEST = "manifest.json"
BLOCK = 1 << 20
RESUME = "Check ARTEFACTS_URL or ARTEFACTS_DIR, then resume: what was trained is still on its host."
AGAIN = "Check ARTEFACTS_URL or ARTEFACTS_DIR, then try again."


def store() -> Storage:
    """The artefact store: a local folder, or a bucket of an S3-compatible store."""
    return storages["artefacts"]


def adapter_folder(adapter: Adapter) -> Path:
    """Where the adapter's files lie on this host; fetched from the store where it was made on another one.

    Raises BadInput when the store has it not, or not whole.
    """
    made_here = Path(settings.RUNS_DIR) / adapter.folder
    if (made_here / MANIFEST).is_file():
        return made_here
    fetched = Path(settings.RUNS_DIR) / "adapters" / adapter.sha256
    fetch(adapter.sha256, adapter.manifest["files"], fetched)
    return fetched


def keep_adapter(folder: Path) -> None:
    """Copies an adapter folder into the store. Safe to repeat; raises BadInput when a file is not what its manifest
    says, so that nothing half written is ever kept."""
    manifest = read_json(folder / MANIFEST)
    keep(manifest["digest"], folder, manifest["files"])


def keep(sha256: str, folder: Path, files: Mapping[str, str]) -> None:
    """Copies `files` (name -> SHA-256) of `folder` and its manifest, which comes last: with it the copy is whole."""
    for name, expected in files.items():
        if not (folder / name).is_file() or sha256_of_file(folder / name) != expected:
            raise BadInput(
                f"The adapter's file {name} is missing or not whole.", "Resume the run: it writes its adapter again."
            )
    with _plain():
        for name in (*files, MANIFEST):
            _send(folder / name, f"adapters/{sha256}/{name}")


def _send(path: Path, place: str) -> None:
    if store().exists(place):
        if path.name != MANIFEST and store().size(place) == path.stat().st_size:
            return
        # Left behind half written, or a manifest, which is small: a new copy takes its place.
        store().delete(place)
    with path.open("rb") as source:
        store().save(place, File(source, name=path.name))


def fetch(sha256: str, files: Mapping[str, str], folder: Path) -> None:
    """Copies an adapter from the store to `folder`, which appears whole or not at all. Raises BadInput."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f".{folder.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / MANIFEST).is_file():
            return
        part = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        with _plain():
            for name in (*files, MANIFEST):
                _copy(f"adapters/{sha256}/{name}", part / name)
        if any(sha256_of_file(part / name) != expected for name, expected in files.items()):
            shutil.rmtree(part)
            raise BadInput(
                "The artefact store holds this adapter with other content than was registered.",
                "Restore the store from its backup, or train the adapter again.",
            )
        part.rename(folder)


def send_anew(path: Path, place: str) -> None:
    """Copies a file to `place` in the store, where nothing or only what a killed copy left is kept. Raises BadInput."""
    with _plain(AGAIN):
        store().delete(place)
        with path.open("rb") as source:
            store().save(place, File(source, name=path.name))


def digest_of(place: str) -> str | None:
    """SHA-256 of a file in the store, read whole; None where there is none. Raises BadInput."""
    found = hashlib.sha256()
    with _plain(AGAIN):
        if not store().exists(place):
            return None
        with store().open(place) as stream:
            while block := stream.read(BLOCK):
                found.update(block)
    return found.hexdigest()


def drop_folder(place: str) -> None:
    """Deletes the files that lie directly in a folder of the store; nothing where there is none. Raises BadInput."""
    with _plain(AGAIN):
        try:
            names = store().listdir(place)[1]
        except FileNotFoundError:
            # A folder of this machine; a bucket without such a prefix says that it is empty.
            return
        for name in names:
            store().delete(f"{place}/{name}")


@contextmanager
def _plain(advice: str = RESUME) -> Iterator[None]:
    """Whatever a store raises, which each kind does in its own way, as one sentence; a full disk stays one."""
    try:
        yield
    except BadInput:
        raise
    except Exception as error:
        if is_disk_full(error):
            raise
        raise BadInput(f"The artefact store could not be used ({type(error).__name__}).", advice) from error


def _copy(place: str, path: Path) -> None:
    if not store().exists(place):
        raise BadInput(
            "The adapter is neither on this host nor in the artefact store.",
            "Check ARTEFACTS_URL or ARTEFACTS_DIR of the host that made it and of this one.",
        )
    with store().open(place) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)

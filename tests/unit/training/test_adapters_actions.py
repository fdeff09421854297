"""Adapters leave as signed archives and come in from those of trusted sites; what came in is never taken for ours."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction

from clinicalft import environment, jobs
from clinicalft.access import Refused
from clinicalft.models import AuditEvent
from evaluation import lineage
from evaluation.actions.inference import start_inference
from evaluation.models import Inference, Report
from evaluation.rules.reports import check_sign
from evaluation.snapshot import write_inference_folder
from tests.factories.adapters import (
    archive_file,
    being_merged,
    exported,
    imported_adapter,
    key_of_this_site,
    merged,
    registered_adapter,
    runs_folder,
    safetensors,
)
from tests.personas import Cast, make_cast
from training.actions.adapters import (
    add_trusted_key,
    download_export,
    export_adapter,
    verify_adapter,
    withdraw_trusted_key,
)
from training.adapter_archive import verify
from training.adapter_files import export_folder, sweep_exports, trusted_keys
from training.artefacts import adapter_folder, send_anew
from training.engine.adapter import FILES
from training.models import Adapter, AdapterExport, AdapterImport, BaseModel
from training.tasks import whole_or_gone

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def places(settings: Any, tmp_path: Path) -> None:
    settings.KEYS_DIR, settings.RUNS_DIR = tmp_path / "keys", tmp_path / "runs"


@pytest.fixture
def store(settings: Any, tmp_path: Path) -> Path:
    """The folder of the artefact store."""
    kept = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path / "store"}}
    settings.STORAGES = {**settings.STORAGES, "artefacts": kept}
    return tmp_path / "store"


@pytest.fixture
def cast() -> Cast:
    return make_cast()


@pytest.fixture
def archive(cast: Cast, tmp_path: Path) -> bytes:
    """The archive of an adapter of the cast's project."""
    return archive_file(exported(registered_adapter(cast), cast), tmp_path / "out.zip").read_bytes()


def imported_here(cast: Cast, archive: bytes) -> Adapter:
    """The archive imported into the cast's project, as if its own adapter had never been there."""
    with thawed("training_adapterexport", "training_adapter"):
        AdapterExport.objects.all().delete()
        Adapter.objects.all().delete()
    return imported_adapter(cast, io.BytesIO(archive), cast.project)


@contextmanager
def thawed(*tables: str) -> Iterator[None]:
    """Rows of these tables may be changed, as by somebody who owns the database."""
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE {table} DISABLE TRIGGER USER")
        yield
        for table in tables:
            cursor.execute(f"SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE {table} ENABLE TRIGGER USER")


# ---------- out


def test_the_archive_is_what_the_row_says_and_its_card_comes_from_rows(cast: Cast, tmp_path: Path) -> None:
    adapter = registered_adapter(cast)
    export = exported(adapter, cast)

    with archive_file(export, tmp_path / "a.zip").open("rb") as stream:
        found = verify(stream, trusted_keys())

    assert (found.sha256, found.n_bytes) == (export.archive_sha256, export.archive_bytes)
    assert found.manifest == export.manifest
    assert set(found.manifest["files"]) == {"README.md", *FILES}
    dataset = adapter.run.dataset  # type: ignore[union-attr]
    assert found.manifest["dataset"]["sha256"] == dataset.sha256
    assert f"{dataset.n_train} examples for training" in export.card
    assert "Held-out loss per learnt token over 3 conversations: 4.0000 for the base model, 1.5000" in export.card
    assert export.card.startswith('---\nlibrary_name: "peft"\npipeline_tag: "text-generation"\nbase_model: "tiny"\n')


def test_nothing_that_leaves_names_a_path_a_person_or_a_word_of_a_note(cast: Cast, archive: bytes) -> None:
    texts = [word for note in cast.project.datasets.get().examples.all() for word in note.text.split() if len(word) > 9]

    assert str(runs_folder()).encode() not in archive
    for word in [*texts, cast.ada.email, cast.lea.email]:
        assert word.encode() not in archive


def test_one_export_at_a_time_and_only_for_those_who_may(cast: Cast) -> None:
    adapter = registered_adapter(cast)
    export_adapter(adapter, form="ADAPTER", by=cast.lea)

    with pytest.raises(Refused, match="waiting or running already"):
        export_adapter(adapter, form="ADAPTER", by=cast.lea)
    with pytest.raises(Refused) as refused:
        export_adapter(adapter, form="ADAPTER", by=cast.ben)
    assert refused.value.code == "permission"


def test_a_model_that_was_trained_whole_has_no_adapter_to_export(cast: Cast) -> None:
    adapter = registered_adapter(cast)
    with thawed("training_adapter"):
        Adapter.objects.update(manifest=adapter.manifest | {"method": "full"})

    with pytest.raises(Refused, match="Export the merged model"):
        export_adapter(adapter, form="ADAPTER", by=cast.lea)


def test_each_download_is_audited_before_its_first_byte(cast: Cast) -> None:
    export = exported(registered_adapter(cast), cast)

    download_export(export, by=cast.lea)

    assert AuditEvent.objects.get(act="ADAPTER_DOWNLOAD").detail["sha256"] == export.archive_sha256


def test_verifying_finds_weights_and_manifests_that_were_altered(cast: Cast) -> None:
    adapter = registered_adapter(cast)
    export = exported(adapter, cast)
    assert verify_adapter(adapter, by=cast.lea) == []

    export.manifest["dataset"]["n_patients"] += 1
    with thawed("training_adapterexport"):
        export.save()
    (adapter_folder(adapter) / FILES[1]).write_bytes(b"other")

    faults = verify_adapter(adapter, by=cast.lea)
    assert len(faults) == 2
    assert f"has changed since it was registered: {FILES[1]}." in faults[0]
    assert "is not the one that was signed" in faults[1]


def test_an_export_of_altered_weights_fails_with_one_sentence(cast: Cast) -> None:
    from training.tasks import export_adapter as task

    adapter = registered_adapter(cast)
    (adapter_folder(adapter) / FILES[0]).write_text("{}")
    export = export_adapter(adapter, form="ADAPTER", by=cast.lea)
    task(export.pk)
    export.refresh_from_db()

    assert (export.status, export.archive_sha256) == ("FAILED", "")
    assert export.error.startswith("The adapter has changed since it was registered: adapter_config.json.")


# ---------- merged models


def test_a_merged_model_is_handed_out_from_the_store_on_any_host(
    cast: Cast, store: Path, tmp_path: Path, settings: Any
) -> None:
    export = merged(registered_adapter(cast), cast)

    settings.RUNS_DIR = tmp_path / "another host"
    with archive_file(export, tmp_path / "a.zip").open("rb") as stream:
        found = verify(stream, trusted_keys())

    assert (found.sha256, found.n_bytes) == (export.archive_sha256, export.archive_bytes)
    assert set(found.manifest["files"]) == {"README.md", "config.json", "model.safetensors"}


def test_verifying_hashes_every_file_of_a_merged_model_and_names_the_one_that_differs(cast: Cast, store: Path) -> None:
    adapter = registered_adapter(cast)
    export = merged(adapter, cast)
    assert verify_adapter(adapter, by=cast.lea) == []

    (store / f"exports/{export.pk}/model.safetensors").write_bytes(safetensors("other.weight"))
    (store / f"exports/{export.pk}/config.json").unlink()

    assert verify_adapter(adapter, by=cast.lea) == [
        "Export 1: config.json is missing from the artefact store. Restore the store, or export again.",
        "Export 1: model.safetensors is not what was signed: its digest differs.",
    ]
    assert AuditEvent.objects.filter(act="ADAPTER_VERIFY").latest("pk").detail["n_faults"] == 2


def test_a_store_that_does_not_answer_is_said_and_is_no_altered_file(cast: Cast, settings: Any, store: Path) -> None:
    adapter = registered_adapter(cast)
    merged(adapter, cast)
    nowhere = environment.bucket("http://key:secret@127.0.0.1:9/models", private=True)
    settings.STORAGES = {**settings.STORAGES, "artefacts": nowhere}

    (fault,) = verify_adapter(adapter, by=cast.lea)

    assert fault.startswith("Export 1: The artefact store could not be used (")


@pytest.mark.parametrize(
    ("fault", "left"),
    [
        (jobs.Cancelled, []), (jobs.Interrupted, []), (Refused("full", "No room."), []),
        # Another worker may be writing there by now.
        (jobs.LeaseLost, ["config.json", "model.safetensors"]),
    ],
    ids=["cancelled", "interrupted", "failed", "lease lost"],
)  # fmt: skip
def test_a_merge_that_ends_early_leaves_nothing_behind(
    cast: Cast, store: Path, fault: type[Exception] | Exception, left: list[str]
) -> None:
    export, _ = being_merged(registered_adapter(cast), cast)
    send_anew(export_folder(export).merged / "config.json", f"exports/{export.pk}/config.json")

    with pytest.raises(fault if isinstance(fault, type) else type(fault)), whole_or_gone(export):
        raise fault

    assert sorted(path.name for path in runs_folder().glob("export-*/merged/*")) == left
    assert len(list(store.glob("exports/*/*"))) == (1 if left else 0)


def test_what_a_killed_merge_left_goes_with_the_next_one_on_that_host(cast: Cast, store: Path) -> None:
    adapter = registered_adapter(cast)
    _, lease = being_merged(adapter, cast)
    jobs.fail(lease, jobs.LOST)
    going_on, _ = being_merged(adapter, cast)

    sweep_exports()

    assert [path.name for path in runs_folder().glob("export-*")] == [f"export-{going_on.pk}"]


# ---------- the command


def test_the_command_verifies_a_file_and_names_its_fault(cast: Cast, archive: bytes, tmp_path: Path) -> None:
    (tmp_path / "good.zip").write_bytes(archive)
    (tmp_path / "bad.zip").write_bytes(archive[:-9])
    said = io.StringIO()

    call_command("adapter_verify", str(tmp_path / "good.zip"), "--json", stdout=said)

    found = json.loads(said.getvalue())
    assert (found["is_intact"], found["form"], found["base_model_here"]) == (True, "adapter", "tiny")
    with pytest.raises(CommandError, match="no whole zip archive"):
        call_command("adapter_verify", str(tmp_path / "bad.zip"), stdout=io.StringIO())


def test_the_command_trusts_the_key_that_it_is_given_and_no_other(
    cast: Cast, archive: bytes, tmp_path: Path, settings: Any
) -> None:
    (tmp_path / "a.zip").write_bytes(archive)
    (tmp_path / "ours.pem").write_text(key_of_this_site())
    settings.KEYS_DIR = tmp_path / "another site"
    (tmp_path / "theirs.pem").write_text(key_of_this_site())

    with pytest.raises(CommandError, match="nobody here trusts"):
        call_command("adapter_verify", str(tmp_path / "a.zip"), stdout=io.StringIO())
    with pytest.raises(CommandError, match="nobody here trusts"):
        call_command("adapter_verify", str(tmp_path / "a.zip"), "--key", str(tmp_path / "theirs.pem"))
    call_command("adapter_verify", str(tmp_path / "a.zip"), "--key", str(tmp_path / "ours.pem"), stdout=io.StringIO())


# ---------- in


def test_an_imported_adapter_says_that_it_has_no_run_here(cast: Cast, archive: bytes) -> None:
    adapter = imported_here(cast, archive)

    assert (adapter.run, adapter.dataset, adapter.author) == (None, None, cast.ada)
    assert adapter.base_model == BaseModel.objects.get()
    assert {path.name for path in adapter_folder(adapter).iterdir()} == {*FILES, "manifest.json"}
    assert verify_adapter(adapter, by=cast.ada) == []
    assert AuditEvent.objects.get(act="ADAPTER_IMPORT").detail["sha256"] == adapter.sha256


def test_an_adapter_has_a_run_or_an_import_and_never_both_or_none(cast: Cast) -> None:
    adapter = registered_adapter(cast)

    with (
        thawed("training_adapter"),
        pytest.raises(IntegrityError, match="adapter_one_origin"),
        transaction.atomic(),
    ):
        Adapter.objects.filter(pk=adapter.pk).update(run=None)


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (lambda cast: BaseModel.objects.update(sha256="cd" * 32), "base-model"),
        (lambda cast: BaseModel.objects.update(status="FAILED"), "base-model"),
        (lambda cast: None, "here"),
    ],
    ids=["another base model", "one that is not ready", "here already"],
)
def test_what_does_not_belong_here_is_refused_and_leaves_no_file(
    cast: Cast, archive: bytes, prepare: Any, code: str
) -> None:
    prepare(cast)
    before = sorted(runs_folder().iterdir())

    with pytest.raises(Refused) as refused:
        imported_adapter(cast, io.BytesIO(archive), cast.project)

    assert refused.value.code == code
    assert sorted(runs_folder().iterdir()) == before
    assert not AdapterImport.objects.exists()
    assert AuditEvent.objects.get(act="ADAPTER_IMPORT_REFUSED").detail == {"code": code}


def test_another_sites_adapter_comes_in_while_its_key_is_trusted(
    cast: Cast, archive: bytes, settings: Any, tmp_path: Path
) -> None:
    theirs = key_of_this_site()
    settings.KEYS_DIR = tmp_path / "here"
    with pytest.raises(Refused, match="nobody here trusts"):
        imported_adapter(cast, io.BytesIO(archive))

    key = add_trusted_key(name="St. Elsewhere", public_key=theirs, by=cast.ada)
    adapter = imported_adapter(cast, io.BytesIO(archive))
    withdraw_trusted_key(key, by=cast.ada)

    assert adapter.imported.signer == "St. Elsewhere"  # type: ignore[union-attr]
    with pytest.raises(Refused, match="nobody here trusts"):
        imported_adapter(cast, io.BytesIO(archive), cast.project)


def test_only_admins_import_and_trust(cast: Cast, archive: bytes) -> None:
    with pytest.raises(Refused) as refused:
        add_trusted_key(name="Mine", public_key=key_of_this_site(), by=cast.lea)
    assert refused.value.code == "permission"
    with pytest.raises(Refused, match="no public key"):
        add_trusted_key(name="Mine", public_key="nonsense", by=cast.ada)


# ---------- what reads an adapter bears one without a run


def test_an_imported_adapter_answers_the_dataset_that_it_is_given(cast: Cast, archive: bytes) -> None:
    adapter = imported_here(cast, archive)
    dataset = cast.project.datasets.get()

    with pytest.raises(Refused, match="was imported, so it has no dataset here"):
        start_inference(adapter, by=cast.ada)
    made = start_inference(adapter, by=cast.ada, dataset=dataset)

    assert {row.dataset for row in made} == {dataset}
    (runs_folder().parent / "models" / "tiny").mkdir(parents=True)
    folder = write_inference_folder(Inference.objects.get(pk=made[0].pk))
    assert json.loads(folder.run_file.read_text())["config"]["adapter"].endswith(adapter.folder)


def test_a_dataset_of_another_project_is_not_answered(cast: Cast, archive: bytes) -> None:
    adapter = imported_adapter(cast, io.BytesIO(archive), cast.other_project)

    with pytest.raises(Refused, match="another project"):
        start_inference(adapter, by=cast.ada, dataset=cast.project.datasets.get())


def test_the_lineage_of_an_imported_adapter_ends_at_its_import(cast: Cast, archive: bytes) -> None:
    adapter = imported_here(cast, archive)

    links = lineage.of_adapter(adapter)

    assert [link.step for link in links] == ["Adapter", "Import", "Base model"]
    assert links[0].is_intact
    assert links[1].digest == adapter.imported.file_sha256  # type: ignore[union-attr]
    assert ("Signed by", "this site") in links[1].facts


def test_who_imported_an_adapter_has_no_say_in_its_release(cast: Cast, archive: bytes) -> None:
    adapter = imported_here(cast, archive)
    report = Report(project=cast.project, adapter=adapter, status="DONE")

    with pytest.raises(Refused, match="You imported this adapter") as refused:
        check_sign(cast.ada, report)

    assert refused.value.code == "author"

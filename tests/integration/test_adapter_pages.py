"""A lead takes an adapter away, an admin brings one in; the pages say honestly where each comes from."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from clinicalft.models import AuditEvent
from tests.factories.adapters import archive_file, exported, key_of_this_site, registered_adapter
from tests.factories.training import ready_base_model
from tests.pages import as_, text_of
from tests.personas import Cast, make_cast
from training.adapter_archive import verify
from training.adapter_files import trusted_keys
from training.artefacts import adapter_folder
from training.engine.adapter import FILES
from training.models import Adapter, AdapterExport, BaseModelBenchmark, TrustedKey
from training.tasks import export_adapter as export_task

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def places(settings: Any, tmp_path: Path) -> None:
    settings.KEYS_DIR, settings.RUNS_DIR = tmp_path / "keys", tmp_path / "runs"


@pytest.fixture
def cast() -> Cast:
    return make_cast()


def url(cast: Cast, name: str, *args: Any) -> str:
    return reverse(f"training:{name}", args=[cast.project.slug, *args])


def test_a_lead_exports_an_adapter_and_takes_away_what_was_signed(cast: Cast) -> None:
    adapter = registered_adapter(cast)
    lea, there = as_(cast.lea), url(cast, "adapter-detail", adapter.number)
    assert "Nothing has been exported yet" in text_of(lea.get(there))

    lea.post(url(cast, "adapter-export", adapter.number), {"form": "ADAPTER"})
    export = AdapterExport.objects.get()
    assert "Waiting" in text_of(lea.get(there))
    assert text_of(lea.get(there)).count("waiting or running already") == 2, "both buttons are greyed"
    export_task(export.pk)
    text = text_of(lea.get(there))
    assert lea.get(url(cast, "export-progress", export.number)).headers["HX-Refresh"] == "true"
    answer = lea.get(url(cast, "export-download", export.number))
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]

    export.refresh_from_db()
    assert export.archive_sha256 in text
    assert answer.headers["Content-Disposition"] == 'attachment; filename="adapter-1-adapter-1.zip"'
    assert int(answer.headers["Content-Length"]) == len(content)
    assert verify(io.BytesIO(content), trusted_keys()).sha256 == export.archive_sha256
    assert AuditEvent.objects.get(act="ADAPTER_DOWNLOAD").actor_id == cast.lea.pk


def test_verifying_says_what_it_found(cast: Cast) -> None:
    adapter = registered_adapter(cast)
    lea, there = as_(cast.lea), url(cast, "adapter-verify", adapter.number)

    assert "have the digest that was registered" in text_of(lea.post(there, follow=True))
    (adapter_folder(adapter) / FILES[1]).write_bytes(b"other")
    assert "has changed since it was registered" in text_of(lea.post(there, follow=True))


def test_an_unfinished_export_cannot_be_downloaded_and_can_be_cancelled_and_made_again(cast: Cast) -> None:
    adapter = registered_adapter(cast)
    lea = as_(cast.lea)
    lea.post(url(cast, "adapter-export", adapter.number), {"form": "ADAPTER"})
    number = AdapterExport.objects.get().number

    assert lea.get(url(cast, "export-download", number)).status_code == 409
    lea.post(url(cast, "export-cancel", number))
    assert AdapterExport.objects.get().status == "CANCELLED"
    lea.post(url(cast, "export-retry", number))
    assert AdapterExport.objects.get().status == "QUEUED"
    assert lea.post(url(cast, "adapter-export", adapter.number), {"form": "PICKLE"}).status_code == 409


def test_an_admin_imports_an_adapter_whose_page_says_that_nothing_stands_behind_it(cast: Cast, tmp_path: Path) -> None:
    export = exported(registered_adapter(cast), cast)
    content = archive_file(export, tmp_path / "a.zip").read_bytes()
    there = reverse("training:adapter-import", args=[cast.other_project.slug])

    answer = as_(cast.ada).post(there, {"file": SimpleUploadedFile("came.zip", content)}, follow=True)

    text = text_of(answer)
    assert "This site has no run, no dataset and no notes behind it" in text
    assert "signed by this site" in text_of(
        as_(cast.ada).get(reverse("training:adapter-list", args=[cast.other_project.slug]))
    )
    assert Adapter.objects.get(project=cast.other_project).imported.created_by == cast.ada  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"no zip at all", "no whole zip archive"), (b"", "This file is empty"), (None, "Choose a file first")],
)
def test_a_file_that_is_no_archive_is_refused_beside_the_field(
    cast: Cast, content: bytes | None, sentence: str
) -> None:
    data = {} if content is None else {"file": SimpleUploadedFile("a.zip", content)}

    answer = as_(cast.ada).post(url(cast, "adapter-import"), data)

    assert answer.status_code == 422
    assert sentence in text_of(answer)


def test_an_admin_trusts_a_key_once_and_withdraws_it(cast: Cast, settings: Any, tmp_path: Path) -> None:
    settings.KEYS_DIR = tmp_path / "elsewhere"
    theirs = key_of_this_site()
    settings.KEYS_DIR = tmp_path / "keys"
    ada, there = as_(cast.ada), reverse("trusted-key-list")

    assert ada.post(there, {"name": "St. Elsewhere", "public_key": theirs}).status_code == 302
    again = ada.post(there, {"name": "Again", "public_key": theirs})
    ada.post(reverse("trusted-key-withdraw", args=[TrustedKey.objects.get().pk]))

    assert "trusted already" in text_of(again)
    assert "withdrawn by Ada" in text_of(ada.get(there))


def test_looking_at_the_keys_makes_none_and_the_first_signature_does(cast: Cast, tmp_path: Path) -> None:
    adapter = registered_adapter(cast)
    ada, there = as_(cast.ada), reverse("trusted-key-list")

    before = text_of(ada.get(there))
    ada.get(url(cast, "adapter-import"))
    ada.post(url(cast, "adapter-verify", adapter.number))
    assert "There is none yet" in before
    assert not (tmp_path / "keys").exists()

    exported(adapter, cast)
    assert key_of_this_site() in text_of(ada.get(there))


# ---------- base models


def test_the_site_keeps_notes_and_benchmarks_with_their_counts(cast: Cast) -> None:
    base_model = ready_base_model(cast)
    ada, there = as_(cast.ada), reverse("base-model-detail", args=[base_model.pk])
    benchmark = {"name": "MedQA", "n_right": 60, "n": 100, "source": "Our own, greedy, in May."}

    ada.post(reverse("base-model-note", args=[base_model.pk]), {"text": "Stops too early."})
    ada.post(reverse("base-model-benchmark", args=[base_model.pk]), benchmark)
    wrong = ada.post(reverse("base-model-benchmark", args=[base_model.pk]), benchmark | {"n_right": 101})
    text = text_of(ada.get(there))

    assert "Stops too early." in text
    assert "60.0\xa0%" in text
    assert "n 100" in text
    assert wrong.status_code == 422
    assert "More were answered rightly than were asked." in text_of(wrong)
    assert BaseModelBenchmark.objects.count() == 1
    assert "Memory that it needs" in text


def test_the_catalogue_names_licence_memory_and_what_to_mind_and_downloads_nothing(cast: Cast) -> None:
    text = text_of(as_(cast.ada).get(reverse("base-model-catalogue")))

    for name in ("Llama 3.1 8B", "Llama 3.3 70B", "Mistral 7B", "BioMistral 7B", "Gemma 2 9B", "Qwen3 8B"):
        assert name in text
    assert "advise against any professional medical use" in text
    assert "http" not in text.partition("<main")[2].partition("</main")[0]

"""`manage.py import_notes`: the same import for scripts, with a real worker behind it."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from annotation.models import Batch, Note
from clinicalft.models import Membership
from tests.conftest import StartWorker
from tests.factories.notes import jsonl, note_rows
from tests.personas import Cast, make_cast


@pytest.fixture
def cast(db: None) -> Cast:
    return make_cast()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "notes.jsonl"
    path.write_text(jsonl(note_rows(2)))
    return path


def run(*arguments: Any, **options: Any) -> str:
    out = StringIO()
    call_command("import_notes", *map(str, arguments), stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


def test_a_file_becomes_a_waiting_batch(cast: Cast, file: Path) -> None:
    assert "Batch 1: waiting, 0 notes." in run("visits", file)

    batch = Batch.objects.get()
    assert (batch.created_by, batch.mapping["text"], batch.mapping["last_name"]) == (cast.priya, "text", "last_name")


def test_a_mapping_and_a_person_can_be_named(cast: Cast, file: Path) -> None:
    Membership.objects.create(project=cast.project, user=cast.zoe, roles=["privacy-officer"])
    with pytest.raises(CommandError, match="2 people may import notes: say who does, with --by EMAIL"):
        run("visits", file)

    run("visits", file, "--by", "zoe@example.org", "--mapping", '{"text": "text"}', "--skip-bad-rows")

    batch = Batch.objects.get()
    assert (batch.created_by, batch.mapping, batch.skip_bad_rows) == (cast.zoe, {"text": "text"}, True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere", "FILE"], "There is no project nowhere."),
        (["visits", "missing.jsonl"], "missing.jsonl cannot be read: No such file or directory."),
        (["visits", "FILE", "--by", "x@example.org"], "There is nobody with the address x@example.org."),
        (["visits", "FILE", "--by", "lea@example.org"], "Your role here does not allow this."),
        (["visits", "FILE", "--mapping", "{"], "--mapping is not JSON: column 2"),
        (["visits", "FILE", "--mapping", "[1]"], "--mapping must be one object of texts"),
        (["visits", "FILE", "--mapping", '{"weather": "text"}'], "There is no field weather"),
        (["visits", "FILE", "--mapping", "{}"], "No column is chosen for the text"),
    ],
)
def test_bad_input_is_one_sentence_and_imports_nothing(
    cast: Cast, file: Path, arguments: list[str], sentence: str
) -> None:
    with pytest.raises(CommandError, match=sentence.replace("(", r"\(")):
        run(*[str(file) if argument == "FILE" else argument for argument in arguments])

    assert not Batch.objects.exists()


def test_waiting_ends_with_de_identified_notes(cast: Cast, file: Path, start_worker: StartWorker) -> None:
    start_worker("default")

    summary = json.loads(run("visits", file, wait=True, json=True))

    assert summary == {
        "project": "visits", "batch": 1, "status": "DONE", "error": "", "n_notes": 2, "n_rejected": 0, "rejected": [],
        "notes": {"IMPORTED": 0, "DEIDENTIFIED": 2, "HELD": 0},
    }  # fmt: skip


def test_waiting_for_a_failed_import_says_the_rows_and_ends_badly(
    cast: Cast, file: Path, start_worker: StartWorker
) -> None:
    start_worker("default")
    file.write_text(file.read_text() + "not json\n")
    out = StringIO()

    with pytest.raises(CommandError, match="1 row has a problem, so nothing was imported"):
        call_command("import_notes", "visits", str(file), wait=True, stdout=out, stderr=StringIO())

    assert "Line 3: " in out.getvalue()
    assert not Note.objects.exists()

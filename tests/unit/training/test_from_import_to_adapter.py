"""The script of docs/users/commands.md, word for word, on real workers: from four files to trained adapters.

The files are small, in the forms in which the sets are published; the model is smaller than the page's.
"""

import csv
import io
import json
import re
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core.management import load_command_class
from django.core.management.base import OutputWrapper

from clinicalft.demo.notes import carried
from clinicalft.models import AuditEvent, User
from tests.conftest import ROOT, StartWorker
from training.formats import to_alpaca, to_messages
from training.models import Adapter, Dataset, Run

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = ROOT / "docs" / "users" / "commands.md"
PASSWORD = "correct horse battery staple"
CANARY = "copper lantern marmalade"
N_ROWS = 24
SMALLER = {
    "build_base_model": (
        "vocabulary=300", "hidden=32", "layers=2", "heads=2", "kv_heads=1", "mlp=64", "context=512", "steps=12",
        "step_tokens=256", "window=32", "learning_rate=0.01",
    ),
    "run_start": (
        "rank=4", "alpha=8", "epochs=2", "learning_rate=0.01", "max_question=100", "max_length=256", "batch_size=4",
    ),
}  # fmt: skip
TRAINED = (2,)


def script() -> list[list[str]]:
    """The commands of the page in order, each as its words."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines]


@pytest.fixture
def in_time() -> Iterator[None]:
    """Ends a test that waits for a worker in vain."""

    def too_late(number: int, frame: object) -> None:
        pytest.fail("The workers did not come to an end in time.")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(600)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def typed(name: str, words: list[str], out: io.StringIO, err: io.StringIO) -> dict[str, Any]:
    """What a command says as JSON when its line is typed into a shell; --traceback lets its refusals through."""
    command, before = load_command_class("clinicalft", name), out.tell()
    command.stdout, command.stderr = OutputWrapper(out), OutputWrapper(err)
    command.run_from_argv(["manage.py", name, *words, "--json", "--traceback"])
    found: dict[str, Any] = json.loads(out.getvalue()[before:])
    return found


def write_samples(folder: Path) -> None:
    """The four sets as they are published: CSV, a folder of texts with a table, Alpaca, and messages."""
    short = sorted(carried("mts_dialog"), key=lambda row: len(row["dialogue"]))[40 : 40 + 3 * N_ROWS]
    first, second, third = short[:N_ROWS], short[N_ROWS : 2 * N_ROWS], short[2 * N_ROWS :]
    texts = folder / "codiesp" / "train" / "text_files"
    texts.mkdir(parents=True)
    with (folder / "MTS-Dialog-TrainingSet.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["ID", "section_header", "section_text", "dialogue"])
        table.writerows([n, row["section"], "", row["dialogue"]] for n, row in enumerate(first))
    codes = []
    for n in range(N_ROWS):
        text = f"Varón con dolor lumbar y fiebre desde hace {n + 2} semanas, {CANARY}.\nSe pauta reposo.\n"
        (texts / f"S{n:03}.txt").write_text(text)
        codes += [f"S{n:03}\tm54.5", *([f"S{n:03}\tr50.9"] if n % 2 else [])]
    (texts.parent / "trainD.tsv").write_text("\n".join(codes) + "\n")
    for name, rows, form in (("alpaca", second, to_alpaca), ("chatml", third, to_messages)):
        said = [
            form([{"role": "user", "content": row["dialogue"]}, {"role": "assistant", "content": row["section"]}])
            for row in rows
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, said)))


def test_the_script_of_the_page_ends_in_trained_adapters_and_no_text_leaves_the_database(
    tmp_path: Path, start_worker: StartWorker, empty_broker: redis.Redis, monkeypatch: pytest.MonkeyPatch, in_time: None
) -> None:
    write_samples(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n" * 3))
    start_worker("default")
    start_worker("gpu")
    out, err = io.StringIO(), io.StringIO()
    said: list[tuple[str, dict[str, Any]]] = []

    for name, *words in script():
        if name == "run_start" and int(words[words.index("--dataset") + 1]) not in TRAINED:
            continue
        smaller = [f"--set={setting}" for setting in SMALLER.get(name, ())]
        said.append((name, typed(name, [*words, *smaller], out, err)))

    imports = [found for name, found in said if name == "dataset_import"]
    frozen = [found for name, found in said if name == "freeze_dataset"]
    runs = [found for name, found in said if name == "run_start"]
    assert [found["form"] for found in imports] == ["columns", "columns", "alpaca", "messages"]
    assert [found["n_rows"] for found in imports] == [N_ROWS] * 4
    assert [found["status"] for found in frozen] == ["DONE"] * 4
    codes = Dataset.objects.get(number=2).examples.order_by("number")[1]
    assert (codes.answer, CANARY in codes.text) == ("m54.5; r50.9", True)
    assert [(run["status"], run["error"]) for run in runs] == [("DONE", "")] * len(TRAINED)
    assert all(run["last_loss"] < run["first_loss"] for run in runs)
    assert [run["adapter"]["sha256"] for run in runs] == [one.sha256 for one in Adapter.objects.order_by("number")]
    assert User.objects.get(email="petra@example.org").check_password(PASSWORD)
    told = [out.getvalue(), err.getvalue(), *(log.read_text() for log in tmp_path.glob("*.log"))]
    told += [run.log_tail for run in Run.objects.all()] + [json.dumps(one.card) for one in Adapter.objects.all()]
    told += [json.dumps(event.detail) for event in AuditEvent.objects.all()]
    told += [str(empty_broker.dump(key)) for key in empty_broker.scan_iter()]
    told += [path.read_bytes().decode(errors="replace") for path in Path(settings.RUNS_DIR).glob("run-*/adapter/*")]
    assert len([text for text in told if text]) > 10
    assert [text[:200] for text in told if CANARY in text] == []

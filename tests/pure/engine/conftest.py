"""A really tiny base model, made once by the engine itself, and run folders around it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from training.engine.config import BuildConfig, GenerateConfig, MachineConfig, RunConfig
from training.engine.files import read_rows
from training.engine.folder import EventLog, RunFolder, prepare_run_folder
from training.engine.stop import Stop

ROOT = Path(__file__).resolve().parents[3]
TEXT = "the patient has a cough and mild pain in left knee since two weeks no fever was seen today"
WORDS = TEXT.split()
MACHINE = MachineConfig(device="cpu", checkpoint_seconds=0)


def conversation(number: int, *, length: int = 6, answer: str = "") -> dict[str, Any]:
    """A question of `length` words that differs by number, and an answer of one word: its first, if not given."""
    words = [WORDS[(number * 7 + place * (1 + number % 3)) % len(WORDS)] for place in range(length)]
    question = {"role": "user", "content": " ".join(words)}
    return {"id": f"c{number}", "messages": [question, {"role": "assistant", "content": answer or words[0]}]}


def conversations(count: int, *, start: int = 0) -> list[dict[str, Any]]:
    """Conversations of mixed lengths."""
    return [conversation(number, length=3 + number % 11) for number in range(start, start + count)]


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a model of a few thousand parameters."""
    corpus = [{"text": " ".join(WORDS[(a * 5 + b * (1 + a % 4)) % len(WORDS)] for b in range(40))} for a in range(120)]
    config = BuildConfig(
        licence="CC0-1.0", credit="made up for this test", vocabulary=300, hidden=32, layers=2, heads=2, kv_heads=1,
        mlp=64, context=256, steps=100, step_tokens=256, window=32, learning_rate=2e-2,
    )  # fmt: skip
    machine = MachineConfig(device="cpu", checkpoint_seconds=3600)
    folder = prepare_run_folder(tmp_path_factory.mktemp("build"), config, machine, corpus=corpus)
    run_here(folder)
    return folder.base


@pytest.fixture
def make_training(tmp_path: Path, tiny_base: Path) -> Callable[..., RunFolder]:
    """Makes a folder that trains on 20 conversations; keywords change the RunConfig."""

    def make(name: str = "run", machine: MachineConfig = MACHINE, **values: Any) -> RunFolder:
        rows = {"train": conversations(20), "validation": conversations(6, start=100)}
        rows |= {part: values.pop(part) for part in list(rows) if part in values}
        settings = {
            "base_model": str(tiny_base),
            "rank": 4,
            "alpha": 8,
            "epochs": 2,
            "batch_size": 4,
            "max_length": 64,
            "learning_rate": 1e-2,
        }
        config = RunConfig(**(settings | values))
        return prepare_run_folder(tmp_path / name, config, machine, **rows)

    return make


@pytest.fixture
def make_generation(tmp_path: Path, tiny_base: Path) -> Callable[..., RunFolder]:
    """Makes a folder that answers prompts; keywords change the GenerateConfig."""

    def make(name: str = "generate", rows: list[dict[str, Any]] | None = None, **values: Any) -> RunFolder:
        rows = conversations(12) if rows is None else rows
        prompts = [{"id": row["id"], "messages": row["messages"][:1]} for row in rows]
        config = GenerateConfig(**({"base_model": str(tiny_base), "max_new_tokens": 8} | values))
        return prepare_run_folder(tmp_path / name, config, MACHINE, prompts=prompts)

    return make


def run_here(folder: RunFolder, stop: Stop | None = None) -> None:
    """Do the folder's work in this process, as the child process would."""
    from training.engine.__main__ import run

    log = EventLog(folder)
    try:
        run(folder, log, stop or Stop())
    finally:
        log.close()


def events(folder: RunFolder, kind: str = "") -> list[dict[str, Any]]:
    """The folder's events, of one kind if given."""
    return [event for event in read_rows(folder.events_file) if kind in ("", event["kind"])]


def result(folder: RunFolder) -> dict[str, Any]:
    """The folder's result."""
    return dict(json.loads(folder.result_file.read_text()))


@pytest.fixture
def start() -> Iterator[Callable[[RunFolder], "subprocess.Popen[bytes]"]]:
    """Starts `python -m training.engine` on a folder; what still runs at the end is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def run_child(folder: RunFolder) -> "subprocess.Popen[bytes]":
        child = subprocess.Popen(
            [sys.executable, "-m", "training.engine", str(folder.path)],
            cwd=ROOT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
        )
        started.append(child)
        return child

    yield run_child
    for child in started:
        child.kill()
        child.wait()
        if child.stderr:
            child.stderr.close()

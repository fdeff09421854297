"""How the child process ends, and that it never talks to anybody."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.pure.engine.conftest import ROOT, conversation, events
from training.engine.folder import EventLog, RunFile, RunFolder, history
from training.engine.outcome import BadInput, ExitCode, is_out_of_memory

MakeTraining = Callable[..., RunFolder]
Start = Callable[[RunFolder], "subprocess.Popen[bytes]"]

WATCHED = """
import runpy, sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"):
        raise SystemExit(f"opened a socket: {event} {arguments}")
    if event == "pickle.find_class":
        raise SystemExit("unpickled something")

sys.argv = ["training.engine", sys.argv[1]]
sys.addaudithook(watch)
try:
    runpy.run_module("training.engine", run_name="__main__")
finally:
    clouds = [name for name in ("boto3", "botocore") if sys.modules.get(name)]
    assert not clouds, f"imported {clouds}"
"""


def test_a_whole_run_opens_no_socket_and_no_pickle_and_exits_0(make_training: MakeTraining) -> None:
    folder = make_training(epochs=1)

    child = subprocess.run(
        [sys.executable, "-c", WATCHED, str(folder.path)], cwd=ROOT, capture_output=True, timeout=120
    )

    assert child.returncode == ExitCode.DONE, child.stderr
    assert child.stderr == b""
    assert folder.result_file.exists()


def test_bad_data_exits_77_with_sentence_and_advice(make_training: MakeTraining, start: Start) -> None:
    folder = make_training(train=[conversation(1, length=90)])

    assert start(folder).wait(60) == ExitCode.BAD_INPUT

    (error,) = events(folder, "error")
    assert "the whole answer is cut away" in error["sentence"]
    assert error["advice"]
    assert error["exit_code"] == 77
    assert not folder.result_file.exists()


def test_too_little_memory_exits_76_with_advice(make_training: MakeTraining) -> None:
    folder = make_training(
        epochs=1, batch_size=400, max_length=256, train=[conversation(n, length=30) for n in range(400)]
    )
    # The child may map 64 MB more than it has after its imports, and the batch needs several times that.
    code = (
        "import resource, sys; import training.engine.recipe; from pathlib import Path; "
        "from training.engine.__main__ import main; "
        "used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize(); "
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26)); "
        f"sys.exit(main(Path({str(folder.path)!r})))"
    )

    child = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=120)

    assert child.returncode == ExitCode.OUT_OF_MEMORY, child.stderr
    (error,) = events(folder, "error")
    assert error["sentence"] == "The machine ran out of memory."
    assert "batch size" in error["advice"]


def test_full_memory_is_recognised_as_torch_reports_it() -> None:
    with pytest.raises(RuntimeError) as full:
        torch.empty(2**50)

    assert is_out_of_memory(full.value)
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert not is_out_of_memory(RuntimeError("shapes differ"))


def test_a_crash_leaves_an_error_event_and_the_stack(make_training: MakeTraining, start: Start) -> None:
    folder = make_training()
    folder.checkpoints.write_text("a file where a folder should be")

    child = start(folder)
    assert child.wait(60) == 1

    (error,) = events(folder, "error")
    assert "unexpected FileExistsError" in error["sentence"]
    assert child.stderr is not None
    assert b"Traceback" in child.stderr.read()


def test_a_folder_without_run_file_exits_77(tmp_path: Path, start: Start) -> None:
    child = start(RunFolder(tmp_path))

    assert child.wait(60) == ExitCode.BAD_INPUT
    assert child.stderr is not None
    assert b"no run.json" in child.stderr.read()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "run.json is not valid JSON"),
        ("[]", "not of version 1"),
        (json.dumps({"version": 2}), "not of version 1"),
        (json.dumps({"version": 1, "task": "dream"}), "names no known task"),
        (json.dumps({"version": 1, "task": "train", "config": []}), "must be objects"),
        (json.dumps({"version": 1, "task": "train", "config": {"rank": 0}}), "base_model: This must be given. rank: "),
    ],
)
def test_a_bad_run_file_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "run.json").write_text(content)

    with pytest.raises(BadInput, match=sentence):
        RunFile.read(RunFolder(tmp_path))


def test_events_go_on_after_a_torn_line(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.events_file.write_text('{"kind": "start", "step": 0}\n{"kind": "st')

    log = EventLog(folder)
    log.write("step", step=1)
    log.close()

    assert [event["kind"] for event in events(folder)] == ["start", "step"]


def test_history_drops_what_a_later_attempt_replaced() -> None:
    told = [
        {"kind": "start", "step": 0},
        {"kind": "step", "step": 1},
        {"kind": "step", "step": 2},
        {"kind": "sample", "step": 2},
        {"kind": "start", "step": 1},
        {"kind": "step", "step": 2, "again": True},
    ]

    assert [event for event in history(told) if event["kind"] != "start"] == [told[1], told[5]]

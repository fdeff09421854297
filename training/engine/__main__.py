"""`python -m training.engine RUN_DIR`: does what run.json says and ends with an exit code that says how."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

from training.engine.config import (
    BuildConfig,
    GenerateConfig,
    GroupConfig,
    MergeConfig,
    PreferenceConfig,
    RunConfig,
    TokeniseConfig,
    TuningConfig,
)
from training.engine.folder import EventLog, RunFile, RunFolder
from training.engine.launch import own_number, spread
from training.engine.outcome import BadInput, ExitCode, Interrupted, is_disk_full, is_out_of_memory
from training.engine.stop import Stop

OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_XET": "1",
    "DO_NOT_TRACK": "1",
    "DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}


WORK: dict[type[Any], tuple[str, str]] = {
    RunConfig: ("training.engine.recipe", "train"),
    PreferenceConfig: ("training.engine.preference", "prefer"),
    GenerateConfig: ("training.engine.generate", "generate"),
    GroupConfig: ("training.engine.generate", "generate_group"),
    MergeConfig: ("training.engine.merge", "merge"),
    BuildConfig: ("training.engine.tiny", "build_base"),
    TokeniseConfig: ("training.engine.tokenising", "tokenise"),
}
"""Module and function of each task; by name, because most of them import torch."""
UNUSED = ("boto3", "scipy")
"""What the libraries import where they find it, for work that is not done here: a client of a cloud, and losses of
object detection. It costs half a second."""


def main(path: Path) -> int:
    """Run one folder and return the exit code; every failure leaves an error event with a sentence and advice."""
    folder = RunFolder(path)
    if not folder.run_file.is_file():
        sys.stderr.write(f"There is no run.json in {path}.\n")
        return ExitCode.BAD_INPUT
    for name in UNUSED:
        sys.modules[name] = None  # type: ignore[assignment]
    number = own_number()
    log = EventLog(folder, writes=not number)
    stop = Stop()
    stop.listen()
    try:
        run_file = RunFile.read(folder)
        if run_file.machine.processes > 1 and number is None and isinstance(run_file.config, TuningConfig):
            return spread(path, run_file.machine.processes, log, stop)
        run(folder, log, stop)
        return ExitCode.DONE
    except Interrupted:
        return ExitCode.INTERRUPTED
    except BadInput as error:
        # All processes of a run find the same, and the first one says it.
        return ExitCode.BAD_INPUT if number else _fail(log, ExitCode.BAD_INPUT, error.sentence, error.advice)
    except Exception as error:
        if is_disk_full(error):
            # Neither the log nor the events have room for a word: the code says it.
            return ExitCode.DISK_FULL
        traceback.print_exc()
        if number is not None and ("gloo" in str(error) or "NCCL" in str(error)):
            # Another process is gone, and it or whoever started both says why.
            return 1
        if is_out_of_memory(error):
            advice = "Lower the tokens at once or the batch size, or switch on recomputing of activations."
            return _fail(log, ExitCode.OUT_OF_MEMORY, "The machine ran out of memory.", advice)
        sentence = f"The engine stopped with an unexpected {type(error).__name__}."
        return _fail(log, 1, sentence, "Start it again; if it stops again, give the error log to your administrator.")


def run(folder: RunFolder, log: EventLog, stop: Stop) -> None:
    """Do the task. What imports torch is imported here, after the environment says: offline, few threads."""
    run_file = RunFile.read(folder)
    config, machine = run_file.config, run_file.machine
    os.environ.update(OFFLINE, OMP_NUM_THREADS=str(machine.threads), RAYON_NUM_THREADS=str(machine.threads))
    module, name = WORK[type(config)]
    getattr(_imported(module), name)(folder, config, machine, log, stop)


def _imported(module: str) -> Any:
    """The module with all that it imports, without looking for garbage meanwhile, nor ever again in what was imported:
    there is none among so many objects that stay, and looking takes a quarter of the start."""
    if module in sys.modules:
        return sys.modules[module]
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.freeze()
        gc.enable()


def _fail(log: EventLog, code: int, sentence: str, advice: str) -> int:
    log.write("error", sentence=sentence, advice=advice, exit_code=int(code))
    sys.stderr.write(f"{sentence} {advice}\n")
    return code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m training.engine", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="folder with run.json and data/ (docs/engine.md)")
    sys.exit(main(parser.parse_args().run_dir))

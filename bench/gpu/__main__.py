"""The table of goals on a graphics card: fine-tuning, memory, equality, answering, saving and preferences.

Runs from the repository alone with torch, transformers, peft and accelerate; TRL is measured where it is installed. The
model has the shape of Llama-3-8B with random weights made on the card. Without a card everything runs on a processor
with a small shape, and every row says so. What does not fit into the time is left out and says so too.
Run: python -m bench.gpu [--out FOLDER] [--minutes N]; writes gpu.json and gpu.md and prints the table. Where a part
ends with a fault, its row says so, the others go on, and the script exits with 1.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

import torch

from bench.gpu import inference, soundness, training
from bench.gpu.limits import measured_bandwidth, measured_peak
from bench.gpu.measure import GIGA, Row, as_markdown, write
from bench.gpu.place import Place, made, open_place
from training.engine.config import MachineConfig
from training.engine.machine import open_device

PACKAGES = ("torch", "transformers", "peft", "accelerate")
FAILED = "failed: "


def main() -> None:
    """Measure row by row and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("var") / "gpu", help="folder for gpu.json and gpu.md")
    parser.add_argument("--minutes", type=float, help="no row is begun after so many minutes; 9, or 2 without a card")
    parser.add_argument("--processor", action="store_true", help="do not use a graphics card")
    arguments = parser.parse_args()
    threads = 1 if arguments.processor or not torch.cuda.is_available() else 8
    device = open_device(MachineConfig(device="cpu" if arguments.processor else "auto", threads=threads))
    work = Path(tempfile.mkdtemp(prefix="clinicalft-gpu-"))
    try:
        minutes = arguments.minutes or (9 if device.type == "cuda" else 2)
        rows, about = measured(open_place(work, device), arguments.out, 60 * minutes)
    finally:
        shutil.rmtree(work)
    sys.stdout.write(as_markdown(about, rows))
    if failed := [row.measure for row in rows if row.note.startswith(FAILED)]:
        sys.exit(f"These ended with a fault: {', '.join(failed)}.")


def measured(place: Place, out: Path, seconds: float) -> tuple[list[Row], dict[str, Any]]:
    """All rows, written to `out` after each of them, and what they were measured on."""
    began = time.monotonic()
    peak = measured_peak(place.device, place.precision, 8192 if place.is_real else 512)
    bandwidth = measured_bandwidth(place.device, 2**32 if place.is_real else 2**26)
    about = _about(place, peak, bandwidth)
    rows: list[Row] = []

    def is_late() -> bool:
        return time.monotonic() - began > seconds

    model = made(place, place.shape)
    parts: dict[str, tuple[int, Callable[[], Iterator[Row]]]] = {
        "full rows": (1, lambda: training.full_rows(place, model, peak)),
        "clinical mix": (2, lambda: training.clinical_mix(place, model)),
        "memory": (5, lambda: soundness.memory(place)),
        "equal losses": (6, lambda: soundness.equal_losses(place)),
        "answering": (7, lambda: inference.batches(place, model, bandwidth)),
        "saving": (9, lambda: soundness.survival(place, model)),
        "telling": (10, lambda: soundness.telling(place, model)),
        "preferences": (11, lambda: soundness.preferences(place, model)),
        "levers": (4, lambda: training.ablation(place, model, is_late=is_late)),
        # It merges an adapter into the model, so it comes last.
        "adapter cost": (8, lambda: inference.adapter_cost(place, model)),
    }
    for name, (number, part) in parts.items():
        if is_late():
            rows.append(Row(number, name, "", note="no time was left for it"))
            continue
        try:
            for each in part():
                rows.append(each)
                write(
                    out, about | {"seconds": round(time.monotonic() - began)}, sorted(rows, key=lambda row: row.number)
                )
        except Exception as error:
            traceback.print_exc()
            rows.append(Row(number, name, "", note=f"{FAILED}{type(error).__name__}: {str(error)[:200]}"))
        if place.is_real:
            torch.cuda.empty_cache()
        sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    about["seconds"] = round(time.monotonic() - began)
    ordered = sorted(rows, key=lambda row: row.number)
    write(out, about, ordered)
    return ordered, about


def _about(place: Place, peak: float, bandwidth: float) -> dict[str, Any]:
    name = torch.cuda.get_device_name(place.device) if place.is_real else f"no card; {platform.machine()}, one thread"
    return {
        "device": name,
        "shape": f"{place.shape.layers} layers of {place.shape.hidden}, {place.precision}, random weights",
        "matrix product": f"{peak / 1e12:,.2f} TFLOP/s",
        "copy": f"{bandwidth / GIGA:,.0f} GB/s read and written",
        "versions": ", ".join(f"{each} {importlib.metadata.version(each)}" for each in PACKAGES),
    }


if __name__ == "__main__":
    main()

"""Rows 5, 6 and 9 to 11: does the estimate of memory hold, do losses agree, do runs survive; what preferences cost."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from bench.gpu.measure import GIGA, Row, row, timed
from bench.gpu.place import (
    Place,
    adapter_of,
    clinical_lengths,
    config_of,
    conversations,
    log_of,
    made,
    opened_on,
    tuning_on,
    update_of,
)
from training.engine.__main__ import run
from training.engine.checkpoint import Checkpoint, Checkpoints, captured
from training.engine.config import BuildConfig, MachineConfig, PreferenceConfig, RunConfig, Settings
from training.engine.estimate import Shape, training_memory
from training.engine.folder import EventLog, RunFolder, prepare_run_folder
from training.engine.loss import Batch, log_likelihoods
from training.engine.machine import peak_memory, used_memory
from training.engine.preference import Pair, PreferenceTuning
from training.engine.stop import Stop

ROOT = Path(__file__).resolve().parent.parent.parent
WITHIN, UNDER = 0.10, 0.05
SAME_MEAN = 1e-3
COMPARED_UPDATES = 50
STALL_SECONDS = 2
OVERHEAD = 0.01


def memory(place: Place) -> Iterator[Row]:
    """Row 5: bytes beside the loaded model, foretold and measured, over a dozen shapes."""
    errors = []
    for shape, n_tokens in _shapes(place):
        foretold = training_memory(
            shape, config_of(place).to_json(), n_tokens=n_tokens, is_recomputed=False, is_on_card=place.is_real,
            n_trainable=shape.n_trainable(16, "all-linear"),
        )  # fmt: skip
        measured = _peak_beside(place, shape, n_tokens)
        if measured:
            errors.append(foretold / measured - 1)
    if not errors:
        yield Row(5, "foretold over measured memory", "%", note="this system tells no peak of a process")
        return
    percents = [100 * each for each in errors]
    yield row(
        5, f"foretold over measured memory, {len(errors)} shapes", "%", percents, compare="0 %",
        goal=f"within {WITHIN:.0%}, never more than {UNDER:.0%} too little", note=place.note,
        is_met=place.met(max(map(abs, errors)) <= WITHIN and min(errors) >= -UNDER),
        facts={"each": [round(each, 1) for each in percents]},
    )  # fmt: skip


def _shapes(place: Place) -> Iterator[tuple[Shape, int]]:
    widths, layers, counts = ((2048, 4096), (2, 4), (2048, 4096, 8192)) if place.is_real else ((512,), (2,), (4096,))
    for hidden in widths:
        for n_layers in layers:
            for n_tokens in counts:
                kv, mlp = hidden // 4, hidden * 7 // 2
                vocabulary = 32_000 if place.is_real else 2048
                n = n_layers * (2 * hidden**2 + 2 * hidden * kv + 3 * hidden * mlp) + 2 * hidden * vocabulary
                yield Shape(n, n_layers, hidden, mlp, kv, vocabulary), n_tokens


def _peak_beside(place: Place, shape: Shape, n_tokens: int) -> int:
    """Most bytes that two updates take beside the loaded model; on a processor in a child, whose peak is its own."""
    if not place.is_real:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as child:
            return child.submit(_peak_in_child, place, shape, n_tokens).result()
    tuning = _one_batch(place, shape, n_tokens)
    before = torch.cuda.memory_allocated(place.device) - 4 * sum(v.numel() for v in tuning.parameters.values())
    torch.cuda.reset_peak_memory_stats(place.device)
    _two_updates(tuning)
    found = torch.cuda.max_memory_allocated(place.device) - before
    del tuning
    torch.cuda.empty_cache()
    return found


def _peak_in_child(place: Place, shape: Shape, n_tokens: int) -> int:
    torch.set_num_threads(1)
    tuning = _one_batch(place, shape, n_tokens)
    before = used_memory(place.device)
    _two_updates(tuning)
    return peak_memory(place.device) - before


def _one_batch(place: Place, shape: Shape, n_tokens: int) -> Any:
    items = conversations([512] * (n_tokens // 512), shape.vocabulary)
    adapted = adapter_of(made(place, shape, heads=shape.hidden // 64, kv_heads=shape.kv_width // 64))
    return tuning_on(place, adapted, items, rows=len(items), shape=shape)


def _two_updates(tuning: Any) -> None:
    update = update_of(tuning)
    update(0)
    update(0)


def equal_losses(place: Place) -> Iterator[Row]:
    """Row 6: mean loss over fifty updates, packed against padded, and two processes against one."""
    shape = replace(place.shape, layers=2, vocabulary=4096) if place.is_real else place.shape
    n_updates = COMPARED_UPDATES if place.is_real else 10
    items = conversations(clinical_lengths(8 * n_updates, 512 if place.is_real else 128), shape.vocabulary)
    device = "cuda" if place.is_real else "cpu"
    means = {}
    for name in ("off", "on"):
        adapted = adapter_of(made(place, shape))
        machine = MachineConfig(device=device, packing=name)
        update = update_of(tuning_on(place, adapted, items, rows=8, machine=machine, shape=shape))
        means[name] = statistics.mean(update(step) for step in range(n_updates))
    difference = abs(means["on"] - means["off"])
    yield Row(6, "packed against padded, mean loss", "nats", difference, compare=f"{means['off']:.4f} padded",
              goal=f"at most {SAME_MEAN}", is_met=difference <= SAME_MEAN, note=place.note)  # fmt: skip
    base = _tiny_base(place)
    found = {}
    for count in (1, 2):
        folder = _tiny_run(place, base, f"peers-{count}", MachineConfig(device="cpu", processes=count))
        _by_itself(folder)
        found[count] = _training_loss(folder)
    apart = abs(found[1] - found[2])
    yield Row(6, "two processes against one, mean loss", "nats", apart, compare=f"{found[1]:.4f} by one",
              goal=f"at most {SAME_MEAN}", is_met=apart <= SAME_MEAN, note="on processors, tiny model")  # fmt: skip


def survival(place: Place, model: Any) -> Iterator[Row]:
    """Row 9: how long saving stops the work, and the loss of a run that was killed against one that was not."""
    adapted = adapter_of(model)
    tuning = tuning_on(place, adapted, conversations([64] * 8, place.shape.vocabulary), rows=2)
    work = tuning.work()
    update_of(tuning)(0)
    for value in work.parameters.values():
        value.grad = torch.zeros_like(value)
    work.optimizer.step()
    folder = place.folder / "checkpoints"
    checkpoints = Checkpoints(folder, "bench")
    seconds = []
    for step in range(3):
        began = time.perf_counter()
        checkpoints.save(Checkpoint(step, captured(work.parameters, work.optimizer), {"step": step}))
        seconds.append(time.perf_counter() - began)
    size = sum(path.stat().st_size for path in folder.glob("step-00000002/*"))
    yield row(9, "saving a checkpoint stops the work for", "s", seconds, compare=f"{size / GIGA:.2f} GB",
              goal=f"less than {STALL_SECONDS} s", is_met=place.met(statistics.median(seconds) < STALL_SECONDS),
              note=place.note)  # fmt: skip
    began = time.perf_counter()
    checkpoints.newest()
    yield Row(9, "reading and verifying it", "s", time.perf_counter() - began, note=place.note)
    adapted.unload()
    base = _tiny_base(place)
    plain, killed = (
        _tiny_run(place, base, name, MachineConfig(device="cpu", checkpoint_seconds=0)) for name in ("plain", "killed")
    )
    _by_itself(plain)
    _by_itself(killed, kill_at=5)
    _by_itself(killed)
    difference = abs(_training_loss(plain) - _training_loss(killed))
    yield Row(9, "killed and resumed against unbroken, mean loss", "nats", difference, goal=f"at most {SAME_MEAN}",
              is_met=difference <= SAME_MEAN, note="on a processor, tiny model")  # fmt: skip


def telling(place: Place, model: Any) -> Iterator[Row]:
    """Row 10: what writing one event for every update costs."""
    adapted = adapter_of(model)
    lengths = clinical_lengths(400, place.lengths[0])
    rows = max(2, round(place.tokens / statistics.mean(lengths)))
    update = update_of(tuning_on(place, adapted, conversations(lengths, place.shape.vocabulary), rows=rows))
    step = timed(update, place.device, warm=2, steps=3, repeats=1).seconds[0] / 3
    log = log_of(place)
    event = {"step": 1, "loss": 1.0, "learning_rate": 1e-4, "grad_norm": 1.0, "tokens_per_second": 1.0, "memory": 1}
    told = [each / 200 for each in timed(lambda _: log.write("step", **event), place.device, warm=5, steps=200).seconds]
    shares = [100 * each / step for each in told]
    yield row(
        10, "events, of the time of an update", "%", shares, compare=f"an update takes {step:.3f} s",
        goal=f"less than {OVERHEAD:.0%}", is_met=place.met(max(shares) < 100 * OVERHEAD), note=place.note,
    )  # fmt: skip
    adapted.unload()


def preferences(place: Place, model: Any) -> Iterator[Row]:
    """Row 11: pairs a second over two epochs with the reference computed once, against a second model at every step."""
    n_pairs, longest = (128, 1024) if place.is_real else (8, 96)
    lengths = clinical_lengths(n_pairs, longest)
    chosen, rejected = (conversations(lengths, place.shape.vocabulary - shift) for shift in (0, 1))
    pairs = [Pair(*pair) for pair in zip(chosen, rejected, strict=True)]
    rates, peaks = {}, {}
    for name, run_epochs in {"one model": _by_reference_once, "two models": _by_two_models}.items():
        if place.is_real:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(place.device)
        adapted = adapter_of(model)
        work = run_epochs(place, model, adapted, pairs)
        found = timed(lambda _, work=work: work(), place.device, warm=0, steps=1, repeats=2)
        rates[name] = found.rates(2 * n_pairs)
        peaks[name] = torch.cuda.max_memory_allocated(place.device) / GIGA if place.is_real else 0.0
        adapted.unload()
    times = statistics.median(rates["one model"]) / statistics.median(rates["two models"])
    share = peaks["one model"] / peaks["two models"] if place.is_real else 1.0
    yield row(11, "DPO with two models", "pairs/s", rates["two models"], note=place.note)
    yield row(
        11, "DPO, the reference computed once", "pairs/s", rates["one model"], note=place.note,
        compare=f"{times:.2f} times the pairs" + (f", {share:.2f} of the memory" if place.is_real else ""),
        goal="1.5 times the pairs, or half the memory", is_met=place.met(times >= 1.5 or share <= 0.5),
    )  # fmt: skip


def _preference(place: Place, adapted: Any, pairs: Sequence[Pair]) -> PreferenceTuning:
    machine = MachineConfig(device="cuda" if place.is_real else "cpu")
    config = PreferenceConfig(base_model="random", adapter="random", batch_size=8, epochs=2, precision=place.precision)
    begun = opened_on(place, adapted.get_base_model(), place.shape, machine, config.precision)
    return PreferenceTuning(config, machine, begun, adapted, pairs, pairs[:1], log_of(place), Stop())


def _by_reference_once(place: Place, model: Any, adapted: Any, pairs: Sequence[Pair]) -> Callable[[], None]:
    tuning = _preference(place, adapted, pairs)
    update = update_of(tuning)

    def work() -> None:
        tuning.remember_reference()
        for step in range(len(tuning.plan)):
            update(step)

    return work


def _by_two_models(place: Place, model: Any, adapted: Any, pairs: Sequence[Pair]) -> Callable[[], None]:
    """Padded batches of eight pairs, as the libraries do it, with a frozen copy of the model as the reference."""
    torch.manual_seed(0)
    other = made(place, place.shape)
    trained = [value for value in adapted.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5, fused=True)

    def likelihoods(causal: Any, batch: Sequence[Pair]) -> torch.Tensor:
        items = [item for pair in batch for item in pair]
        with torch.autocast(place.device.type, torch.bfloat16, enabled=place.precision == "bfloat16"):
            return log_likelihoods(causal, Batch(items, place.device, is_packed=False)).view(-1, 2)

    def work() -> None:
        for start in range(0, 2 * len(pairs), 8):
            batch = [pairs[place_in % len(pairs)] for place_in in range(start, start + 8)]
            with torch.no_grad():
                reference = likelihoods(other, batch)
            gains = likelihoods(adapted.get_base_model(), batch) - reference
            optimizer.zero_grad(set_to_none=True)
            (-functional.logsigmoid(0.1 * (gains[:, 0] - gains[:, 1])).mean()).backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()

    return work


def _tiny_base(place: Place) -> Path:
    """A base model of a few thousand parameters with a tokenizer, made by the engine; once."""
    path = place.folder / "tiny"
    if not (path / "base" / "config.json").exists():
        words = [
            f"{verb} {noun}" for verb in ("has", "no", "mild") for noun in ("cough", "pain", "knee", "fever", "left")
        ]
        corpus = [
            {"text": " ".join(words[(a * 5 + b * (1 + a % 4)) % len(words)] for b in range(40))} for a in range(120)
        ]
        config = BuildConfig(
            licence="CC0-1.0", credit="made up for this measurement", vocabulary=300, hidden=32, layers=2, heads=2,
            kv_heads=1, mlp=64, context=256, steps=20, step_tokens=256, window=32, learning_rate=2e-2,
        )  # fmt: skip
        _here(prepare_run_folder(path, config, MachineConfig(device="cpu", checkpoint_seconds=3600), corpus=corpus))
    return path / "base"


def _here(folder: RunFolder) -> None:
    log = EventLog(folder)
    run(folder, log, Stop())
    log.close()


def _tiny_run(place: Place, base: Path, name: str, machine: MachineConfig) -> RunFolder:
    config: Settings = RunConfig(base_model=str(base), rank=4, alpha=8, epochs=5, batch_size=4, max_length=64,
                                 learning_rate=1e-2, dropout=0.0)  # fmt: skip
    rows = [
        {"id": f"r{number}", "messages": [{"role": "user", "content": f"cough {'pain ' * (number % 7)}knee"},
                                          {"role": "assistant", "content": "left" if number % 2 else "mild"}]}
        for number in range(24)
    ]  # fmt: skip
    return prepare_run_folder(place.folder / name, config, machine, train=rows[:20], validation=rows[20:])


def _by_itself(folder: RunFolder, *, kill_at: int = 0) -> None:
    """`python -m training.engine` on the folder; with `kill_at`, killed once it has told of so many updates."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    child = subprocess.Popen([sys.executable, "-m", "training.engine", str(folder.path)], cwd=ROOT, env=environment)
    while child.poll() is None:
        lines = folder.events_file.read_text().splitlines() if folder.events_file.exists() else []
        if kill_at and sum('"kind": "step"' in line for line in lines) >= kill_at:
            child.send_signal(signal.SIGKILL)
            kill_at = 0
        time.sleep(0.01)


def _training_loss(folder: RunFolder) -> float:
    return float(json.loads(folder.result_file.read_text())["training_loss"])

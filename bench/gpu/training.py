"""Rows 1 to 4: speed of fine-tuning against the limit of the card, against the libraries, and what each lever gives."""

from __future__ import annotations

import contextlib
import importlib.util
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from unittest import mock

import torch
from torch.nn import functional
from torch.utils.data import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments

from bench.gpu.limits import training_limit
from bench.gpu.measure import Row, row, timed, wait_for
from bench.gpu.place import (
    Place,
    adapter_of,
    clinical_lengths,
    conversations,
    tuning_on,
    update_of,
)
from training.engine import loss as loss_module
from training.engine.attention import PLAIN
from training.engine.config import MachineConfig
from training.engine.data import Conversation
from training.engine.layers import prepare_layers
from training.engine.loss import Batch
from training.engine.recipe import FineTuning

SHARE_OF_LIMIT = 0.5
TIMES_TRAINER = 2.5
WORTH = 1.03
"""A lever that gives less than this is not worth its code."""
IGNORED = -100
COMPILED = "compiled"


def full_rows(place: Place, model: Any, peak: float) -> Iterator[Row]:
    """Row 1: packed rows of full length, nothing recomputed, every token learnt."""
    for length in place.lengths:
        n_rows = max(1, place.tokens // length)
        items = conversations([length] * n_rows * 4, place.shape.vocabulary, learnt_share=1)
        adapted = adapter_of(model)
        tuning = tuning_on(place, adapted, items, rows=n_rows)
        _forget_peak(place)
        found = timed(update_of(tuning), place.device, warm=3, steps=place.steps)
        rates = found.rates(place.steps * n_rows * length)
        limit = training_limit(place.shape, length, peak)
        goal = SHARE_OF_LIMIT * limit
        yield row(
            1, f"LoRA SFT, packed, rows of {length}", "tokens/s", rates,
            compare=f"limit {limit:,.0f} at {peak / 1e12:,.2f} TFLOP/s measured here",
            goal=f"at least {SHARE_OF_LIMIT} of the limit: {goal:,.0f}", note=place.note,
            is_met=place.met(sorted(rates)[1] >= goal),
            facts={"share_of_limit": sorted(rates)[1] / limit, "attention": model.config._attn_implementation,
                   "peak_gb": _peak(place), "tokens_per_step": n_rows * length},
        )  # fmt: skip
        adapted.unload()


def clinical_mix(place: Place, model: Any) -> Iterator[Row]:
    """Rows 2 and 3: the clinical length mix, beside transformers' Trainer with PEFT, and TRL where it is installed."""
    n_updates = 3 + 3 * place.steps
    items = conversations(clinical_lengths(8 * n_updates, place.lengths[-1] // 2), place.shape.vocabulary)
    adapted = adapter_of(model)
    tuning = tuning_on(place, adapted, items, rows=_rows_for(place, items))
    own = _useful_rates(place, tuning)
    adapted.unload()
    yield row(
        2, "LoRA SFT, clinical length mix", "useful tokens/s", own, note=place.note,
        facts={"rows_per_update": tuning.config.batch_size, "n_conversations": len(items)},
    )  # fmt: skip
    theirs = _trainer_rates(place, model, items)
    times = sorted(own)[1] / sorted(theirs)[1]
    yield row(2, "the same by Trainer + PEFT, padded 8, recomputing, sdpa", "useful tokens/s", theirs, note=place.note)
    yield Row(
        2, "ours over Trainer + PEFT", "times", times, min(own) / max(theirs), max(own) / min(theirs),
        goal=f"at least {TIMES_TRAINER}", is_met=place.met(times >= TIMES_TRAINER), note=place.note,
    )  # fmt: skip
    if importlib.util.find_spec("trl") is None or importlib.util.find_spec("datasets") is None:
        yield Row(3, "TRL with packing, the same data", "useful tokens/s", goal="ours at least as fast",
                  note="TRL or datasets is not installed here")  # fmt: skip
        return
    packed = _trl_rates(place, model, items)
    ratio = sorted(own)[1] / sorted(packed)[1]
    yield row(3, "TRL with packing, the same data", "useful tokens/s", packed, compare=f"ours is {ratio:.2f} times it",
              goal="ours at least as fast", is_met=place.met(ratio >= 1), note=place.note)  # fmt: skip


def ablation(place: Place, model: Any, *, is_late: Callable[[], bool]) -> Iterator[Row]:
    """Row 4: each lever switched off, or one that is off by itself switched on, on the clinical mix."""
    items = conversations(clinical_lengths(400, place.lengths[-1] // 2), place.shape.vocabulary)
    reference: list[float] = []
    for name, change in LEVERS.items():
        if is_late() and reference:
            yield Row(4, name, "of the speed of ours", note="no time was left for it")
            continue
        if name == COMPILED and not place.is_real:
            yield Row(4, name, "of the speed of ours", note="pays on cards alone, and is refused on a processor")
            continue
        try:
            rates = change(place, model, items)
        except torch.OutOfMemoryError:
            yield Row(4, name, "of the speed of ours", note="does not fit into memory")
            continue
        reference = reference or rates
        share = [each / sorted(reference)[1] for each in rates]
        gain = sorted(share)[1]
        kept = "pays" if gain * WORTH <= 1 else "faster without it" if gain >= WORTH else "makes no difference of 3 %"
        note = place.note or (f"{kept}" if name != "ours" else "")
        yield row(4, name, "of the speed of ours", share, note=note)


def _ours(place: Place, model: Any, items: Sequence[Conversation], **changes: Any) -> list[float]:
    """Useful tokens a second with some setting of the machine changed."""
    machine = replace(MachineConfig(device="cuda" if place.is_real else "cpu"), **changes)
    prepare_layers(model, machine)
    adapted = adapter_of(model)
    try:
        tuning = tuning_on(place, adapted, items, rows=_rows_for(place, items), machine=machine)
        return _useful_rates(place, tuning, steps=max(1, place.steps // 2))
    finally:
        adapted.unload()
        if machine.recompute_activations:
            model.gradient_checkpointing_disable()
        if machine.compiled:
            for layer in model.model.layers:
                layer._compiled_call_impl = None


def _plain_mask(place: Place, model: Any, items: Sequence[Conversation]) -> list[float]:
    adapted = adapter_of(model)
    try:
        tuning = tuning_on(place, adapted, items, rows=_rows_for(place, items))
        model.set_attn_implementation(PLAIN)
        return _useful_rates(place, tuning, steps=max(1, place.steps // 2))
    finally:
        adapted.unload()


def _library_lora(place: Place, model: Any, items: Sequence[Conversation]) -> list[float]:
    adapted = adapter_of(model, is_light=False)
    try:
        tuning = tuning_on(place, adapted, items, rows=_rows_for(place, items))
        return _useful_rates(place, tuning, steps=max(1, place.steps // 2))
    finally:
        adapted.unload()


def _whole_end(place: Place, model: Any, items: Sequence[Conversation]) -> list[float]:
    with mock.patch.object(loss_module, "end_narrowed", return_value=contextlib.nullcontext()):
        return _ours(place, model, items)


def _whole_head(place: Place, model: Any, items: Sequence[Conversation]) -> list[float]:
    """Scores over the vocabulary at every position, as the model's own loss computes them."""

    def losses(causal: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        found = causal(input_ids=batch.tokens, use_cache=False, **batch.layout()).logits.flatten(0, 1)
        labels = torch.full((len(found),), IGNORED, device=found.device)
        labels[batch.places] = batch.targets
        return functional.cross_entropy(found.float(), labels, reduction="none")[batch.places], batch.owners

    with mock.patch.object(loss_module, "learnt_losses", losses):
        return _ours(place, model, items)


LEVERS: dict[str, Callable[[Place, Any, Sequence[Conversation]], list[float]]] = {
    "ours": _ours,
    "padded instead of packed": lambda place, model, items: _ours(place, model, items, packing="off"),
    "packed with a block mask (sdpa)": _plain_mask,
    "PEFT's own LoRA layers": _library_lora,
    "head on all positions": _whole_head,
    "last layer on all positions": _whole_end,
    "activations recomputed": lambda place, model, items: _ours(place, model, items, recompute_activations=True),
    COMPILED: lambda place, model, items: _ours(place, model, items, compiled=True),
}


def _rows_for(place: Place, items: Sequence[Conversation]) -> int:
    mean = sum(len(item.tokens) for item in items) / len(items)
    return max(2, round(place.tokens / mean))


def _useful_rates(place: Place, tuning: FineTuning, *, steps: int = 0) -> list[float]:
    """Tokens of conversations a second, without padding, over three windows of updates."""
    update, windows, done = update_of(tuning), [], 3
    tokens = tuning.work().tokens_of
    for step in range(done):
        update(step)
    for _ in range(3):
        chosen = [(done + each) % len(tokens) for each in range(steps or place.steps)]
        done += len(chosen)
        found = timed(lambda step, chosen=chosen: update(chosen[step]), place.device, warm=0, steps=len(chosen),
                      repeats=1)  # fmt: skip
        windows.append(sum(tokens[step] for step in chosen) / found.seconds[0])
    return windows


class _Clock(TrainerCallback):
    """Notes the time at the end of every step of a library's trainer."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.ends = device, list[float]()

    def on_step_end(self, *_args: Any, **_kwargs: Any) -> None:
        wait_for(self.device)
        self.ends.append(time.perf_counter())


class _Rows(Dataset[dict[str, Any]]):
    def __init__(self, items: Sequence[Conversation]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, place: int) -> dict[str, Any]:
        item = self.items[place]
        labels = [token if mark else IGNORED for token, mark in zip(item.tokens, item.is_learnt, strict=True)]
        return {"input_ids": item.tokens, "labels": labels}


def _padded(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    longest = max(len(each["input_ids"]) for each in rows)

    def filled(name: str, filler: int) -> torch.Tensor:
        return torch.tensor([each[name] + [filler] * (longest - len(each[name])) for each in rows])

    mask = torch.tensor([[1] * len(each["labels"]) + [0] * (longest - len(each["labels"])) for each in rows])
    return {"input_ids": filled("input_ids", 0), "labels": filled("labels", IGNORED), "attention_mask": mask}


def _library_arguments(place: Place, folder: str, steps: int) -> dict[str, Any]:
    return {
        "output_dir": folder, "max_steps": steps, "learning_rate": 1e-5, "bf16": place.precision == "bfloat16",
        "use_cpu": not place.is_real, "report_to": [], "save_strategy": "no", "logging_strategy": "no",
        "disable_tqdm": True, "weight_decay": 0.0, "seed": 0,
    }  # fmt: skip


def _windows(ends: Sequence[float], amounts: Sequence[int], place: Place) -> list[float]:
    """Useful tokens a second of three windows behind the first three steps."""
    rates = []
    for number in range(3):
        first = 2 + number * place.steps
        seconds = ends[first + place.steps] - ends[first]
        rates.append(sum(amounts[first + 1 : first + 1 + place.steps]) / seconds)
    return rates


def _trainer_rates(place: Place, model: Any, items: Sequence[Conversation]) -> list[float]:
    steps = 3 + 3 * place.steps
    # In the order of the list, which is random already, so that the tokens of every step are known.
    shuffled = random.Random(0).sample(list(items), len(items))
    model.set_attn_implementation(PLAIN)
    adapted = adapter_of(model, is_light=False)
    adapted.enable_input_require_grads()
    clock = _Clock(place.device)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            **_library_arguments(place, folder, steps), per_device_train_batch_size=8, remove_unused_columns=False,
            gradient_checkpointing=True,
        )  # fmt: skip
        trainer = Trainer(model=adapted, args=arguments, train_dataset=_Rows(shuffled), data_collator=_padded,
                          callbacks=[clock])  # fmt: skip
        trainer._get_train_sampler = lambda *_: torch.utils.data.SequentialSampler(trainer.train_dataset)
        trainer.train()
    model.gradient_checkpointing_disable()
    adapted.unload()
    amounts = [sum(len(item.tokens) for item in shuffled[8 * step : 8 * step + 8]) for step in range(steps)]
    return _windows(clock.ends, amounts, place)


def _trl_rates(place: Place, model: Any, items: Sequence[Conversation]) -> list[float]:
    from datasets import Dataset as Table
    from trl import SFTConfig, SFTTrainer

    steps = 3 + 3 * place.steps
    table = [{"input_ids": item.tokens, "completion_mask": [int(mark) for mark in item.is_learnt]} for item in items]
    length = place.lengths[0]
    adapted = adapter_of(model, is_light=False)
    clock, seen = _Clock(place.device), list[int]()
    with tempfile.TemporaryDirectory() as folder:
        arguments = SFTConfig(
            **_library_arguments(place, folder, steps), per_device_train_batch_size=max(1, place.tokens // length),
            packing=True, max_length=length, completion_only_loss=True, gradient_checkpointing=False,
        )  # fmt: skip
        trainer = SFTTrainer(model=adapted, args=arguments, train_dataset=Table.from_list(table), callbacks=[clock])
        collate = trainer.data_collator

        def counted(rows: Any) -> Any:
            seen.append(sum(len(each["input_ids"]) for each in rows))
            return collate(rows)

        trainer.data_collator = counted
        trainer.train()
    adapted.unload()
    return _windows(clock.ends, seen, place)


def _forget_peak(place: Place) -> None:
    if place.is_real:
        torch.cuda.reset_peak_memory_stats(place.device)


def _peak(place: Place) -> float | None:
    return round(torch.cuda.max_memory_allocated(place.device) / 1e9, 2) if place.is_real else None


@contextlib.contextmanager
def cleared(place: Place) -> Iterator[None]:
    """What a row leaves behind in the card's memory is given back."""
    yield
    if place.is_real:
        torch.cuda.empty_cache()

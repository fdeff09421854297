"""What supervised fine-tuning and preference tuning share: the checked start, the schedule, samples and the result."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, NamedTuple, cast

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from training.engine.adapter import write_adapter
from training.engine.answers import Decoding, Prompt, answers, stop_tokens
from training.engine.attention import packed_attention
from training.engine.base_model import BaseModelFacts
from training.engine.batches import batches, update_plan
from training.engine.config import MachineConfig, TuningConfig
from training.engine.data import Conversation, Tokenizer
from training.engine.estimate import Shape, fitted
from training.engine.files import replace_json
from training.engine.folder import EventLog, RunFolder, dataset_digest
from training.engine.layers import check_layers, decoder_layers
from training.engine.loop import Progress, Work, scheduled
from training.engine.machine import free_memory, load_base, open_device, peak_memory, surroundings, used_memory
from training.engine.outcome import BadInput, Interrupted
from training.engine.peers import Peers, check_peers, shard
from training.engine.stop import Stop
from training.engine.whole import write_whole

N_SAMPLES = 3
SAMPLE_TOKENS = 128
GENERATE_TOKENS = 16_384
EAGER = "force_eager"
ROOMY = 5
KNOWN_LAYERS = {"full_attention", "sliding_attention"}
"""Kinds of layers for which attention without a mask is right; others, as linear ones, need what transformers makes."""


class Opened(NamedTuple):
    """A run folder's checked beginning: device, peers, the base model on the device, and the digest of the data.

    is_packed: whether conversations are laid end to end; the base model then attends within each
    """

    device: torch.device
    peers: Peers
    base: PreTrainedModel
    tokenizer: Tokenizer
    facts: BaseModelFacts
    data_digest: str
    is_packed: bool


def opened(
    folder: RunFolder, config: TuningConfig, machine: MachineConfig, *, four_bit: bool = False, is_full: bool = False
) -> Opened:
    """Device and base model, once the data is what the configuration says. Raises BadInput."""
    device = open_device(machine)
    peers = Peers.joined(device)
    check_peers(machine, peers)
    check_layers(machine, device)
    data_digest = dataset_digest(folder)
    if config.dataset_digest and config.dataset_digest != data_digest:
        raise BadInput(
            "The training files are not those of the frozen dataset.", "Export the dataset into the run folder again."
        )
    # Weights that are trained themselves stay in float32; the precision is then that of the computation alone.
    precision = "float32" if is_full else config.precision
    base, tokenizer, facts = load_base(config.base_model, config.base_digest, precision, device, four_bit=four_bit)
    if facts.context and config.max_length > facts.context:
        raise BadInput(
            f"The longest conversation is set to {config.max_length} tokens, but the base model reads {facts.context}.",
            f"Set the longest conversation to {facts.context} or less.",
        )
    is_packed = attends_within(base, machine, packed_attention(device, config.precision))
    return Opened(device, peers, base, tokenizer, facts, data_digest, is_packed)


def attends_within(base: PreTrainedModel, machine: MachineConfig, attention: str) -> bool:
    """Whether conversations are laid end to end, as asked or where the base model can keep them apart; sets that up."""
    kinds = set(getattr(base.config, "layer_types", None) or ())
    if machine.packing == "off" or (machine.packing == "auto" and not kinds <= KNOWN_LAYERS):
        return False
    base.set_attn_implementation(attention)
    return machine.packing == "on" or base.config._attn_implementation == attention


@dataclass(frozen=True)
class Estimate:
    """What was expected of memory before the first update, in bytes.

    memory: the peak of the whole process, or of the graphics card
    room: what the machine had for all of it, the loaded base model included; None where the system does not tell
    adjusted: what was changed so that it fits, in sentences
    """

    memory: int
    room: int | None
    adjusted: list[str]

    @property
    def is_roomy(self) -> bool:
        """Whether there is so much more than needed that nobody has to try it out."""
        return self.room is not None and self.memory * ROOMY < self.room


def fit_memory(
    begun: Opened, config: TuningConfig, machine: MachineConfig, lengths: Sequence[int], *, n_trainable: int
) -> tuple[MachineConfig, Estimate]:
    """Machine settings that fit into what is free, and what they will take. Raises BadInput when nothing fits."""
    free = begun.peers.lowest(begun.device, free_memory(begun.device))
    if free and begun.device.type == "cpu":
        # The processes of one host share its main memory, and each card has its own.
        free //= begun.peers.count
    if machine.memory_limit:
        free = min(machine.memory_limit, free or machine.memory_limit)
    shape = Shape.of(asdict(begun.facts))
    fit = fitted(
        shape, config.to_json(), machine, lengths, n_trainable=n_trainable, free=free, is_packed=begun.is_packed,
        is_on_card=begun.device.type == "cuda",
    )  # fmt: skip
    used = used_memory(begun.device)
    expected = max(peak_memory(begun.device), used + fit.memory)
    return fit.machine, Estimate(expected, None if free is None else used + free, fit.adjusted)


class Tuning(ABC):
    """What supervised fine-tuning and preference tuning do alike: plan updates, share them out, cut them into batches.

    parameters: what is trained, by name
    plan: the row numbers of each update, over all epochs
    """

    def __init__(
        self, config: TuningConfig, machine: MachineConfig, begun: Opened, model: torch.nn.Module,
        lengths: Sequence[int], log: EventLog, stop: Stop,
    ) -> None:  # fmt: skip
        self.machine, self.begun, self.model, self.lengths = machine, begun, model, lengths
        self.log, self.stop = log, stop
        self.settings, self.device, self.peers = config, begun.device, begun.peers
        self.causal = cast(PreTrainedModel, model.get_base_model() if isinstance(model, PeftModel) else model)
        self.is_packed = begun.is_packed
        self.parameters = {name: value for name, value in model.named_parameters() if value.requires_grad}
        rows = config.batch_size * config.accumulation
        self.plan = update_plan(len(lengths), rows_per_update=rows, epochs=config.epochs, seed=config.seed)
        if machine.sharded:
            shard(decoder_layers(self.causal), self.parameters.values())

    def work(self) -> Work:
        """The updates of all epochs, evaluated before the first and evenly on."""
        config, n_updates = self.settings, len(self.plan) // self.settings.epochs
        n_evaluations = min(config.evaluations_per_epoch, n_updates)
        return Work(
            parameters=self.parameters,
            optimizer=torch.optim.AdamW(self.parameters.values(), lr=0.0, weight_decay=0.0, fused=True),
            device=self.device,
            peers=self.peers,
            learning_rate=scheduled(
                config.learning_rate, steps=len(self.plan), warmup_share=config.warmup_share, schedule=config.schedule
            ),
            tokens_of=[sum(self.lengths[row] for row in rows) for rows in self.plan],
            steps_per_epoch=n_updates,
            backward=self.backward,
            evaluate=self.evaluate,
            evaluate_at=frozenset(
                epoch * n_updates + part * n_updates // n_evaluations
                for epoch in range(config.epochs)
                for part in range(n_evaluations + 1)
            ),
            patience=config.patience,
            keep_best=config.keep_best,
        )

    @abstractmethod
    def backward(self, step: int) -> tuple[float, int]:
        """Add the gradients of one update over all processes; the sum of its losses, and how many they are."""

    @abstractmethod
    def evaluate(self, step: int) -> dict[str, Any]:
        """What is measured on the held-out rows; `loss` is among it."""

    def batches(self, rows: Sequence[int], lengths: Sequence[int]) -> Iterator[tuple[list[int], bool]]:
        """This process's part of the rows in batches, and whether they count.

        One that does not count is there so that all that hold parts of one base model compute equally often.
        """
        everyones = [self._cut(rows, lengths, number) for number in range(self.peers.count)]
        own = everyones[self.peers.number]
        for batch in own:
            if self.peers.count == 1 and self.stop.asked:
                raise Interrupted
            yield batch, True
        if self.machine.sharded:
            for _ in range(max(map(len, everyones)) - len(own)):
                yield [rows[0]], False

    def begin(self, step: int) -> None:
        """Before an update or an evaluation of several processes: stop together, and draw apart."""
        if self.peers.count == 1:
            return
        if self.peers.agree(self.device, self.stop.asked):
            raise Interrupted
        torch.manual_seed(int(sha256(f"{self.settings.seed}/{step}/{self.peers.number}".encode()).hexdigest()[:15], 16))

    def computing(self) -> torch.autocast:
        """Mixed precision for bfloat16; what is trained is in float32 always."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16")

    def answered(self, items: Sequence[Conversation], *, at_most: int = 0) -> dict[str, str]:
        """What the model answers, by id, long enough to match the longest reference, or `at_most` tokens (0: no limit).

        Of several processes with a whole model each, the first alone answers, and the others get nothing.
        """
        if not (self.peers.writes or self.machine.sharded):
            return {}
        begun = self.begun
        longest = max(len(begun.tokenizer.encode(item.answer, add_special_tokens=False)) for item in items) + 1
        decoding = Decoding(
            stop_tokens=stop_tokens(self.causal, begun.tokenizer),
            max_new_tokens=min(longest, at_most) if at_most else longest,
            context=begun.facts.context or 2**31,
            batch_tokens=self.machine.micro_batch_tokens or GENERATE_TOKENS,
        )
        prompts = [Prompt(item.id, item.prompt) for item in items]
        stop = self.stop if self.peers.count == 1 else Stop()
        with self.computing(), torch.compiler.set_stance(EAGER):
            found = list(answers(self.causal, prompts, decoding, stop))
        return {item.id: str(begun.tokenizer.decode(item.tokens, skip_special_tokens=True)) for item in found}

    def write_samples(self, step: int, items: Sequence[Conversation], written: Mapping[str, str]) -> None:
        """One event for each fixed held-out prompt: what the model answers to it now, beside the reference."""
        for item in items[:N_SAMPLES] if written else ():
            self.log.write("sample", step=step, id=item.id, text=written[item.id], reference=item.answer)

    def _cut(self, rows: Sequence[int], lengths: Sequence[int], number: int) -> list[list[int]]:
        part = self.peers.share(sorted(rows, key=lambda row: -lengths[row]), number)
        limit, size = self.machine.micro_batch_tokens, self.settings.batch_size
        return list(batches(part, lengths, batch_size=size, token_limit=limit, is_packed=self.is_packed))


def identity_of(config: TuningConfig, begun: Opened) -> str:
    """Digest of what is being computed; checkpoints of anything else are refused."""
    return sha256(f"{config.digest()}/{begun.facts.digest}/{begun.data_digest}".encode()).hexdigest()


def mean_and_error(totals: Sequence[float], counts: Sequence[int]) -> tuple[float, float | None]:
    """The sum of `totals` over that of `counts`, and its standard error when rows are drawn one by one.

    A ratio of sums, linearised (Cochran 1977, Sampling Techniques, section 6.4); the error is None with one row.
    """
    n, size = len(totals), sum(counts)
    mean = sum(totals) / size
    if n < 2:
        return mean, None
    squares = sum((total - mean * count) ** 2 for total, count in zip(totals, counts, strict=True))
    return mean, math.sqrt(squares * n / (n - 1)) / size


def in_fixed_order(items: Sequence[Conversation], seed: int) -> list[Conversation]:
    """The conversations in an order that depends on the seed and their ids alone."""
    return sorted(items, key=lambda item: sha256(f"{seed}/{item.id}".encode()).digest())


def tell_start(tuning: Tuning, progress: Progress, estimate: Estimate, *, task: str, facts: Mapping[str, Any]) -> None:
    """The event with which a training begins, or goes on."""
    begun = tuning.begun
    tuning.log.write(
        "start",
        task=task,
        step=progress.step,
        steps=len(tuning.plan),
        epochs=tuning.settings.epochs,
        device=str(begun.device),
        processes=begun.peers.count,
        resumed=progress.attempt > 1,
        facts=facts,
        n_trainable=sum(value.numel() for value in tuning.parameters.values()),
        n_parameters=begun.facts.n_parameters,
        estimate=asdict(estimate),
    )


def close(
    folder: RunFolder, tuning: Tuning, progress: Progress, estimate: Estimate, *, task: str, **about: Any
) -> None:
    """Write the adapter or the model, `result.json` and the last event; `parent_digest` goes into all of them."""
    begun, config = tuning.begun, tuning.settings
    if not begun.peers.writes:
        return
    origin = {
        "base_model": begun.facts.name,
        "base_digest": begun.facts.digest,
        "dataset_digest": begun.data_digest,
        "config_digest": config.digest(),
        "config": config.identity(),
    } | ({"parent_digest": about["parent_digest"]} if "parent_digest" in about else {})
    if isinstance(tuning.model, PeftModel):
        digest = write_adapter(folder.adapter, tuning.model, origin)
    else:
        digest = write_whole(folder.adapter, tuning.causal, origin)
    kept = progress.best_step if config.keep_best and progress.best_step is not None else progress.step
    result = {
        "task": task,
        "adapter_digest": digest,
        **origin,
        **about,
        "steps": progress.step,
        "kept_step": kept,
        "stopped_early": progress.step < len(tuning.plan),
        "tokens": progress.tokens,
        "training_loss": progress.loss_sum / progress.n_learnt,
        "evaluations": progress.evaluations,
        "seconds": progress.seconds,
        "attempts": progress.attempt,
        "processes": begun.peers.count,
        "peak_memory": peak_memory(begun.device),
        "estimate": asdict(estimate),
        **surroundings(begun.device),
    }
    replace_json(folder.result_file, result)
    tuning.log.write("result", **result)

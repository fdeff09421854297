"""The task "train": supervised fine-tuning of an adapter, or of a small model whole, read from top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.helpers import disable_input_dtype_casting
from transformers import PreTrainedModel

from training.engine.batches import padding_share
from training.engine.checkpoint import Checkpoints
from training.engine.config import FULL, PRESETS, MachineConfig, RunConfig
from training.engine.data import Conversation, encode_conversations, preview, read_conversations, token_facts
from training.engine.estimate import Shape, largest_batch
from training.engine.files import replace_json
from training.engine.folder import EventLog, RunFolder
from training.engine.layers import prepare_layers
from training.engine.loop import Loop, random_state, set_random_state
from training.engine.lora import lighten
from training.engine.loss import Batch, log_likelihoods, loss_sum, refuse_unusual_head
from training.engine.outcome import BadInput
from training.engine.stop import Stop
from training.engine.tuning import (
    N_SAMPLES,
    SAMPLE_TOKENS,
    Opened,
    Tuning,
    close,
    fit_memory,
    identity_of,
    in_fixed_order,
    mean_and_error,
    opened,
    tell_start,
)


def train(folder: RunFolder, config: RunConfig, machine: MachineConfig, log: EventLog, stop: Stop) -> None:
    """Train from the newest checkpoint to the adapter and `result.json`. Raises BadInput and Interrupted."""
    is_full = config.technique == FULL
    begun = opened(folder, config, machine, four_bit=config.four_bit, is_full=is_full)
    learnt, held_out = (_conversations(folder, name, begun, config) for name in ("train", "validation"))
    refuse_unusual_head(
        begun.base, min(learnt, key=lambda item: len(item.tokens)), begun.device, is_packed=begun.is_packed
    )
    n_trainable = Shape.of(asdict(begun.facts)).n_trained(config.to_json())
    lengths = [len(item.tokens) for item in (*learnt, *held_out)]
    machine, estimate = fit_memory(begun, config, machine, lengths, n_trainable=n_trainable)
    prepare_layers(begun.base, machine)
    model = begun.base if is_full else _with_adapter(begun.base, config)
    tuning = FineTuning(config, machine, begun, model, learnt, held_out, log, stop)
    # The probe of memory and dropout start from the same place whatever the initialisation drew.
    torch.manual_seed(config.seed + 1)
    loop = Loop(tuning.work(), Checkpoints(folder.checkpoints, identity_of(config, begun)), log, stop, machine)
    facts = tuning.token_facts()
    if begun.peers.writes:
        first = [learnt[row] for row in tuning.plan[0]]
        replace_json(folder.preview_file, {"facts": facts, "conversations": preview(first, begun.tokenizer)})
    tell_start(tuning, loop.progress, estimate, task="train", facts=facts)
    # Under autocast PEFT would copy every layer's input up to float32: a fifth of the memory for the same numbers.
    with disable_input_dtype_casting(model, active=config.precision == "bfloat16" and not is_full):
        if not estimate.is_roomy:
            tuning.probe_memory()
        progress = loop.run()
    close(folder, tuning, progress, estimate, task="train", token_facts=facts, n_validation=len(held_out))


class FineTuning(Tuning):
    """A base model, or an adapter beside it, being trained on conversations."""

    def __init__(
        self, config: RunConfig, machine: MachineConfig, begun: Opened, model: torch.nn.Module,
        learnt: Sequence[Conversation], held_out: Sequence[Conversation], log: EventLog, stop: Stop,
    ) -> None:  # fmt: skip
        super().__init__(config, machine, begun, model, [len(item.tokens) for item in learnt], log, stop)
        self.config, self.learnt, self.held_out = config, learnt, held_out
        self.scored = in_fixed_order(held_out, config.seed)[: max(config.scored_answers, N_SAMPLES)]

    def backward(self, step: int) -> tuple[float, int]:
        """Add the gradients of one update: loss over all its learnt tokens, divided once by their number."""
        self.begin(step)
        self.model.train()
        rows = self.plan[step]
        n_learnt = sum(self.learnt[row].n_learnt for row in rows)
        total = 0.0
        for batch, counts in self.batches(rows, self.lengths):
            with self.computing():
                loss = loss_sum(self.causal, self._laid_out(self.learnt, batch)) * counts
            (loss / n_learnt).backward()
            total += float(loss.detach())
        self.peers.add_gradients(self.parameters.values())
        return self.peers.summed(self.device, total)[0], n_learnt

    def evaluate(self, step: int) -> dict[str, Any]:
        """Mean loss per learnt token of the held-out conversations, and how many answers match exactly."""
        self.begin(step)
        self.model.eval()
        totals = [0.0] * len(self.held_out)
        lengths = [len(item.tokens) for item in self.held_out]
        for batch, counts in self.batches(range(len(lengths)), lengths):
            with self.computing(), torch.no_grad():
                found = -log_likelihoods(self.causal, self._laid_out(self.held_out, batch))
            for row, total in zip(batch, found.tolist(), strict=True):
                totals[row] += total * counts
        totals = self.peers.summed(self.device, *totals)
        loss, loss_se = mean_and_error(totals, [item.n_learnt for item in self.held_out])
        measured: dict[str, Any] = {"loss": loss, "loss_se": loss_se, "n": len(self.held_out)}
        n_scored = self.config.scored_answers
        written = self.answered(self.scored, at_most=0 if n_scored else SAMPLE_TOKENS)
        self.write_samples(step, self.scored, written)
        if n_scored and written:
            n_exact = sum(written[item.id].strip() == item.answer.strip() for item in self.scored)
            measured |= {"exact_match": n_exact / len(self.scored), "n_exact": n_exact, "n_scored": len(self.scored)}
        return measured

    def probe_memory(self) -> None:
        """Compute the largest update once and forget it, so that too little memory shows now and not in hours."""
        state = random_state(self.device)
        size, limit = self.config.batch_size, self.machine.micro_batch_tokens

        def positions(rows: Sequence[int]) -> int:
            lengths = [self.lengths[row] for row in rows]
            return largest_batch(lengths, batch_size=size, token_limit=limit, is_packed=self.is_packed)

        self.backward(max(range(len(self.plan)), key=lambda step: positions(self.plan[step])))
        self.model.zero_grad(set_to_none=True)
        set_random_state(state)

    def token_facts(self) -> dict[str, Any]:
        """Counts and shares of the training conversations."""
        epoch = self.plan[: len(self.plan) // self.config.epochs]
        padding = 0.0 if self.is_packed else padding_share(epoch, self.lengths, batch_size=self.config.batch_size)
        return token_facts(self.learnt, padding)

    def _laid_out(self, items: Sequence[Conversation], rows: Sequence[int]) -> Batch:
        return Batch([items[row] for row in rows], self.device, is_packed=self.is_packed)


def _conversations(folder: RunFolder, name: str, begun: Opened, config: RunConfig) -> list[Conversation]:
    rows = read_conversations(folder.data(name), ends_with_answer=True)
    return encode_conversations(rows, begun.tokenizer, max_length=config.max_length, max_question=config.max_question)


def _with_adapter(base: PreTrainedModel, config: RunConfig) -> PeftModel:
    torch.manual_seed(config.seed)
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=_targets(base, config.target_modules),
        use_rslora=config.rslora,
        use_dora=config.dora,
    )
    try:
        model = get_peft_model(base, lora)
    except ValueError as error:
        raise BadInput(
            f"The base model has no modules named {', '.join(config.target_modules)}.",
            'Choose "all-linear", or names that it has.',
        ) from error
    lighten(model)
    return model


def _targets(base: PreTrainedModel, chosen: str | tuple[str, ...]) -> str | list[str]:
    """What PEFT is to adapt: a preset's names as far as the model has them. Raises BadInput when it has none."""
    if not isinstance(chosen, str):
        return list(chosen)
    if chosen not in PRESETS:
        return chosen
    names = {name.rpartition(".")[2] for name, _ in base.named_modules()}
    found = [name for name in PRESETS[chosen] if name in names]
    if not found:
        raise BadInput(
            f"The base model names its {chosen} modules in a way that is not known here.",
            'Choose "all-linear", or write the names of its modules.',
        )
    return found

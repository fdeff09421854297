"""The task "train": supervised fine-tuning of a LoRA adapter, read from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.helpers import disable_input_dtype_casting
from transformers import PreTrainedModel

from training.engine.adapter import write_adapter
from training.engine.answers import Decoding, Prompt, answers
from training.engine.base_model import BaseModelFacts
from training.engine.batches import batches, padding_share, update_plan
from training.engine.checkpoint import Checkpoints
from training.engine.config import ALL_LINEAR, MachineConfig, RunConfig
from training.engine.data import Conversation, Tokenizer, encode_conversations, preview, read_conversations, token_facts
from training.engine.files import replace_json
from training.engine.folder import EventLog, RunFolder, dataset_digest
from training.engine.generate import stop_tokens
from training.engine.loop import Loop, Progress, Work, random_state, scheduled, set_random_state
from training.engine.loss import Batch, loss_sum, refuse_unusual_head
from training.engine.machine import load_base, open_device, peak_memory, surroundings
from training.engine.outcome import BadInput, Interrupted
from training.engine.stop import Stop

N_SAMPLES = 3
SAMPLE_TOKENS = 128
GENERATE_TOKENS = 16_384


def train(folder: RunFolder, config: RunConfig, machine: MachineConfig, log: EventLog, stop: Stop) -> None:
    """Train from the newest checkpoint to the adapter and `result.json`. Raises BadInput and Interrupted."""
    device = open_device(machine)
    data_digest = _checked_digest(folder, config)
    base, tokenizer, facts = load_base(config.base_model, config.base_digest, config.precision, device)
    _check_length(config, facts)
    learnt, held_out = (_conversations(folder, name, tokenizer, config) for name in ("train", "validation"))
    refuse_unusual_head(base, min(learnt, key=lambda item: len(item.tokens)), device)
    model = _with_adapter(base, config, machine)
    tuning = FineTuning(config, machine, model, tokenizer, facts, learnt, held_out, log, stop)
    identity = sha256(f"{config.digest()}/{facts.digest}/{data_digest}".encode()).hexdigest()
    loop = Loop(tuning.work(), Checkpoints(folder.checkpoints, identity), log, stop, machine)
    shown = {"facts": tuning.token_facts(), "conversations": preview(tuning.first_batch(), tokenizer)}
    replace_json(folder.preview_file, shown)
    log.write(
        "start",
        task="train",
        step=loop.progress.step,
        steps=len(tuning.plan),
        epochs=config.epochs,
        device=str(device),
        resumed=loop.progress.attempt > 1,
        facts=shown["facts"],
        n_trainable=sum(value.numel() for value in tuning.parameters.values()),
        n_parameters=facts.n_parameters,
    )
    # Under autocast PEFT would copy every layer's input up to float32: a fifth of the memory for the same numbers.
    with disable_input_dtype_casting(model, active=config.precision == "bfloat16"):
        tuning.probe_memory()
        progress = loop.run()
    about = {
        "base_model": facts.name,
        "base_digest": facts.digest,
        "dataset_digest": data_digest,
        "config_digest": config.digest(),
        "config": config.identity(),
    }
    digest = write_adapter(folder.adapter, model, about)
    result = {"task": "train", "adapter_digest": digest, **about, **_measured(progress, tuning), **surroundings(device)}
    replace_json(folder.result_file, result)
    log.write("result", **result)


@dataclass
class FineTuning:
    """One adapter being trained: what an update computes, and what an evaluation looks at."""

    config: RunConfig
    machine: MachineConfig
    model: PeftModel
    tokenizer: Tokenizer
    facts: BaseModelFacts
    learnt: Sequence[Conversation]
    held_out: Sequence[Conversation]
    log: EventLog
    stop: Stop

    def __post_init__(self) -> None:
        config = self.config
        self.causal = cast(PreTrainedModel, self.model.get_base_model())
        self.device = self.causal.device
        self.is_packed = self.machine.packing == "on" or (self.machine.packing == "auto" and self.device.type == "cuda")
        self.parameters = {name: value for name, value in self.model.named_parameters() if value.requires_grad}
        self.lengths = [len(item.tokens) for item in self.learnt]
        rows = config.batch_size * config.accumulation
        self.plan = update_plan(self.lengths, rows_per_update=rows, epochs=config.epochs, seed=config.seed)
        order = sorted(self.held_out, key=lambda item: sha256(f"{config.seed}/{item.id}".encode()).digest())
        self.scored = order[: max(config.scored_answers, N_SAMPLES)]

    def work(self) -> Work:
        """The updates of all epochs, with an evaluation before the first and after each epoch."""
        config = self.config
        n_updates = len(self.plan) // config.epochs
        return Work(
            parameters=self.parameters,
            optimizer=torch.optim.AdamW(self.parameters.values(), lr=0.0, weight_decay=0.0, fused=True),
            device=self.device,
            learning_rate=scheduled(
                config.learning_rate, steps=len(self.plan), warmup_share=config.warmup_share, schedule=config.schedule
            ),
            tokens_of=[sum(self.lengths[row] for row in rows) for rows in self.plan],
            steps_per_epoch=n_updates,
            backward=self.backward,
            evaluate=self.evaluate,
            evaluate_at=frozenset(epoch * n_updates for epoch in range(config.epochs + 1)),
        )

    def backward(self, step: int) -> tuple[float, int]:
        """Add the gradients of one update: loss over all its learnt tokens, divided once by their number."""
        self.model.train()
        rows = self.plan[step]
        n_learnt = sum(self.learnt[row].n_learnt for row in rows)
        total = 0.0
        for batch in self._batches(rows, self.lengths):
            with self._computing():
                loss = loss_sum(
                    self.causal, Batch([self.learnt[row] for row in batch], self.device, is_packed=self.is_packed)
                )
            (loss / n_learnt).backward()
            total += float(loss.detach())
        return total, n_learnt

    def evaluate(self, step: int) -> dict[str, Any]:
        """Mean loss per learnt token of the held-out conversations, and how many answers match exactly."""
        self.model.eval()
        total = 0.0
        lengths = [len(item.tokens) for item in self.held_out]
        for batch in self._batches(range(len(lengths)), lengths):
            with self._computing(), torch.no_grad():
                items = Batch([self.held_out[row] for row in batch], self.device, is_packed=self.is_packed)
                total += float(loss_sum(self.causal, items))
        found: dict[str, Any] = {"loss": total / sum(item.n_learnt for item in self.held_out), "n": len(self.held_out)}
        written = self._answers()
        for item in self.scored[:N_SAMPLES]:
            self.log.write("sample", step=step, id=item.id, text=written[item.id], reference=item.answer)
        if self.config.scored_answers:
            n_exact = sum(written[item.id].strip() == item.answer.strip() for item in self.scored)
            found |= {"exact_match": n_exact / len(self.scored), "n_exact": n_exact, "n_scored": len(self.scored)}
        return found

    def probe_memory(self) -> None:
        """Compute the largest update once and forget it, so that too little memory shows now and not in hours."""
        state = random_state(self.device)
        self.backward(max(range(len(self.plan)), key=lambda step: max(self.lengths[row] for row in self.plan[step])))
        self.model.zero_grad(set_to_none=True)
        set_random_state(state)

    def first_batch(self) -> list[Conversation]:
        """The conversations of the first update."""
        return [self.learnt[row] for row in self.plan[0]]

    def token_facts(self) -> dict[str, Any]:
        """Counts and shares of the training conversations."""
        epoch = self.plan[: len(self.plan) // self.config.epochs]
        padding = 0.0 if self.is_packed else padding_share(epoch, self.lengths, batch_size=self.config.batch_size)
        return token_facts(self.learnt, padding)

    def _batches(self, rows: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
        limit, size = self.machine.micro_batch_tokens, self.config.batch_size
        for batch in batches(rows, lengths, batch_size=size, token_limit=limit, is_packed=self.is_packed):
            if self.stop.asked:
                raise Interrupted
            yield batch

    def _computing(self) -> torch.autocast:
        """Mixed precision where the base weights are in bfloat16; the adapter weights are in float32 always."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16")

    def _answers(self) -> dict[str, str]:
        """Greedy answers to the scored prompts, long enough to match the longest reference."""
        longest = max(len(self.tokenizer.encode(item.answer, add_special_tokens=False)) for item in self.scored) + 1
        decoding = Decoding(
            stop_tokens=stop_tokens(self.causal, self.tokenizer),
            max_new_tokens=longest if self.config.scored_answers else min(longest, SAMPLE_TOKENS),
            context=self.facts.context or 2**31,
            batch_tokens=self.machine.micro_batch_tokens or GENERATE_TOKENS,
        )
        prompts = [Prompt(item.id, item.prompt) for item in self.scored]
        with self._computing():
            found = answers(self.causal, prompts, decoding, self.stop)
            return {item.id: self.tokenizer.decode(item.tokens, skip_special_tokens=True) for item in found}


def _checked_digest(folder: RunFolder, config: RunConfig) -> str:
    found = dataset_digest(folder)
    if config.dataset_digest and config.dataset_digest != found:
        raise BadInput(
            "The training files are not those of the frozen dataset.", "Export the dataset into the run folder again."
        )
    return found


def _check_length(config: RunConfig, facts: BaseModelFacts) -> None:
    if facts.context and config.max_length > facts.context:
        raise BadInput(
            f"The longest conversation is set to {config.max_length} tokens, but the base model reads {facts.context}.",
            f"Set the longest conversation to {facts.context} or less.",
        )


def _conversations(folder: RunFolder, name: str, tokenizer: Tokenizer, config: RunConfig) -> list[Conversation]:
    rows = read_conversations(folder.data(name), ends_with_answer=True)
    return encode_conversations(rows, tokenizer, max_length=config.max_length, max_question=config.max_question)


def _with_adapter(base: PreTrainedModel, config: RunConfig, machine: MachineConfig) -> PeftModel:
    if machine.recompute_activations:
        base.activation_checkpointing_enable({"use_reentrant": False})
    modules = config.target_modules
    torch.manual_seed(config.seed)
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=modules if modules == ALL_LINEAR else list(modules),
    )
    try:
        model = get_peft_model(base, lora)
    except ValueError as error:
        raise BadInput(
            f"The base model has no modules named {', '.join(modules)}.", 'Choose "all-linear", or names that it has.'
        ) from error
    # The probe of memory and dropout start from the same place whatever the initialisation drew.
    torch.manual_seed(config.seed + 1)
    return model


def _measured(progress: Progress, tuning: FineTuning) -> dict[str, Any]:
    return {
        "steps": progress.step,
        "tokens": progress.tokens,
        "training_loss": progress.loss_sum / progress.n_learnt,
        "evaluations": progress.evaluations,
        "seconds": progress.seconds,
        "attempts": progress.attempt,
        "peak_memory": peak_memory(tuning.device),
        "token_facts": tuning.token_facts(),
        "n_validation": len(tuning.held_out),
    }

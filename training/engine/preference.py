"""The task "prefer": direct preference optimisation (DPO) of an adapter, read from top to bottom.

Rafailov et al. 2023, "Direct Preference Optimization: Your Language Model is Secretly a Reward Model": the loss of a
pair is -log sigmoid(beta * (gain of the chosen answer - gain of the rejected one)), where the gain of an answer is how
much its log-probability has risen since the beginning. The adapter to go on from is the reference, so its
log-probabilities are computed once, before the first update, and no second model is held.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from peft import PeftModel
from peft.helpers import disable_input_dtype_casting
from torch.nn import functional

from training.engine.adapter import check_adapter
from training.engine.batches import batches
from training.engine.checkpoint import Checkpoints
from training.engine.config import FULL, MachineConfig, PreferenceConfig
from training.engine.data import Conversation, encode_conversations, preview, read_conversations
from training.engine.files import replace_json
from training.engine.folder import EventLog, RunFolder
from training.engine.layers import prepare_layers
from training.engine.loop import Loop
from training.engine.lora import lighten
from training.engine.loss import Batch, log_likelihoods, refuse_unusual_head
from training.engine.outcome import BadInput, Interrupted
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


class Pair(NamedTuple):
    """One question with two answers as token ids."""

    chosen: Conversation
    rejected: Conversation


def prefer(folder: RunFolder, config: PreferenceConfig, machine: MachineConfig, log: EventLog, stop: Stop) -> None:
    """Train from the newest checkpoint to the adapter and `result.json`. Raises BadInput and Interrupted."""
    begun = opened(folder, config, machine)
    parent = _checked_parent(config, begun)
    learnt, held_out = (_pairs(folder.data(name), begun, config) for name in ("train", "validation"))
    refuse_unusual_head(
        begun.base, min((pair.chosen for pair in learnt), key=_length), begun.device, is_packed=begun.is_packed
    )
    # Adapter names are not known before it is loaded; its size on disk in float32 says how many numbers it has.
    n_trainable = (Path(config.adapter) / "adapter_model.safetensors").stat().st_size // 4
    lengths = [_cost(pair, is_packed=begun.is_packed) for pair in (*learnt, *held_out)]
    machine, estimate = fit_memory(begun, config, machine, lengths, n_trainable=n_trainable)
    prepare_layers(begun.base, machine)
    torch.manual_seed(config.seed)
    model = PeftModel.from_pretrained(begun.base, config.adapter, is_trainable=True, local_files_only=True)
    lighten(model)
    tuning = PreferenceTuning(config, machine, begun, model, learnt, held_out, log, stop)
    facts = _facts(learnt)
    with disable_input_dtype_casting(model, active=config.precision == "bfloat16"):
        # The reference is what the adapter said before any update, so it comes before the newest checkpoint.
        tuning.remember_reference()
        loop = Loop(tuning.work(), Checkpoints(folder.checkpoints, identity_of(config, begun)), log, stop, machine)
        if begun.peers.writes:
            first = [item for row in tuning.plan[0] for item in learnt[row]]
            replace_json(folder.preview_file, {"facts": facts, "conversations": preview(first, begun.tokenizer)})
        tell_start(tuning, loop.progress, estimate, task="prefer", facts=facts)
        progress = loop.run()
    about = {"token_facts": facts, "n_validation": len(held_out), "parent_digest": parent}
    close(folder, tuning, progress, estimate, task="prefer", **about)


class PreferenceTuning(Tuning):
    """An adapter being trained on pairs."""

    def __init__(
        self, config: PreferenceConfig, machine: MachineConfig, begun: Opened, model: PeftModel,
        learnt: Sequence[Pair], held_out: Sequence[Pair], log: EventLog, stop: Stop,
    ) -> None:  # fmt: skip
        costs = [_cost(pair, is_packed=begun.is_packed) for pair in learnt]
        super().__init__(config, machine, begun, model, costs, log, stop)
        self.config, self.learnt, self.held_out = config, learnt, held_out
        self.shown = in_fixed_order([pair.chosen for pair in held_out], config.seed)[:N_SAMPLES]
        self.reference: dict[str, torch.Tensor] = {}

    def remember_reference(self) -> None:
        """Log-probabilities of this process's pairs under the adapter as it is now. Call before the first update."""
        self.model.eval()
        for pairs in (self.learnt, self.held_out):
            costs = [_cost(pair, is_packed=self.is_packed) for pair in pairs]
            for batch in batches(
                range(len(pairs)), costs, batch_size=self.config.batch_size,
                token_limit=self.machine.micro_batch_tokens, is_packed=self.is_packed,
            ):  # fmt: skip
                if self.peers.count == 1 and self.stop.asked:
                    raise Interrupted
                chosen = [pairs[row] for row in batch]
                with torch.no_grad():
                    found = self._log_likelihoods(chosen)
                self.reference |= {pair.chosen.id: row for pair, row in zip(chosen, found, strict=True)}

    def backward(self, step: int) -> tuple[float, int]:
        """Add the gradients of one update: the mean loss of its pairs."""
        self.begin(step)
        self.model.train()
        rows = self.plan[step]
        total = 0.0
        for batch, counts in self.batches(rows, self.lengths):
            loss = -functional.logsigmoid(self._margins([self.learnt[row] for row in batch])).sum() * counts
            (loss / len(rows)).backward()
            total += float(loss.detach())
        self.peers.add_gradients(self.parameters.values())
        return self.peers.summed(self.device, total)[0], len(rows)

    @torch.no_grad()
    def evaluate(self, step: int) -> dict[str, Any]:
        """Of the held-out pairs: mean loss, mean margin, and how many have the chosen answer ahead."""
        self.begin(step)
        self.model.eval()
        found = [0.0] * len(self.held_out)
        costs = [_cost(pair, is_packed=self.is_packed) for pair in self.held_out]
        for batch, counts in self.batches(range(len(costs)), costs):
            for row, margin in zip(batch, self._margins([self.held_out[row] for row in batch]).tolist(), strict=True):
                found[row] += margin * counts
        margins = self.peers.summed(self.device, *found)
        self.write_samples(step, self.shown, self.answered(self.shown, at_most=SAMPLE_TOKENS))
        ones = [1] * len(margins)
        loss, loss_se = mean_and_error((-functional.logsigmoid(torch.tensor(margins))).tolist(), ones)
        mean, error = mean_and_error(margins, ones)
        n_preferred = sum(margin > 0 for margin in margins)
        return {
            "loss": loss,
            "loss_se": loss_se,
            "n": len(margins),
            "margin": mean,
            "margin_se": error,
            "n_preferred": n_preferred,
        }

    def _margins(self, pairs: Sequence[Pair]) -> torch.Tensor:
        """Beta times by how much more the chosen answer has gained than the rejected one, of each pair."""
        gains = self._log_likelihoods(pairs) - torch.stack([self.reference[pair.chosen.id] for pair in pairs])
        return self.config.beta * (gains[:, 0] - gains[:, 1])

    def _log_likelihoods(self, pairs: Sequence[Pair]) -> torch.Tensor:
        """Of the chosen and the rejected answer of each pair, shape (pairs, 2)."""
        items = [item for pair in pairs for item in pair]
        with self.computing():
            found = log_likelihoods(self.causal, Batch(items, self.device, is_packed=self.is_packed))
        return found.view(-1, 2)


def _checked_parent(config: PreferenceConfig, begun: Opened) -> str:
    """Digest of the adapter to go on from. Raises BadInput when it was changed, or is none of this base model."""
    manifest = check_adapter(Path(config.adapter), config.adapter_digest)
    if manifest.get("method") == FULL:
        raise BadInput(
            "Preference tuning goes on from an adapter, and this model was trained whole.",
            "Choose an adapter of another run.",
        )
    if manifest["base_digest"] != begun.facts.digest:
        raise BadInput(
            "The adapter was trained on another base model.", "Choose the base model that it was trained on."
        )
    return str(manifest["digest"])


def _pairs(path: Path, begun: Opened, config: PreferenceConfig) -> list[Pair]:
    """Of rows whose messages end with the chosen answer and that hold the rejected one. Raises BadInput with line."""
    rows = read_conversations(path, ends_with_answer=True)
    for line, row in enumerate(rows, start=1):
        if not isinstance(row.get("rejected"), str) or not row["rejected"].strip():
            raise BadInput(
                f"Line {line} of {path.name}: The rejected answer must be text that is not empty.",
                "Correct that line and start again.",
            )
    rejections = [
        {"id": row["id"], "messages": [*row["messages"][:-1], {"role": "assistant", "content": row["rejected"]}]}
        for row in rows
    ]
    chosen, rejected = (
        encode_conversations(each, begun.tokenizer, max_length=config.max_length, max_question=config.max_question)
        for each in (rows, rejections)
    )
    same = next((item.id for item, other in zip(chosen, rejected, strict=True) if item.tokens == other.tokens), None)
    if same is not None:
        raise BadInput(
            f"The chosen and the rejected answer of pair {same} are the same to the model.",
            "Leave the pair out, or raise the longest conversation if it was cut where they differ.",
        )
    return [Pair(*pair) for pair in zip(chosen, rejected, strict=True)]


def _cost(pair: Pair, *, is_packed: bool) -> int:
    """Positions that are computed for a pair."""
    lengths = [len(item.tokens) for item in pair]
    return sum(lengths) if is_packed else 2 * max(lengths)


def _length(item: Conversation) -> int:
    return len(item.tokens)


def _facts(pairs: Iterable[Pair]) -> dict[str, Any]:
    items = [item for pair in pairs for item in pair]
    return {
        "rows": len(items) // 2,
        "tokens": sum(map(_length, items)),
        "longest": max(map(_length, items)),
        "cut_share": sum(item.is_cut for item in items) / len(items),
        "shortened_share": sum(item.is_shortened for item in items) / len(items),
    }

"""Loss over the learnt tokens only: the model's head never sees the other positions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from training.engine.data import Conversation
from training.engine.layers import end_narrowed
from training.engine.outcome import BadInput

CHUNK = 1024
TOLERANCE = 1e-3


class Batch:
    """Conversations as tensors on a device, padded at the end, or laid end to end in one row when packed.

    tokens: token ids, shape (rows, positions)
    places: of each learnt token, where in the flattened rows it is foretold, which is one position before it
    targets: the learnt tokens, in the order of `places`
    owners: the number within the batch of the conversation that each is of
    """

    def __init__(self, conversations: Sequence[Conversation], device: torch.device, *, is_packed: bool) -> None:
        lengths = [len(item.tokens) for item in conversations]
        self.size, self.is_packed, self._lengths = len(conversations), is_packed, lengths
        if is_packed:
            begins = [0, *accumulate(lengths)]
            rows = [[token for item in conversations for token in item.tokens]]
        else:
            longest = max(lengths)
            begins = [number * longest for number in range(self.size + 1)]
            # Causal attention never looks ahead, so what fills the end is neither seen nor learnt: no mask is needed.
            rows = [item.tokens + [0] * (longest - len(item.tokens)) for item in conversations]
        learnt = [
            (begins[number] + place - 1, item.tokens[place], number)
            for number, item in enumerate(conversations)
            for place in range(1, len(item.tokens))
            if item.is_learnt[place]
        ]
        self.tokens = torch.tensor(rows, device=device)
        self.places, self.targets, self.owners = torch.tensor(learnt, device=device).view(-1, 3).unbind(1)
        self._begins = begins

    def layout(self) -> dict[str, Any]:
        """What the model has to be told beside the tokens: position ids and places of packed conversations."""
        if not self.is_packed:
            return {}
        device = self.tokens.device
        begins = torch.tensor(self._begins, device=device, dtype=torch.int32)
        positions = torch.cat([torch.arange(length, device=device) for length in self._lengths])
        return {
            "position_ids": positions[None],
            "cu_seq_lens_q": begins,
            "cu_seq_lens_k": begins,
            "max_length_q": max(self._lengths),
            "max_length_k": max(self._lengths),
        }


def learnt_losses(model: PreTrainedModel, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross entropy in nats of every learnt token, and the number within the batch of the conversation it is of.

    Both have shape (learnt tokens,); `model` is the causal model itself, not a wrapper.
    """
    backbone = getattr(model, model.base_model_prefix)
    with end_narrowed(backbone, batch.tokens.shape, batch.places):
        # With a cache, packed conversations would silently attend to each other.
        hidden = backbone(input_ids=batch.tokens, use_cache=False, **batch.layout()).last_hidden_state
    picked = hidden.flatten(0, 1).index_select(0, batch.places)
    head = model.get_output_embeddings()

    def chunk_losses(states: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(head(states).float(), wanted, reduction="none")

    if len(picked) <= CHUNK:
        return chunk_losses(picked, batch.targets), batch.owners
    pairs = zip(picked.split(CHUNK), batch.targets.split(CHUNK), strict=True)
    losses = [checkpoint(chunk_losses, states, wanted, use_reentrant=False) for states, wanted in pairs]
    return torch.cat(losses), batch.owners


def loss_sum(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Cross entropy in nats, summed over the learnt tokens."""
    return learnt_losses(model, batch)[0].sum()


def log_likelihoods(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Log-probability in nats of the learnt tokens of each conversation of the batch, shape (conversations,)."""
    losses, owners = learnt_losses(model, batch)
    return -losses.new_zeros(batch.size).index_add(0, owners, losses)


def refuse_unusual_head(
    model: PreTrainedModel, conversation: Conversation, device: torch.device, *, is_packed: bool
) -> None:
    """Raise BadInput when the model's own loss differs: its architecture does more after the head than we do.

    When packed, the conversation stands twice in a row: where the second saw the first, it would be foretold.
    """
    batch = Batch([conversation], device, is_packed=False)
    twice = Batch([conversation, conversation], device, is_packed=is_packed)
    with torch.no_grad():
        labels = torch.full_like(batch.tokens, -100)
        labels[0, batch.places + 1] = batch.targets
        own = model(input_ids=batch.tokens, labels=labels, use_cache=False).loss
        ours = loss_sum(model, batch) / len(batch.targets)
        both = loss_sum(model, twice) / len(twice.targets)
    if not torch.isfinite(own):
        raise BadInput(
            "The base model computes no finite loss for the first conversation; its weights are damaged.",
            "Copy the base model again, or choose float32 as precision.",
        )
    slack = TOLERANCE if model.dtype == torch.float32 else 0.05
    if not torch.allclose(own.float(), ours.float(), rtol=slack, atol=slack):
        raise BadInput(
            f"The architecture {type(model).__name__} changes the head's output in a way that is not supported.",
            "Use a base model of another architecture, such as Llama, Qwen or Mistral.",
        )
    if not torch.allclose(both.float(), ours.float(), rtol=slack, atol=slack):
        raise BadInput(
            f"The architecture {type(model).__name__} does not keep conversations apart that are laid end to end.",
            "Switch packing off.",
        )

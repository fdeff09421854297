"""Decoding: length-sorted batches with left padding, each answer handed over the moment it is finished."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

import torch
from transformers import DynamicCache, PreTrainedModel

from training.engine.outcome import Interrupted
from training.engine.stop import Stop


@dataclass(frozen=True)
class Prompt:
    """Token ids up to where the assistant begins to answer."""

    id: str
    tokens: list[int]


@dataclass(frozen=True)
class Answer:
    """Token ids without the end of turn; finish is "stop", "length" or "prompt-too-long"."""

    id: str
    tokens: list[int]
    finish: str
    seconds: float


@dataclass(frozen=True)
class Decoding:
    """How to answer: at temperature 0 the likeliest token, above it a draw that depends on seed and prompt id alone."""

    stop_tokens: frozenset[int]
    max_new_tokens: int
    context: int
    batch_tokens: int
    temperature: float = 0.0
    seed: int = 0


def prompt_batches(prompts: Sequence[Prompt], decoding: Decoding) -> Iterator[list[Prompt]]:
    """Prompts, longest first, in batches whose padded prompts and answers fit `batch_tokens`, or that hold one."""
    batch: list[Prompt] = []
    for prompt in sorted(prompts, key=lambda item: (-len(item.tokens), item.id)):
        width = len((batch or [prompt])[0].tokens) + decoding.max_new_tokens
        if batch and (len(batch) + 1) * width > decoding.batch_tokens:
            yield batch
            batch = []
        batch.append(prompt)
    if batch:
        yield batch


def answers(model: PreTrainedModel, prompts: Sequence[Prompt], decoding: Decoding, stop: Stop) -> Iterator[Answer]:
    """Answers in order of completion. Raises Interrupted when asked to stop; what was yielded stays valid."""
    fitting = [prompt for prompt in prompts if len(prompt.tokens) < decoding.context]
    yield from (Answer(item.id, [], "prompt-too-long", 0.0) for item in prompts if len(item.tokens) >= decoding.context)
    for batch in prompt_batches(fitting, decoding):
        yield from _batch_answers(model, batch, decoding, stop)


@torch.inference_mode()
def _batch_answers(model: PreTrainedModel, batch: Sequence[Prompt], decoding: Decoding, stop: Stop) -> Iterator[Answer]:
    began = time.monotonic()
    tokens, mask = _left_padded(batch, model.device)
    rows = list(batch)
    written: dict[str, list[int]] = {prompt.id: [] for prompt in rows}
    draws = {prompt.id: _generator(decoding.seed, prompt.id) for prompt in rows}
    cache = DynamicCache(config=model.config)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    while rows:
        if stop.asked:
            raise Interrupted
        logits = model(
            input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=cache,
            use_cache=True, logits_to_keep=1,
        ).logits[:, -1].float()  # fmt: skip
        chosen = _choose(logits, [draws[row.id] for row in rows], decoding.temperature)
        going: list[int] = []
        for place, (row, token) in enumerate(zip(rows, chosen.tolist(), strict=True)):
            done = written[row.id]
            is_stop = token in decoding.stop_tokens
            if not is_stop:
                done.append(token)
            is_full = len(done) >= decoding.max_new_tokens or len(row.tokens) + len(done) >= decoding.context
            if is_stop or is_full:
                yield Answer(row.id, done, "stop" if is_stop else "length", time.monotonic() - began)
            else:
                going.append(place)
        kept = torch.tensor(going, device=model.device, dtype=torch.long)
        if len(going) < len(rows) and going:
            cache.batch_select_indices(kept)
        rows = [rows[place] for place in going]
        tokens = chosen[kept, None]
        mask = torch.cat([mask[kept], mask.new_ones(len(going), 1)], dim=1)
        positions = positions[kept, -1:] + 1


def _left_padded(batch: Sequence[Prompt], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(prompt.tokens) for prompt in batch)
    gaps = [longest - len(prompt.tokens) for prompt in batch]
    tokens = [[0] * gap + prompt.tokens for gap, prompt in zip(gaps, batch, strict=True)]
    mask = [[0] * gap + [1] * (longest - gap) for gap in gaps]
    return torch.tensor(tokens, device=device), torch.tensor(mask, device=device)


def _generator(seed: int, name: str) -> torch.Generator:
    number = int.from_bytes(sha256(f"{seed}/{name}".encode()).digest()[:8], "big")
    return torch.Generator().manual_seed(number)


def _choose(logits: torch.Tensor, draws: Sequence[torch.Generator], temperature: float) -> torch.Tensor:
    if temperature == 0:
        return logits.argmax(-1)
    # Adding Gumbel noise and taking the largest draws from the softmax, each row from a stream of its own.
    uniform = torch.stack([torch.rand(logits.shape[-1], generator=draw) for draw in draws]).to(logits.device)
    noise = -torch.log(-torch.log(uniform.clamp(1e-10, 1 - 1e-7)))
    return (logits / temperature + noise).argmax(-1)

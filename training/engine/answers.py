"""Decoding in static batches: sorted by length, padded on the left, each answer handed over when it is finished."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from training.engine.attention import attention_in_spans
from training.engine.data import Tokenizer, end_of_turn
from training.engine.layers import end_narrowed
from training.engine.outcome import Interrupted
from training.engine.stop import Stop

if TYPE_CHECKING:
    from training.engine.grammar import Grammars

READ_TOKENS = {"cpu": 1024, "cuda": 16_384}
"""Tokens of prompts that are read at once: as many as keep the device busy; more are padded more."""
SPAN_ROWS = 16
"""Rows that a processor attends for at a time: neighbours in length, so that padding is passed over."""


@dataclass(frozen=True)
class Prompt:
    """Token ids up to where the assistant begins to answer, and the grammar of the answer; empty: any text."""

    id: str
    tokens: list[int]
    grammar: str = ""


@dataclass(frozen=True)
class Answer:
    """Token ids without the end of turn; finish is "stop", "length" or "prompt-too-long".

    `logprobs`, when asked for: the natural logarithm of the probability that the model by itself (no grammar,
    temperature 1) gave to each token, and to the end of turn where it wrote one.
    """

    id: str
    tokens: list[int]
    finish: str
    seconds: float
    logprobs: list[float] | None = None


@dataclass(frozen=True)
class Decoding:
    """How to answer: at temperature 0 the likeliest token, above it a draw that depends on seed and prompt id alone."""

    stop_tokens: frozenset[int]
    max_new_tokens: int
    context: int
    batch_tokens: int
    temperature: float = 0.0
    seed: int = 0
    keep_logprobs: bool = False

    def room(self, prompt: Prompt) -> int:
        """The most tokens that an answer to this prompt may have."""
        return min(self.max_new_tokens, self.context - len(prompt.tokens))

    def split(self, prompts: Sequence[Prompt]) -> tuple[list[Prompt], list[Answer]]:
        """The prompts that leave room for an answer, and the empty answers to the others."""
        none: list[float] | None = [] if self.keep_logprobs else None
        too_long = [Answer(item.id, [], "prompt-too-long", 0.0, none) for item in prompts if self.room(item) < 1]
        return [item for item in prompts if self.room(item) >= 1], too_long


def stop_tokens(model: PreTrainedModel, tokenizer: Tokenizer) -> frozenset[int]:
    """The end of turn of the chat template, and whatever else the model's own settings say ends a text."""
    configured = model.generation_config.eos_token_id if model.generation_config else None
    listed = configured if isinstance(configured, list) else [configured] if configured is not None else []
    return frozenset([end_of_turn(tokenizer), *listed])


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


def answers(
    model: PreTrainedModel,
    prompts: Sequence[Prompt],
    decoding: Decoding,
    stop: Stop,
    grammars: Grammars | None = None,
) -> Iterator[Answer]:
    """Answers in order of completion; prompts with a grammar need `grammars`.

    Raises Interrupted when asked to stop; what was yielded stays valid.
    """
    fitting, too_long = decoding.split(prompts)
    yield from too_long
    with attention_in_spans(model):
        for batch in prompt_batches(fitting, decoding):
            yield from _batch_answers(model, [_Row(prompt, decoding, grammars) for prompt in batch], decoding, stop)


class _Row:
    """One answer that is being written."""

    def __init__(self, prompt: Prompt, decoding: Decoding, grammars: Grammars | None) -> None:
        self.prompt, self.room = prompt, decoding.room(prompt)
        self.draw = _generator(decoding.seed, prompt.id)
        self.form = grammars.form(prompt.id, prompt.grammar) if grammars and prompt.grammar else None
        self.tokens: list[int] = []
        self.logprobs: list[float] = []

    def take(self, token: int, logprob: float, stop_tokens: frozenset[int]) -> str:
        """Why the answer ends with this token; empty while it goes on."""
        self.logprobs.append(logprob)
        if token in stop_tokens:
            return "stop"
        self.tokens.append(token)
        if self.form:
            self.form.take(token)
        return "length" if len(self.tokens) >= self.room else ""

    def answer(self, finish: str, seconds: float, *, keep_logprobs: bool) -> Answer:
        """What was written; of an answer that was cut off and has a form, as much as is whole."""
        if self.form and finish == "length":
            self.tokens, self.logprobs = self.tokens[: self.form.n_whole], self.logprobs[: self.form.n_whole]
        return Answer(self.prompt.id, self.tokens, finish, seconds, self.logprobs if keep_logprobs else None)


@torch.inference_mode()
def _batch_answers(model: PreTrainedModel, rows: list[_Row], decoding: Decoding, stop: Stop) -> Iterator[Answer]:
    began = time.monotonic()
    cache, mask, logits = _read(model, rows)
    width, positions = mask.shape[1], mask.sum(1, keepdim=True) - 1
    is_spanned = model.device.type == "cpu" and _is_roomy(cache)
    while True:
        if stop.asked:
            raise Interrupted
        chosen = _choose(_held_to_forms(logits, rows), [row.draw for row in rows], decoding.temperature)
        logprobs = _logprobs(logits, chosen) if decoding.keep_logprobs else [0.0] * len(rows)
        going: list[int] = []
        for place, (row, token, logprob) in enumerate(zip(rows, chosen.tolist(), logprobs, strict=True)):
            finish = row.take(token, logprob, decoding.stop_tokens)
            if finish:
                yield row.answer(finish, time.monotonic() - began, keep_logprobs=decoding.keep_logprobs)
            else:
                going.append(place)
        if not going:
            return
        kept = torch.tensor(_with_gaps_filled(going), device=model.device, dtype=torch.long)
        if len(going) < len(rows):
            cache.batch_select_indices(kept)
        rows = [rows[place] for place in kept.tolist()]
        mask = torch.cat([mask[kept], mask.new_ones(len(going), 1)], dim=1)
        positions = positions[kept] + 1
        seen = {"spans": _spans(rows, width)} if is_spanned else {}
        logits = _logits(model, chosen[kept, None], mask, positions, cache, **seen)


def _spans(rows: Sequence[_Row], width: int) -> list[tuple[slice, int]]:
    """Rows that attend together, and the first column that any of them sees; prompts end at column `width`."""
    found = []
    for start in range(0, len(rows), SPAN_ROWS):
        some = slice(start, start + SPAN_ROWS)
        found.append((some, width - max(len(row.prompt.tokens) for row in rows[some])))
    return found


def _logits(
    model: PreTrainedModel, tokens: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: DynamicCache,
    **options: Any,
) -> torch.Tensor:  # fmt: skip
    """Of the token after the last one of each row; keys and values go into the cache."""
    found: torch.Tensor = model(
        input_ids=tokens, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
        logits_to_keep=1, **options,
    ).logits[:, -1]  # fmt: skip
    return found.float()


def _read(model: PreTrainedModel, rows: Sequence[_Row]) -> tuple[DynamicCache, torch.Tensor, torch.Tensor]:
    """Keys and values of all prompts, the mask of what is no padding, and the logits after each.

    Prompts, which come sorted, are read a few at a time, so that short ones are not padded to the longest of the batch.
    """
    width = len(rows[0].prompt.tokens)
    cache = DynamicCache(config=model.config)
    is_plain = all(type(layer) is DynamicLayer for layer in cache.layers)
    room = width + max(row.room for row in rows)
    roomies = [_RoomyLayer(len(rows), room) for _ in cache.layers] if is_plain else []
    if is_plain:
        cache.layers = list(roomies)
    mask = torch.zeros(len(rows), width, dtype=torch.long, device=model.device)
    logits: list[torch.Tensor] = []
    for start, some in _groups(rows, READ_TOKENS[model.device.type]) if is_plain else [(0, rows)]:
        tokens, padding = left_padded([row.prompt.tokens for row in some], model.device)
        positions = (padding.cumsum(1) - 1).clamp(min=0)
        part = DynamicCache(config=model.config) if is_plain else cache
        last = torch.arange(1, len(some) + 1, device=model.device) * tokens.shape[1] - 1
        with end_narrowed(model.base_model, tokens.shape, last):
            logits.append(_logits(model, tokens, padding, positions, part))
        mask[start : start + len(some), -tokens.shape[1] :] = padding
        for roomy, read in zip(roomies, part, strict=False):
            roomy.place(read[0], read[1], first_row=start, end=width)
    return cache, mask, torch.cat(logits)


def _groups(rows: Sequence[_Row], limit: int) -> Iterator[tuple[int, Sequence[_Row]]]:
    """Neighbours whose prompts, padded to the first of them, have at most `limit` tokens; with their place."""
    start = 0
    while start < len(rows):
        n = max(1, limit // len(rows[start].prompt.tokens))
        yield start, rows[start : start + n]
        start += n


def left_padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids of rows that end together, and the mask of what is no padding."""
    longest = max(map(len, rows))
    gaps = [longest - len(row) for row in rows]
    tokens = [[0] * gap + list(row) for gap, row in zip(gaps, rows, strict=True)]
    mask = [[0] * gap + [1] * (longest - gap) for gap in gaps]
    return torch.tensor(tokens, device=device), torch.tensor(mask, device=device)


class _RoomyLayer(DynamicLayer):
    """Keys and values with room for the whole answer: a step writes its own in place and copies none of the others."""

    def __init__(self, n_rows: int, room: int) -> None:
        super().__init__()
        self._n_rows, self._room = n_rows, room
        self._whole: list[torch.Tensor] = []

    def place(self, keys: torch.Tensor, values: torch.Tensor, *, first_row: int, end: int) -> None:
        """Takes over what was read of some rows, so that it ends at column `end`."""
        if not self._whole:
            self.lazy_initialization(keys, values)
            # Zeros, because a masked column counts with weight zero, and zero times what was there may be no number.
            shape = (self._n_rows, keys.shape[1], self._room, keys.shape[3])
            self._whole = [keys.new_zeros(shape), values.new_zeros(shape)]
        for whole, state in zip(self._whole, (keys, values), strict=True):
            whole[first_row : first_row + len(state), :, end - state.shape[2] : end] = state
        self._show(self._n_rows, end)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object
    ) -> tuple[torch.Tensor, torch.Tensor]:
        start, n_rows = self.get_seq_length(), len(key_states)
        end = start + key_states.shape[2]
        for whole, state in zip(self._whole, (key_states, value_states), strict=True):
            whole[:n_rows, :, start:end] = state
        return self._show(n_rows, end)

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        length = self.get_seq_length()
        moved = (indices != torch.arange(len(indices), device=indices.device)).nonzero()[:, 0]
        for whole in self._whole:
            whole[moved, :, :length] = whole[indices[moved], :, :length]
        self._show(len(indices), length)

    def _show(self, n_rows: int, end: int) -> tuple[torch.Tensor, torch.Tensor]:
        self.keys, self.values = (whole[:n_rows, :, :end] for whole in self._whole)
        return self.keys, self.values


def _is_roomy(cache: DynamicCache) -> bool:
    """Whether every layer has a column for every token, which one with a sliding window has not."""
    return all(isinstance(layer, _RoomyLayer) for layer in cache.layers)


def _with_gaps_filled(going: list[int]) -> list[int]:
    """The rows that go on, in their old places, but for the last ones, which take the places that became free."""
    n = len(going)
    movers = [place for place in going if place >= n]
    staying = set(going)
    return [place if place in staying else movers.pop() for place in range(n)]


def _held_to_forms(logits: torch.Tensor, rows: Sequence[_Row]) -> torch.Tensor:
    """The logits, those of tokens that a row's form does not allow lowered to minus infinity."""
    if not any(row.form for row in rows):
        return logits
    every = np.ones(logits.shape[-1], dtype=np.bool_)
    allowed = np.stack([row.form.allowed() if row.form else every for row in rows])
    return logits.masked_fill(~torch.from_numpy(allowed).to(logits.device), -torch.inf)


def _logprobs(logits: torch.Tensor, chosen: torch.Tensor) -> list[float]:
    found: list[float] = logits.log_softmax(-1).gather(1, chosen[:, None])[:, 0].tolist()
    return found


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

"""How much memory a training needs, before it is started, and what of the machine settings makes it fit; no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple, Self

from training.engine.config import ALL_LINEAR, FULL, PRESETS, MachineConfig
from training.engine.outcome import BadInput

FLOAT = 4
BYTES = {"float32": 4, "bfloat16": 2}
FOUR_BIT = 0.56
"""Bytes of a weight in 4 bits with its share of the scales (NF4 with double quantisation, bitsandbytes)."""
BYTES_TRAINED = 4 * FLOAT
"""Of each number of an adapter: itself, its gradient and the two averages of AdamW, all in float32."""
BYTES_TRAINED_WHOLE = 3 * FLOAT
"""The same of a base model that is trained whole, whose numbers are loaded already."""
LOSS_ROWS = 1024
"""Learnt tokens whose scores over the vocabulary are held at once (`loss.CHUNK`)."""
LOSS_COPIES = 3
HOLES, HOLES_BACK = 1.4, 2.3
"""By how much main memory is fuller than what lives in it, on the way there and back: between blocks that are kept,
malloc fills what was freed again only in part. Measured over nine shapes of 2 to 8 layers (glibc 2.36, docs/engine.md);
blocks that are mapped one by one leave no holes, and cost a third more time."""
MARGIN = 0.9


@dataclass(frozen=True)
class Shape:
    """What of a base model decides about memory: numbers of weights, and widths."""

    n_parameters: int
    layers: int
    hidden: int
    mlp: int
    kv_width: int
    vocabulary: int

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """From `BaseModelFacts` as a mapping; widths that it does not know are taken as large as they usually are."""
        hidden = facts["hidden"]
        return cls(
            n_parameters=facts["n_parameters"],
            layers=facts["layers"],
            hidden=hidden,
            mlp=facts.get("mlp") or 4 * hidden,
            kv_width=facts.get("kv_width") or hidden,
            vocabulary=facts["vocabulary"],
        )

    def n_trainable(self, rank: int, target_modules: str | Sequence[str]) -> int:
        """Numbers of a LoRA adapter of this rank: rank times what goes in and out of each layer that gets one."""
        hidden, mlp, keys = self.hidden, self.mlp, self.kv_width
        ends = {
            "q_proj": 2 * hidden, "k_proj": hidden + keys, "v_proj": hidden + keys, "o_proj": 2 * hidden,
            "gate_proj": hidden + mlp, "up_proj": hidden + mlp, "down_proj": hidden + mlp,
        }  # fmt: skip
        if target_modules == ALL_LINEAR:
            chosen: Sequence[str] = list(ends)
        else:
            chosen = PRESETS[target_modules] if isinstance(target_modules, str) else target_modules
        return self.layers * rank * sum(ends.get(name, 0) for name in chosen)

    def n_trained(self, config: Mapping[str, Any]) -> int:
        """Numbers that a fine-tuning with these values of RunConfig trains."""
        if config.get("technique") == FULL:
            return self.n_parameters
        return self.n_trainable(config["rank"], config["target_modules"])

    def weights(self, config: Mapping[str, Any]) -> int:
        """Bytes of the loaded base model; one that is trained whole is held in float32."""
        if config.get("technique") == FULL:
            return self.n_parameters * FLOAT
        return ceil(self.n_parameters * (FOUR_BIT if config.get("four_bit") else BYTES[config["precision"]]))


def token_counts(base_model: Path, texts: Sequence[str]) -> list[int] | None:
    """Tokens of each text by the tokenizer of the base model in this folder; None where folder or library is not."""
    if not (base_model / "tokenizer.json").is_file() or find_spec("tokenizers") is None:
        return None
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(base_model / "tokenizer.json"))
    return [len(found) for found in tokenizer.encode_batch(texts, add_special_tokens=False)]


def largest_batch(lengths: Sequence[int], *, batch_size: int, token_limit: int, is_packed: bool) -> int:
    """The most positions that are computed at once: the longest rows together, within the limit (0: none)."""
    longest = sorted(lengths, reverse=True)[:batch_size]
    n_tokens = sum(longest) if is_packed else len(longest) * longest[0]
    return max(longest[0], min(n_tokens, token_limit or n_tokens))


def training_memory(
    shape: Shape, config: Mapping[str, Any], *, n_tokens: int, n_trainable: int, is_recomputed: bool, is_on_card: bool
) -> int:
    """Bytes that training takes beside the loaded base model, when at most `n_tokens` are computed at once.

    Adapter, gradients and optimizer; activations, 8.75 hidden and 4 MLP widths per token of each layer but the last,
    which is computed where it is learnt alone (with recomputing, a hidden width per layer and one whole layer); while
    going back, the gradients of one layer, 2 hidden and 3 MLP widths; the scores of the learnt tokens over the
    vocabulary. Trained whole in bfloat16, a copy of the weights in that format too. In main memory, the holes between.
    """
    width = BYTES[config["precision"]]
    layer = (8.75 * shape.hidden + 4 * shape.mlp) * width
    if config.get("dora"):
        layer *= 1.5
    kept = shape.layers * shape.hidden * width + layer if is_recomputed else (shape.layers - 1) * layer
    back = (2 * shape.hidden + 3 * shape.mlp) * width
    per_token = kept + back if is_on_card else HOLES * kept + HOLES_BACK * back
    scores = min(n_tokens, LOSS_ROWS) * shape.vocabulary * FLOAT * LOSS_COPIES
    if config.get("technique") == FULL:
        trained = n_trainable * (BYTES_TRAINED_WHOLE + (width if width < FLOAT else 0))
    else:
        trained = n_trainable * BYTES_TRAINED
    return ceil(trained + n_tokens * per_token + scores)


class Fit(NamedTuple):
    """Machine settings that fit, the bytes that training then takes, and what was changed to get there and why."""

    machine: MachineConfig
    memory: int
    adjusted: list[str]


def fitted(
    shape: Shape,
    config: Mapping[str, Any],
    machine: MachineConfig,
    lengths: Sequence[int],
    *,
    n_trainable: int,
    free: int | None,
    is_packed: bool,
    is_on_card: bool,
) -> Fit:
    """The first settings that need at most nine tenths of `free` bytes (None: unknown, nothing is changed).

    `lengths` are the tokens of what is never split: of each conversation, or of both answers of a pair together.
    First the settings as they are; then smaller batches, which change nothing but the speed; then recomputing of
    activations too. Raises BadInput when even one conversation at a time does not fit.
    """
    needs: list[int] = []
    for tried in _alternatives(machine, max(lengths)):
        n_tokens = largest_batch(
            lengths, batch_size=config["batch_size"], token_limit=tried.micro_batch_tokens, is_packed=is_packed
        )
        needs.append(
            training_memory(
                shape,
                config,
                n_tokens=n_tokens,
                n_trainable=n_trainable,
                is_recomputed=tried.recompute_activations,
                is_on_card=is_on_card,
            )
        )
        if free is None or needs[-1] <= MARGIN * free:
            return Fit(tried, needs[-1], _changes(machine, tried, needs[0], free))
    raise BadInput(
        f"This training needs {in_words(needs[-1])} of memory beside the base model even with one conversation at a "
        f"time, and {in_words(free or 0)} are free.",
        "Choose a smaller longest conversation, rank or base model, or a machine with more memory.",
    )


def in_words(n_bytes: float) -> str:
    """Bytes as a person reads them: "350 MB", "12.4 GB"."""
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.0f} MB"


def _alternatives(machine: MachineConfig, longest: int) -> Iterator[MachineConfig]:
    yield machine
    limits = [limit for power in range(20, 8, -1) if longest < (limit := 2**power)]
    limits = [
        limit for limit in [*limits, longest] if not machine.micro_batch_tokens or limit < machine.micro_batch_tokens
    ]
    for limit in limits:
        yield replace(machine, micro_batch_tokens=limit)
    for limit in [machine.micro_batch_tokens, *limits]:
        yield replace(machine, micro_batch_tokens=limit, recompute_activations=True)


def _changes(asked: MachineConfig, found: MachineConfig, needed: int, free: int | None) -> list[str]:
    if found == asked:
        return []
    said = [
        f"As asked for, training would need {in_words(needed)} beside the base model; {in_words(free or 0)} are free."
    ]
    if found.micro_batch_tokens != asked.micro_batch_tokens:
        said.append(
            f"Batches are computed in parts of at most {found.micro_batch_tokens:,} tokens, with the same result."
        )
    if found.recompute_activations != asked.recompute_activations:
        said.append("Activations are computed twice instead of being kept, which costs about a fifth of the speed.")
    return said

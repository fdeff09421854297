"""Where the table is measured: the shape of the model, made at random on the device, and rows of random tokens.

With a graphics card the shape is that of Llama-3-8B in bfloat16; without one a small shape in float32, which shows that
every row works and says nothing about a card.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel

from training.engine.attention import PLAIN, packed_attention
from training.engine.base_model import BaseModelFacts
from training.engine.config import MachineConfig, RunConfig, TuningConfig
from training.engine.data import Conversation
from training.engine.estimate import Shape
from training.engine.folder import EventLog, RunFolder
from training.engine.lora import lighten
from training.engine.peers import ALONE
from training.engine.recipe import FineTuning
from training.engine.stop import Stop
from training.engine.tuning import Opened, attends_within

LENGTHS = Path(__file__).with_name("lengths.json")
RANK = 16
LEARNT_SHARE = 0.3
"""Of a clinical conversation about so much is answer."""


@dataclass(frozen=True)
class Place:
    """The device and the sizes that it can carry in the time there is."""

    device: torch.device
    precision: str
    shape: Shape
    heads: int
    kv_heads: int
    lengths: tuple[int, ...]
    tokens: int
    steps: int
    folder: Path

    @property
    def is_real(self) -> bool:
        """Whether there is a graphics card."""
        return self.device.type == "cuda"

    @property
    def note(self) -> str:
        """What every row says of where it was measured."""
        return "" if self.is_real else "on a processor with a small shape; says nothing about a card"

    def met(self, is_met: bool) -> bool | None:
        """Whether a goal is met; None without a card, for which all of them are meant."""
        return is_met if self.is_real else None


def open_place(folder: Path, device: torch.device) -> Place:
    """The place for this device."""
    if device.type == "cuda":
        shape = Shape(n_parameters=8_030_261_248, layers=32, hidden=4096, mlp=14_336, kv_width=1024, vocabulary=128_256)
        return Place(device, "bfloat16", shape, 32, 8, (2048, 4096), 8192, 10, folder)
    shape = Shape(n_parameters=2_045_000, layers=4, hidden=192, mlp=512, kv_width=64, vocabulary=2048)
    return Place(device, "float32", shape, 6, 2, (128, 256), 1024, 2, folder)


def made(place: Place, shape: Shape, *, heads: int = 0, kv_heads: int = 0) -> PreTrainedModel:
    """A Llama of this shape with random weights, made on the device; with a small vocabulary the head is tied."""
    config = LlamaConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.hidden, intermediate_size=shape.mlp,
        num_hidden_layers=shape.layers, num_attention_heads=heads or place.heads,
        num_key_value_heads=kv_heads or place.kv_heads, max_position_embeddings=8192,
        tie_word_embeddings=shape.vocabulary < 10_000, bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, place.precision))
    try:
        with place.device:
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    model.set_attn_implementation(PLAIN)
    return model.requires_grad_(False)


def adapter_of(model: PreTrainedModel, *, is_light: bool = True) -> Any:
    """The model with a LoRA adapter of rank 16 on all linear layers, whose output is not zero, as after training."""
    torch.manual_seed(1)
    adapted = get_peft_model(
        model, LoraConfig(task_type="CAUSAL_LM", r=RANK, lora_alpha=2 * RANK, target_modules="all-linear")
    )
    for name, value in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=1e-3)
    if is_light:
        lighten(adapted)
    return adapted


def conversations(lengths: Sequence[int], vocabulary: int, *, learnt_share: float = LEARNT_SHARE) -> list[Conversation]:
    """Random tokens of these lengths, of which the last share is the answer."""
    draw = random.Random(0)
    items = []
    for number, length in enumerate(lengths):
        tokens = [draw.randrange(8, vocabulary) for _ in range(length)]
        n_learnt = max(1, min(length - 1, round(length * learnt_share)))
        marks = [False] * (length - n_learnt) + [True] * n_learnt
        prompt = tokens[: length - n_learnt]
        items.append(Conversation(f"c{number}", tokens, marks, False, False, prompt, ""))
    return items


def clinical_lengths(n: int, longest: int) -> list[int]:
    """Lengths drawn from the histogram of the clinical conversations that the demo carries, cut at `longest`."""
    histogram = json.loads(LENGTHS.read_text())
    draw = random.Random(0)
    step = histogram["step"]
    begins = draw.choices(range(0, step * len(histogram["counts"]), step), weights=histogram["counts"], k=n)
    return [min(longest, begin + draw.randrange(8, step + 8)) for begin in begins]


def opened_on(place: Place, model: PreTrainedModel, shape: Shape, machine: MachineConfig, precision: str) -> Opened:
    """What the engine knows of a base model, for one that lies in no folder."""
    is_packed = attends_within(model, machine, packed_attention(place.device, precision))
    facts = BaseModelFacts(
        name="random", architecture="LlamaForCausalLM", n_parameters=shape.n_parameters, dtype=precision,
        hidden=shape.hidden, layers=shape.layers, mlp=shape.mlp, kv_width=shape.kv_width, vocabulary=shape.vocabulary,
        context=8192, chat_template="", end_token="", pad_token="", licence="", licence_text="", size=0, files={},
        digest="",
    )  # fmt: skip
    no_tokenizer: Any = None
    return Opened(place.device, ALONE, model, no_tokenizer, facts, "", is_packed)


def tuning_on(
    place: Place, adapted: Any, items: Sequence[Conversation], *, rows: int, machine: MachineConfig | None = None,
    precision: str = "", shape: Shape | None = None,
) -> FineTuning:  # fmt: skip
    """The engine's own fine-tuning of an adapted model on these conversations, `rows` in an update."""
    used = machine or MachineConfig(device="cuda" if place.is_real else "cpu")
    config = RunConfig(base_model="random", batch_size=rows, epochs=1, precision=precision or place.precision)
    base = adapted.get_base_model()
    begun = opened_on(place, base, shape or place.shape, used, config.precision)
    return FineTuning(config, used, begun, adapted, items, items[:1], log_of(place), Stop())


def log_of(place: Place) -> EventLog:
    """Events of the engine go into the folder of the table."""
    return EventLog(RunFolder(place.folder))


def update_of(tuning: FineTuning) -> Any:
    """One whole update: gradients, their norm, and AdamW, as the engine's loop does it."""
    optimizer = tuning.work().optimizer
    for group in optimizer.param_groups:
        group["lr"] = 1e-5

    def update(step: int) -> float:
        optimizer.zero_grad(set_to_none=True)
        total, n_learnt = tuning.backward(step % len(tuning.plan))
        torch.nn.utils.clip_grad_norm_(tuning.parameters.values(), 1.0)
        optimizer.step()
        return total / n_learnt

    return update


def config_of(place: Place) -> TuningConfig:
    """Settings of a training of this place, for what asks the estimate."""
    return RunConfig(base_model="random", precision=place.precision)

"""Adapters in turn on one loaded base model: active beside it, or merged into it in memory and taken out again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer, LoraModel
from transformers import PreTrainedModel

from training.engine.adapter import check_adapter
from training.engine.answers import left_padded
from training.engine.config import FULL
from training.engine.outcome import BadInput
from training.engine.whole import in_place

MERGE_ABOVE = 50
"""Rows from which merging costs less than computing the adapter beside the base model at every token."""
COMPARED_PROMPTS = 8
COMPARED_TOKENS = 256


@contextmanager
def adapted(
    base: PreTrainedModel,
    adapter: Path,
    *,
    digest: str,
    base_digest: str,
    prompts: Sequence[Sequence[int]],
    n_rows: int,
) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The base model with the adapter, and what the result says about it; afterwards the base model is as it was.

    Of a task of more than MERGE_ABOVE rows, of which `prompts` are left, it is merged in float32, rounded once, and the
    largest difference of the logits after the last token of the first prompts is measured. Raises BadInput when the
    adapter is not what it should be.
    """
    manifest = check_adapter(adapter, digest)
    if base_digest and manifest["base_digest"] != base_digest:
        raise BadInput(
            "The adapter was trained on another base model.", "Choose the base model that it was trained on."
        )
    if manifest.get("method") == FULL:
        with in_place(base, adapter) as whole:
            yield whole, {"is_merged": True}
        return
    tuned = PeftModel.from_pretrained(base, adapter, local_files_only=True)
    layers = [module for module in tuned.modules() if isinstance(module, LoraLayer)]
    kept = [(layer.get_base_layer(), layer.get_base_layer().weight.data) for layer in layers]
    try:
        if n_rows > MERGE_ABOVE:
            yield _merged(tuned, layers, [list(prompt) for prompt in prompts[:COMPARED_PROMPTS]])
        else:
            yield tuned.eval().get_base_model(), {"is_merged": False}
    finally:
        for layer, weight in kept:
            layer.weight.data = weight
        _lora(tuned).unload()


def _merged(tuned: PeftModel, layers: Sequence[LoraLayer], prompts: Sequence[list[int]]) -> tuple[Any, dict[str, Any]]:
    tuned.eval()
    beside = _last_logits(tuned, prompts)
    for layer in layers:
        weight: Any = layer.get_base_layer().weight
        precision = weight.dtype
        # A copy, so that the weights of the base model stay what they are and can be put back.
        weight.data = weight.data.to(torch.float32, copy=True)
        layer.merge()
        weight.data = weight.data.to(precision)
    model = _lora(tuned).unload()
    difference = float((_last_logits(model, prompts) - beside).abs().max())
    return model, {"is_merged": True, "largest_difference": difference, "n_compared": len(prompts)}


def _lora(tuned: PeftModel) -> LoraModel:
    if not isinstance(tuned.base_model, LoraModel):
        raise TypeError("Only LoRA adapters are used here.")
    return tuned.base_model


@torch.inference_mode()
def _last_logits(model: torch.nn.Module, prompts: Sequence[list[int]]) -> torch.Tensor:
    device = next(model.parameters()).device
    tokens, mask = left_padded([prompt[-COMPARED_TOKENS:] for prompt in prompts], device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    found: torch.Tensor = model(
        input_ids=tokens, attention_mask=mask, position_ids=positions, use_cache=False, logits_to_keep=1
    ).logits[:, -1]
    return found.float()

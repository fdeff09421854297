"""Attention that passes over what nobody may see: other conversations in a row, and the padding before a prompt.

`torch.nn.attention.varlen` (torch 2.11 and later, graphics cards alone) takes the places at which conversations begin;
elsewhere each conversation attends for itself. A block mask, which transformers would make from the position ids,
costs time and memory by the square of the whole row.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

PLAIN = "sdpa"
VARLEN = "varlen"
PARTS = "parts"
SPANS = "spans"


def packed_attention(device: torch.device, precision: str) -> str:
    """What training computes attention with where rows are packed: `VARLEN` where the kernel is there, else `PARTS`."""
    # No mask functions are registered under these names, so that transformers makes no mask.
    if device.type == "cuda" and precision == "bfloat16" and _has_kernel():
        AttentionInterface.register(VARLEN, varlen_attention)
        return VARLEN
    AttentionInterface.register(PARTS, attention_in_parts)
    return PARTS


def attention_in_parts(
    module: torch.nn.Module, query: Any, key: Any, value: Any, mask: Any, **options: Any
) -> tuple[Any, None]:
    """Causal attention, conversation by conversation; shapes and options are those of `varlen_attention`."""
    begins = options.get("cu_seq_lens_q")
    if begins is None:
        return sdpa_attention_forward(module, query, key, value, mask, **options)
    sizes = begins.diff().tolist()
    window = options.get("sliding_window") or 0
    found = []
    for asks, keys, values in zip(*(tensor.split(sizes, dim=2) for tensor in (query, key, value)), strict=True):
        seen = _within(window, asks.shape[2], query.device)
        found.append(
            functional.scaled_dot_product_attention(
                asks, keys, values, attn_mask=seen, is_causal=seen is None, enable_gqa=True,
                scale=options.get("scaling"), dropout_p=options.get("dropout", 0.0),
            )
        )  # fmt: skip
    return torch.cat(found, dim=2).transpose(1, 2), None


@contextmanager
def attention_in_spans(model: PreTrainedModel) -> Iterator[None]:
    """Attention with masks and a cache, as decoding needs it, whatever training uses. Rows that end together and were
    padded before attend some at a time: `spans` among the options of a call says which, each with the first column that
    any of its rows sees."""
    AttentionInterface.register(SPANS, _attention_in_spans)
    AttentionMaskInterface.register(SPANS, sdpa_mask)
    before = model.config._attn_implementation
    model.set_attn_implementation(SPANS)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def _attention_in_spans(
    module: torch.nn.Module, query: Any, key: Any, value: Any, mask: Any, **options: Any
) -> tuple[Any, None]:
    spans = options.get("spans")
    if spans is None or mask is None:
        return sdpa_attention_forward(module, query, key, value, mask, **options)
    found = [
        sdpa_attention_forward(
            module, query[rows], key[rows, :, start:], value[rows, :, start:], mask[rows, :, :, start:], **options
        )[0]
        for rows, start in spans
    ]
    return torch.cat(found), None


def _within(window: int, length: int, device: torch.device) -> torch.Tensor | None:
    """What each of `length` positions sees through a sliding window (0: everything behind); None where all of that."""
    if not 0 < window < length:
        return None
    return torch.ones(length, length, dtype=torch.bool, device=device).tril().triu(1 - window)


def varlen_attention(
    module: torch.nn.Module, query: Any, key: Any, value: Any, mask: Any, **options: Any
) -> tuple[Any, None]:
    """Causal attention; query, key and value have the shape (1, heads, positions, width).

    `cu_seq_lens_q` among the options holds the places at which conversations begin, and the end; without it there is
    one conversation to each row.
    """
    begins = options.get("cu_seq_lens_q")
    if begins is None:
        return sdpa_attention_forward(module, query, key, value, mask, **options)
    parts = [tensor.squeeze(0).transpose(0, 1) for tensor in (query, key, value)]
    longest = options["max_length_q"]
    kernel: Callable[..., Any] = import_module("torch.nn.attention.varlen").varlen_attn
    # Nothing ahead is seen; behind, everything, or with a sliding window so many positions with one's own.
    behind = (options.get("sliding_window") or 0) - 1
    # Since torch 2.12 fewer keys than queries have to be allowed; before, they just work.
    grouped = {"enable_gqa": True} if "enable_gqa" in inspect.signature(kernel).parameters else {}
    scale = options.get("scaling")
    found = kernel(*parts, begins, begins, longest, longest, scale=scale, window_size=(behind, 0), **grouped)
    return found.unsqueeze(0), None


def _has_kernel() -> bool:
    """Whether torch has the kernel, with windows, which say what is causal; torch 2.10 had it without."""
    if find_spec("torch.nn.attention.varlen") is None:
        return False
    return "window_size" in inspect.signature(import_module("torch.nn.attention.varlen").varlen_attn).parameters

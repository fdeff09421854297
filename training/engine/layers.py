"""How the layers of a model are computed: with kernels of Liger, compiled, twice to save memory, or the last ones only
where somebody looks; never what."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel

from training.engine.config import MachineConfig
from training.engine.outcome import BadInput

COMPILED_WAYS = 32


def decoder_layers(model: PreTrainedModel) -> list[torch.nn.Module]:
    """The layers between embedding and head. Raises BadInput where the architecture names them in an unknown way."""
    layers = getattr(getattr(model, model.base_model_prefix), "layers", None)
    if not layers:
        raise BadInput(
            f"The layers of the architecture {type(model).__name__} are named in a way that is not known here.",
            "Switch off compiling and the sharing of the base model, or use an architecture such as Llama or Qwen.",
        )
    return list(layers)


def check_layers(machine: MachineConfig, device: torch.device) -> None:
    """Raise BadInput for what this machine cannot do, before any model is loaded."""
    if machine.liger:
        if device.type != "cuda":
            raise BadInput(
                "Liger kernels need a graphics card, and this run has none.",
                "Switch them off, or let a worker with a graphics card do the run.",
            )
        if importlib.util.find_spec("liger_kernel") is None:
            raise BadInput(
                "Liger kernels need the library liger-kernel, which this worker does not have.",
                "Ask your administrator to install it, or switch them off.",
            )
    if machine.compiled:
        if device.type != "cuda":
            raise BadInput(
                "Compiling pays on graphics cards alone, and this run has none.",
                "Switch it off, or let a worker with a graphics card do the run.",
            )
        if machine.sharded:
            raise BadInput(
                "A base model that is held in parts cannot be compiled here.", "Switch one of the two settings off."
            )
        if importlib.util.find_spec("triton") is None:
            raise BadInput(
                "Compiling needs the library Triton, which this worker does not have.",
                "Ask your administrator to install it, or switch compiling off.",
            )


def prepare_layers(model: PreTrainedModel, machine: MachineConfig) -> None:
    """Let the layers of a loaded model compute as the machine settings say. Call before an adapter is added."""
    if machine.recompute_activations:
        # transformers 5.17 knows it under its older name only.
        enable: Any = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    if machine.liger:
        liger = importlib.import_module("liger_kernel.transformers")
        # The loss is our own, on learnt tokens alone; norms, activations and positions are what Liger is for here.
        liger._apply_liger_kernel_to_instance(model=model, cross_entropy=False, fused_linear_cross_entropy=False)
    if machine.compiled:
        # Training and evaluation, the first layer, and batches of one are each compiled for themselves.
        torch._dynamo.config.recompile_limit = COMPILED_WAYS
        for layer in decoder_layers(model):
            # One compilation serves all lengths; each layer by itself is compiled once for all of them.
            layer.compile(dynamic=True)


@contextmanager
def end_narrowed(backbone: torch.nn.Module, shape: Sequence[int], places: torch.Tensor) -> Iterator[None]:
    """Behind the last attention, compute only the positions that the head looks at: nothing ever reads the others.

    shape: rows and positions of the tokens; places: which of them in the flattened rows. The others are zero.
    """
    rows, positions = shape

    def narrowed(_module: Any, inputs: tuple[torch.Tensor]) -> torch.Tensor:
        return inputs[0].flatten(0, 1).index_select(0, places)[None]

    def widened(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        whole = output.new_zeros(rows * positions, output.shape[-1])
        return whole.index_copy(0, places, output[0]).view(rows, positions, -1)

    end = _end(backbone)
    hooks = [module.register_forward_pre_hook(narrowed) for module in end]
    hooks += [module.register_forward_hook(widened) for module in end]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _end(backbone: torch.nn.Module) -> list[torch.nn.Module]:
    """What follows the last attention and treats every position for itself, as the Llama family names it.

    Nothing where activations are recomputed, which happens when the hooks are gone, or where the layers are compiled.
    """
    layers = getattr(backbone, "layers", None)
    last = layers[-1] if layers else None
    is_dense = hasattr(getattr(last, "mlp", None), "down_proj") and hasattr(backbone, "norm")
    if last is None or not is_dense or getattr(last, "gradient_checkpointing", False) or last._compiled_call_impl:
        return []
    found = dict(last.named_modules())
    names = ("self_attn.o_proj", "post_attention_layernorm", "mlp")
    return [found[name] for name in names if name in found] + [backbone.norm]

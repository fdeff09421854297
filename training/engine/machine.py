"""The one place that chooses the device and loads a model onto it; only the child process imports this."""

from __future__ import annotations

import importlib.metadata
import platform
import resource
import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from training.engine.base_model import BaseModelFacts, inspect_base_model
from training.engine.config import MachineConfig
from training.engine.outcome import BadInput


def open_device(machine: MachineConfig) -> torch.device:
    """The device to compute on, with threads and determinism set. Raises BadInput when it is not there."""
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    # PEFT 0.21 still asks transformers 5.23 under the old name.
    warnings.filterwarnings("ignore", ".*is_gradient_checkpointing.*", FutureWarning)
    torch.set_num_threads(machine.threads)
    if machine.device == "cpu" or (machine.device == "auto" and not torch.cuda.is_available()):
        torch.use_deterministic_algorithms(True)
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise BadInput("This machine has no usable graphics card.", 'Choose the device "auto" or "cpu".')
    return torch.device("cuda")


def load_base(
    path: str, digest: str, precision: str, device: torch.device
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, BaseModelFacts]:
    """The checked base model in `precision` on `device`, its tokenizer and its facts. Raises BadInput."""
    facts = inspect_base_model(Path(path))
    if digest and digest != facts.digest:
        raise BadInput(
            f"The folder of base model {facts.name} has changed since it was registered.",
            "Restore the folder, or register it again as a new base model.",
        )
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    model = AutoModelForCausalLM.from_pretrained(
        path,
        dtype=getattr(torch, precision),
        attn_implementation="sdpa",
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
    )
    return model.to(device), tokenizer, facts  # type: ignore[arg-type]


def peak_memory(device: torch.device) -> int:
    """Peak bytes: of the graphics card's allocator, or of this process in main memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def surroundings(device: torch.device) -> dict[str, Any]:
    """Versions and hardware, for the record of a result."""
    packages = ("torch", "transformers", "peft", "tokenizers", "safetensors")
    return {
        "versions": {name: importlib.metadata.version(name) for name in packages}
        | {"python": platform.python_version()},
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "threads": torch.get_num_threads(),
    }

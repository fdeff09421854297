"""The one place that chooses the device and loads a model onto it; only the child process imports this."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import resource
import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from training.engine.attention import PLAIN
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
        # It would fill every new tensor before it is written; nothing here reads one that was not.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise BadInput("This machine has no usable graphics card.", 'Choose the device "auto" or "cpu".')
    # Of several processes each takes the card of its number, as accelerate and torchrun announce it.
    number = int(os.environ.get("LOCAL_RANK", "0"))
    if number >= torch.cuda.device_count():
        raise BadInput(
            f"There are {torch.cuda.device_count()} graphics cards, and process {number + 1} has none.",
            "Lower the number of processes.",
        )
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    return device


def load_base(
    path: str, digest: str, precision: str, device: torch.device, *, four_bit: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, BaseModelFacts]:
    """The checked base model in `precision` on `device`, its tokenizer and its facts. Raises BadInput."""
    facts = inspect_base_model(Path(path))
    if digest and digest != facts.digest:
        raise BadInput(
            f"The folder of base model {facts.name} has changed since it was registered.",
            "Restore the folder, or register it again as a new base model.",
        )
    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True, trust_remote_code=False)
    quantized = _quantized(precision, device) if four_bit else {}
    model = AutoModelForCausalLM.from_pretrained(
        path,
        dtype=getattr(torch, precision),
        attn_implementation=PLAIN,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        **quantized,
    )
    return model if four_bit else model.to(device), tokenizer, facts  # type: ignore[arg-type]


def _quantized(precision: str, device: torch.device) -> dict[str, Any]:
    """Options that load the base model in 4 bits. Raises BadInput where that cannot be."""
    if device.type != "cuda":
        raise BadInput(
            "QLoRA holds the base model in 4 bits, which needs a graphics card, and this run has none.",
            "Switch it off, or let a worker with a graphics card do the run.",
        )
    if importlib.util.find_spec("bitsandbytes") is None:
        raise BadInput(
            "QLoRA needs the library bitsandbytes, which this worker does not have.",
            "Ask your administrator to install it, or switch QLoRA off.",
        )
    compute = getattr(torch, precision)
    bits = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=compute
    )
    return {"quantization_config": bits, "device_map": {"": device}}


def free_memory(device: torch.device) -> int | None:
    """Bytes that can still be taken on the graphics card, or in main memory; None where this system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    table = Path("/proc/meminfo")
    if not table.exists():
        return None
    lines = (line.split() for line in table.read_text().splitlines())
    free = next(int(words[1]) * 1024 for words in lines if words[0] == "MemAvailable:")
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.exists() and (most := limit.read_text().strip()) != "max":
        free = min(free, int(most) - int(used.read_text()))
    return free


def used_memory(device: torch.device) -> int:
    """Bytes in use now, counted as `peak_memory` counts."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    table = Path("/proc/self/statm")
    return int(table.read_text().split()[1]) * resource.getpagesize() if table.exists() else peak_memory(device)


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

"""Several processes that share every update of one run, each with a device of its own; one process alone is the rule.

Each computes the loss of its own rows, divided by the learnt tokens of all, and the gradients are added up: the sum is
that of one process, up to rounding. What is trained is the same everywhere, so the first process alone writes.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed

from training.engine.config import MachineConfig
from training.engine.outcome import BadInput

Item = TypeVar("Item")
PATIENCE = timedelta(hours=1)
"""How long one process waits for the others, who may be saving or loading a large model."""


@dataclass(frozen=True)
class Peers:
    """This process among those of the run: its number from 0 on, and how many there are."""

    number: int = 0
    count: int = 1

    @classmethod
    def joined(cls, device: torch.device) -> Peers:
        """Meet the others, as accelerate, torchrun or `training.engine.launch` announce them by RANK and WORLD_SIZE."""
        count = int(os.environ.get("WORLD_SIZE", "1"))
        if count == 1:
            return cls()
        if not distributed.is_initialized():
            backend = "nccl" if device.type == "cuda" else "gloo"
            distributed.init_process_group(backend, timeout=PATIENCE)
            # Its threads have to end before the interpreter does, or they may abort it when all work is done.
            atexit.register(distributed.destroy_process_group)
        return cls(distributed.get_rank(), count)

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes into the run folder."""
        return self.number == 0

    def share(self, items: Sequence[Item], number: int | None = None) -> list[Item]:
        """Every `count`-th of the items, beginning with this process's number, or with that of another."""
        return list(items[self.number if number is None else number :: self.count])

    def summed(self, device: torch.device, *values: float) -> list[float]:
        """The sums of these values over all processes."""
        if self.count == 1:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64, device=device)
        distributed.all_reduce(total)
        return [float(value) for value in total]

    def lowest(self, device: torch.device, value: int | None) -> int | None:
        """The least of these values over all processes; None, where it is None here, stays None."""
        if self.count == 1 or value is None:
            return value
        least = torch.tensor(value, device=device)
        distributed.all_reduce(least, distributed.ReduceOp.MIN)
        return int(least)

    def agree(self, device: torch.device, asked: bool) -> bool:
        """Whether any of the processes was asked, so that all do the same."""
        return self.summed(device, float(asked))[0] > 0

    def add_gradients(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        """Replace each gradient by its sum over all processes."""
        if self.count == 1:
            return
        trained = list(parameters)
        for value in trained:
            if value.grad is None:
                value.grad = torch.zeros_like(value)
        # One message for all of them: adapters have hundreds of small matrices.
        flat = torch.cat([value.grad.flatten() for value in trained if value.grad is not None])
        distributed.all_reduce(flat)
        for value, part in zip(trained, flat.split([value.numel() for value in trained]), strict=True):
            value.grad = part.view_as(value)


ALONE = Peers()


def check_peers(machine: MachineConfig, peers: Peers) -> None:
    """Raise BadInput unless as many processes came together as the settings say."""
    if machine.processes != peers.count:
        raise BadInput(
            f"The run is to be shared by {machine.processes} processes, and {peers.count} came together.",
            "Start it by `python -m training.engine`, or with as many processes as the machine settings say.",
        )


def shard(layers: Iterable[torch.nn.Module], trained: Iterable[torch.nn.Parameter]) -> None:
    """Give each process its part of every layer's frozen weights (FSDP); what is trained stays whole everywhere."""
    from torch.distributed.fsdp import fully_shard

    kept = set(trained)
    for layer in layers:
        fully_shard(layer, ignored_params={value for value in layer.parameters() if value in kept})

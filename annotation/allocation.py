"""Who gets what, drawn once by a seed when a round opens: which notes, in which order, how many people each. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Slot:
    """One place for one person on one item. `item` counts from 0 in handing-out order, `slot` within the item."""

    item: int
    slot: int
    position: int


def sample(rows: Sequence[T], n: int, seed: int) -> list[T]:
    """`n` of `rows` (all when there are fewer) in the random order in which they are handed out.

    The same rows in the same order with the same seed give the same list; with a larger `n` it only grows at its end.
    """
    drawn = list(rows)
    random.Random(f"order {seed}").shuffle(drawn)
    return drawn[:n]


def n_required(n_items: int, *, overlap: int, coverage: int, seed: int) -> list[int]:
    """How many people each item needs, in handing-out order: `overlap` for `coverage` per cent of them, else one.

    The number of shared items is rounded up, so that a share above zero is never no item at all.
    """
    n_shared = -(-n_items * coverage // 100)
    shared = set(random.Random(f"overlap {seed}").sample(range(n_items), n_shared))
    return [overlap if item in shared else 1 for item in range(n_items)]


def slots(required: Sequence[int]) -> list[Slot]:
    """Every slot in handing-out order: the first slots of all items come first, so that each is read once early on."""
    pairs = [(item, slot) for slot in range(max(required, default=0)) for item, n in enumerate(required) if slot < n]
    return [Slot(item, slot, position) for position, (item, slot) in enumerate(pairs)]

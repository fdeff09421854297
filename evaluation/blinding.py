"""Which outputs are rated and in which order each rater sees them; seeded, and blind to what the systems are. Pure."""

from collections.abc import Hashable, Mapping, Sequence
from random import Random
from typing import TypeVar

Unit = TypeVar("Unit", bound=Hashable)
Arm = TypeVar("Arm", bound=Hashable)
Output = TypeVar("Output")


def drawn_sample(units: Mapping[Unit, Hashable], size: int, *, seed: int) -> list[Unit]:
    """`size` units drawn at random, no second unit of a cluster before every cluster has given one.

    `units` maps a unit (a note that every arm answered) to its cluster (the patient): one output per patient is worth
    most, because outputs about one patient tend to fail together. Returns all units when there are fewer than `size`.
    The order of `units` matters to the draw: give them in a stable order.
    """
    order = list(units)
    Random(f"sample {seed}").shuffle(order)
    turn: dict[Unit, int] = {}
    seen: dict[Hashable, int] = {}
    for unit in order:
        turn[unit] = seen.get(units[unit], 0)
        seen[units[unit]] = turn[unit] + 1
    return sorted(order, key=turn.__getitem__)[:size]


def rater_order(outputs: Mapping[Unit, Mapping[Arm, Output]], *, rater: Hashable, seed: int) -> list[Output]:
    """Every output once, in the order in which this rater sees them.

    The notes come in random order, once for each arm, so that two answers to one note lie as far apart as they can;
    within each pass the arms are drawn in equal numbers, so that neither place nor neighbour tells them apart. Each
    rater's order is another draw, so that no output is always seen fresh or always seen tired.
    """
    random = Random(f"order {seed} {rater}")
    units = list(outputs)
    random.shuffle(units)
    arms = sorted({arm for answers in outputs.values() for arm in answers}, key=repr)
    first = [place % max(1, len(arms)) for place in range(len(units))]
    random.shuffle(first)
    return [
        outputs[unit][arm]
        for turn in range(len(arms))
        for unit, start in zip(units, first, strict=True)
        if (arm := arms[(start + turn) % len(arms)]) in outputs[unit]
    ]


def neutral_labels(raters: Sequence[Unit], *, seed: int) -> dict[Unit, str]:
    """Each rater's label ("Rater 1" ...) for records that leave the project, in a drawn order that hides who is who."""
    order = sorted(raters, key=repr)
    Random(f"labels {seed}").shuffle(order)
    return {rater: f"Rater {number}" for number, rater in enumerate(order, start=1)}

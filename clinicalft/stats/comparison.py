"""Rates of two or more groups beside each other: differences, tests, corrections for many of them, and sizes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import Literal

import numpy as np
import scipy

from clinicalft.stats.intervals import BadCounts, exact_rate, required_n, wilson_rate
from clinicalft.stats.ratings import Floats
from clinicalft.stats.results import Estimate

Correction = Literal["bonferroni", "holm", "bh"]
FEWEST_SHOWN = 11
EMPTY_GROUP = "no data: one of the two groups is empty"


@dataclass(frozen=True)
class GroupRate:
    """One group: its counts, exact two-sided rate, one-sided upper limit and Fisher's p against the other groups.

    A hidden group (fewer than `fewest_shown` items) has no counts, rates or p. `is_enough` is false where not even
    zero events could have shown the rate to lie under the target: such a group is "not enough data", neither fair nor
    unfair. `is_shown_below`: the upper limit does lie under it. `p` is raw, `p_holm` adjusted over all groups shown;
    both None where there is no other group.
    """

    field: str
    name: str
    k: int | None
    n: int | None
    rate: Estimate | None
    upper: Estimate | None
    is_enough: bool
    is_shown_below: bool = False
    p: float | None = None
    p_holm: float | None = None

    @property
    def is_hidden(self) -> bool:
        return self.n is None


def rate_difference(a: int, m: int, b: int, n: int, *, level: float = 0.95) -> Estimate:
    """a/m - b/n of two independent groups, with Newcombe's hybrid score interval (method 10).

    From the Wilson limits l, u of each: d - sqrt((p1 - l1)^2 + (u2 - p2)^2) to d + sqrt((u1 - p1)^2 + (p2 - l2)^2).
    Undefined when a group is empty. Newcombe RG. Stat Med 1998;17:873-890.
    """
    first, second = wilson_rate(a, m, level=level), wilson_rate(b, n, level=level)
    p1, l1, u1 = first.value, first.low, first.high
    p2, l2, u2 = second.value, second.low, second.high
    if p1 is None or l1 is None or u1 is None or p2 is None or l2 is None or u2 is None:
        return Estimate.undefined("rate_difference", EMPTY_GROUP, n_items=m + n, n_ratings=m + n, level=level)
    difference = p1 - p2
    low, high = difference - sqrt((p1 - l1) ** 2 + (u2 - p2) ** 2), difference + sqrt((u1 - p1) ** 2 + (p2 - l2) ** 2)
    return Estimate(
        "rate_difference", difference, None, max(-1.0, low), min(1.0, high), level=level, n_items=m + n,
        n_ratings=m + n, method="Newcombe hybrid score",
    )  # fmt: skip


def fisher_p(a: int, m: int, b: int, n: int) -> float | None:
    """Two-sided p of Fisher's exact test of a of m against b of n; None when a group is empty.

    It takes items as independent: with several items of one patient it is too small.
    Fisher RA. J R Stat Soc 1922;85:87-94.
    """
    for events, items in ((a, m), (b, n)):
        if not 0 <= events <= items:
            raise BadCounts(f"{events} events cannot happen in {items} items.")
    if not m or not n:
        return None
    return float(scipy.stats.fisher_exact([[a, m - a], [b, n - b]])[1])


def adjusted(p_values: Sequence[float], correction: Correction = "holm") -> Floats:
    """The p-values, in their order, corrected for being many.

    holm and bonferroni bound the chance of any false finding, bh the expected share of false ones among the findings.
    Holm S. Scand J Stat 1979;6:65-70; Benjamini Y, Hochberg Y. J R Stat Soc B 1995;57:289-300.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise BadCounts("Every p-value must lie between 0 and 1.")
    if not len(p):
        return p
    if correction == "bh":
        return np.asarray(scipy.stats.false_discovery_control(p, method="bh"), dtype=np.float64)
    if correction == "bonferroni":
        return np.minimum(p * len(p), 1.0)
    order = np.argsort(p, kind="stable")
    holm = np.empty_like(p)
    holm[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return np.minimum(holm, 1.0)


def compare_groups(
    fields: Mapping[str, Mapping[str, tuple[int, int]]],
    *,
    target: float = 0.02,
    fewest_shown: int = FEWEST_SHOWN,
    level: float = 0.95,
) -> list[GroupRate]:
    """The rate of every group of every field (sex, age band ...) against the other groups of that field.

    fields: field -> group -> (events, items). The list of groups has to be fixed before anybody looks. Holm's
    correction is over all groups shown, of all fields together. Groups under `fewest_shown` items are hidden for
    privacy and not tested, but count in the rest of the others; where one group of a field is hidden, its total must
    not stand beside the table. `is_enough`: at least `required_n(0, target)` items (149 for 2%).
    """
    enough = required_n(0, target, level=level)
    found = []
    for field, groups in fields.items():
        k_all, n_all = (sum(counts[at] for counts in groups.values()) for at in (0, 1))
        for name, (k, n) in groups.items():
            p = fisher_p(k, n, k_all - k, n_all - n)
            if n < fewest_shown:
                found.append(GroupRate(field, name, None, None, None, None, False))
                continue
            upper = exact_rate(k, n, sided="upper", level=level)
            is_below = upper.high is not None and upper.high < target
            found.append(GroupRate(field, name, k, n, exact_rate(k, n, level=level), upper, n >= enough, is_below, p))
    return _with_holm(found)


def largest_gap(groups: Sequence[GroupRate]) -> float | None:
    """The largest difference between the rates of two groups shown; None with fewer than two.

    A description: with many fair groups some gap is always large, so it is never coloured and decides nothing.
    """
    values = [group.rate.value for group in groups if group.rate is not None and group.rate.value is not None]
    return max(values) - min(values) if len(values) > 1 else None


def n_to_detect(p1: float, p2: float, *, power: float = 0.8, alpha: float = 0.05, comparisons: int = 1) -> int:
    """Items per group for a chance of `power` to find p1 and p2 different, two-sided; `comparisons` as Bonferroni does.

    n = (z_{1-alpha/2c} + z_power)^2 (p1 q1 + p2 q2) / (p1 - p2)^2, rounded up.
    Chow SC, Shao J, Wang H. Sample Size Calculations in Clinical Research, 2nd ed. 2008, section 4.2.
    """
    for rate in (p1, p2):
        if not 0 <= rate <= 1:
            raise BadCounts(f"{rate:g} is not a rate between 0 and 1; 2% is 0.02.")
    if p1 == p2:
        raise BadCounts("Two equal rates cannot be told apart, whatever the number of items.")
    z = scipy.stats.norm.ppf(1 - alpha / comparisons / 2) + scipy.stats.norm.ppf(power)
    return ceil(float(z) ** 2 * (p1 * (1 - p1) + p2 * (1 - p2)) / (p1 - p2) ** 2)


def _with_holm(groups: list[GroupRate]) -> list[GroupRate]:
    holm = iter(adjusted([group.p for group in groups if group.p is not None], "holm").tolist())
    return [group if group.p is None else replace(group, p_holm=next(holm)) for group in groups]

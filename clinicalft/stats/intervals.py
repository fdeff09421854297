"""Rates of rare events with exact limits, how many items prove a rate small, and rates whose items come in clusters."""

from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
import scipy

from clinicalft.stats.ratings import cluster_numbers
from clinicalft.stats.results import Estimate

Sided = Literal["two", "upper", "lower"]
HasUpper = Literal["two", "upper"]
DEFAULT_ICC = 0.1
NOTHING_SEEN = "no data: nothing was counted"


class BadCounts(ValueError):
    """Counts, targets or outcomes that cannot be a rate, said in one sentence."""


def exact_rate(k: int, n: int, *, sided: Sided = "two", level: float = 0.95) -> Estimate:
    """k events in n with Clopper-Pearson limits; `sided` "upper" or "lower" puts the whole error on that side.

    Undefined when n is 0. Zero events of n: the upper 95% limit is 1 - .05^(1/n), about 3/n (Hanley JA, Lippman-Hand A.
    JAMA 1983;249:1743-1745). Clopper CJ, Pearson ES. Biometrika 1934;26:404-413.
    """
    _check_counts(k, n)
    if n == 0:
        return Estimate.undefined("rate", NOTHING_SEEN, level=level)
    low, high = _exact_limits(k, n, sided, level)
    method = {"two": "Clopper-Pearson, two-sided"}.get(sided, f"Clopper-Pearson, one-sided {sided}")
    return Estimate(
        "rate", k / n, _binomial_se(k / n, n), low, high, level=level, n_items=n, n_ratings=n, method=method
    )


def wilson_rate(k: int, n: int, *, level: float = 0.95) -> Estimate:
    """k events in n with the Wilson score interval; for rates that are not rare. Undefined when n is 0.

    Wilson EB. J Am Stat Assoc 1927;22:209-212.
    """
    _check_counts(k, n)
    if n == 0:
        return Estimate.undefined("rate", NOTHING_SEEN, level=level)
    z, p = float(scipy.stats.norm.ppf((1 + level) / 2)), k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    low, high = max(0.0, float(centre - half)), min(1.0, float(centre + half))
    return Estimate(
        "rate", p, _binomial_se(p, n), low, high, level=level, n_items=n, n_ratings=n, method="Wilson score, two-sided"
    )


def required_n(k: int, target: float, *, sided: HasUpper = "upper", level: float = 0.95) -> int:
    """The smallest n for which k events in n put the exact upper limit strictly below `target` (between 0 and 1)."""
    _check_counts(k, k)
    _check_target(target)
    enough = k + 1
    while not _is_below(k, enough, target, sided, level):
        enough *= 2
    short = enough // 2
    while enough - short > 1:
        middle = (enough + short) // 2
        if middle > k and _is_below(k, middle, target, sided, level):
            enough = middle
        else:
            short = middle
    return enough


def largest_k(n: int, target: float, *, sided: HasUpper = "upper", level: float = 0.95) -> int | None:
    """The most events in n that still put the exact upper limit strictly below `target`; None when even zero do not."""
    _check_counts(0, n)
    _check_target(target)
    if n == 0 or not _is_below(0, n, target, sided, level):
        return None
    fits, too_many = 0, n
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if _is_below(middle, n, target, sided, level):
            fits = middle
        else:
            too_many = middle
    return fits


def clustered_rate(
    outcome: Sequence[bool | int],
    cluster: Sequence[Hashable],
    *,
    sided: Sided = "two",
    level: float = 0.95,
    icc: float = DEFAULT_ICC,
) -> Estimate:
    """Share of items with the event when items of one cluster (patient) resemble each other.

    outcome: 0 or 1 per item; cluster: the group of each item. SE^2 = G/(G-1) sum_g (sum (x - p))^2 / n^2; the design
    effect is SE^2 over the binomial variance; limits are Clopper-Pearson on the effective sample n / design effect *
    (t_{n-1} / t_{G-1})^2, at most n. With no event (or nothing but events) the design effect cannot be estimated: it is
    taken as 1 + (m - 1) * icc for clusters of m items, and `reason` says so.
    Undefined without items; one cluster has no interval. Miller E. 2024 arXiv:2411.00640; Korn EL, Graubard BI. Surv
    Methodol 1998;24:193-201; Kish L. Survey Sampling 1965.
    """
    x = np.asarray(outcome, dtype=np.float64).reshape(-1)
    if not np.isin(x, (0, 1)).all():
        raise BadCounts("Every outcome must be 0 or 1.")
    groups = cluster_numbers(cluster, len(x))
    n = len(x)
    if n == 0 or groups is None:
        return Estimate.undefined("rate", NOTHING_SEEN, level=level)
    p, sizes = float(x.mean()), np.bincount(groups)
    sums = np.bincount(groups, weights=x - p)
    n_clusters, reason, se = len(sizes), "", None
    if n_clusters < 2:
        reason = "Only one cluster: a limit needs at least two."
        return Estimate("rate", p, level=level, n_items=n, n_ratings=n, method="share of items", reason=reason)
    if 0 < p < 1:
        se = float(np.sqrt(n_clusters / (n_clusters - 1) * (sums @ sums))) / n
        effect = se**2 / (p * (1 - p) / n)
        tail = 0.5 + level / 2 if sided == "two" else level
        effective = (
            n / max(effect, 1e-9) * float(scipy.stats.t.ppf(tail, n - 1) / scipy.stats.t.ppf(tail, n_clusters - 1)) ** 2
        )
    else:
        effect = 1 + (float(sizes @ sizes) / n - 1) * icc
        effective = n / effect
        reason = f"Every outcome is the same, so an intra-cluster correlation of {icc:g} was assumed."
    effective = min(float(n), effective)
    low, high = _exact_limits(p * effective, effective, sided, level)
    method = f"exact limits, {n_clusters} clusters, design effect {effect:.3f}, effective n {effective:.1f} of {n}"
    return Estimate(
        "rate", p, se, low, high, level=level, n_items=n, n_ratings=n, method=method, reason=reason,
        n_effective=effective,
    )  # fmt: skip


def more_needed(k: float, n: float, target: float, *, rate: float = 0.0, level: float = 0.95) -> int | None:
    """How many further items put the one-sided exact upper limit of k events in n strictly below `target`, when events
    go on at `rate` (0: none is seen any more); 0 when it is there already, None when `rate` is not below `target`.

    k and n may be effective numbers of clustered items, so they need not be whole; the answer is rounded up.
    """
    if not 0 <= k <= n:
        raise BadCounts(f"{k:g} events cannot happen in {n:g} items.")
    _check_target(target)
    if rate >= target:
        return None

    def is_shown(more: int) -> bool:
        return n + more > 0 and _exact_limits(k + rate * more, n + more, "upper", level)[1] < target

    if is_shown(0):
        return 0
    short, enough = 0, 1
    while not is_shown(enough):
        short, enough = enough, enough * 2
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if is_shown(middle) else (middle, enough)
    return enough


def _exact_limits(k: float, n: float, sided: Sided, level: float) -> tuple[float, float]:
    """Clopper-Pearson limits; k and n need not be whole numbers."""
    error = (1 - level) / 2 if sided == "two" else 1 - level
    low = 0.0 if sided == "upper" or k <= 0 else float(scipy.stats.beta.ppf(error, k, n - k + 1))
    high = 1.0 if sided == "lower" or k >= n else float(scipy.stats.beta.ppf(1 - error, k + 1, n - k))
    return low, high


def _is_below(k: int, n: int, target: float, sided: HasUpper, level: float) -> bool:
    return _exact_limits(k, n, sided, level)[1] < target


def _binomial_se(p: float, n: int) -> float | None:
    return float(np.sqrt(p * (1 - p) / n)) if 0 < p < 1 else None


def _check_counts(k: int, n: int) -> None:
    if k < 0 or n < 0:
        raise BadCounts(f"Events and items are counted from 0 up, not {k} of {n}.")
    if k > n:
        raise BadCounts(f"{k} events cannot happen in {n} items.")


def _check_target(target: float) -> None:
    if not 0 < target < 1:
        raise BadCounts(f"The target {target:g} is not a rate between 0 and 1; 2% is 0.02.")

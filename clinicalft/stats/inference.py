"""From influence values to an `Estimate`: linearised standard errors, plain or cluster-robust, and the bootstrap."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse, stats

from clinicalft.stats.ratings import Floats, Ints
from clinicalft.stats.results import Estimate

NO_SPREAD = "The standard error formula gives 0 on these data, so no interval can be given."
REPLICATES = 2000
MANY_UNITS = 10_000
BLOCK = 8_000_000
SMALLEST = 1e-12


def linearised(
    statistic: str,
    value: float,
    influence: Floats,
    *,
    size: Ints | None = None,
    cluster: Ints | None = None,
    large_sample: bool = False,
    floor: float | None = None,
    level: float = 0.95,
    n_items: int = 0,
    n_ratings: int = 0,
    method: str,
    reason: str = "",
) -> Estimate:
    """An estimate whose interval comes from the influence of each item on the value.

    influence: per item (or per pattern, then `size` says how many items share it), mean zero over items
    cluster:   cluster number per item; given, influences are summed per cluster: SE^2 = G/(G-1) sum_g (sum)^2 / n^2
               with t(G-1). Without: SE^2 = sum x^2 / (n(n-1)) with t(n-1), or sum x^2 / n^2 with the normal
               distribution when `large_sample` (the form of Fleiss, Cohen and Everitt 1969)
    floor:     smallest possible value, to cut the lower limit; the upper limit is always cut at 1
    reason:    a caution to carry along
    Linearisation: Gwet KL. Handbook of Inter-Rater Reliability, 4th ed. 2014. Clusters: Miller 2024 arXiv:2411.00640.
    """
    weight = np.ones(len(influence)) if size is None else size.astype(np.float64)
    n = int(weight.sum())
    if cluster is None:
        variance = float(weight @ influence**2) / (n * n if large_sample else n * max(n - 1, 1))
        groups, how = n, "normal" if large_sample else f"t({n - 1})"
    else:
        groups = int(cluster.max()) + 1
        sums = np.bincount(cluster, weights=influence, minlength=groups)
        variance = groups / max(groups - 1, 1) * float(sums @ sums) / n**2
        how = f"t({groups - 1})"
        method = f"{method}, cluster-robust over {groups} clusters"
    estimate = Estimate(
        statistic,
        value,
        level=level,
        n_items=n_items,
        n_ratings=n_ratings,
        method=f"{method}, {how} interval",
        reason=reason,
    )
    if groups < 2:
        unit = "item" if cluster is None else "cluster"
        return _without_interval(estimate, f"Only one {unit}: a standard error needs at least two.")
    se = float(np.sqrt(variance))
    if se < SMALLEST:
        return _without_interval(estimate, NO_SPREAD)
    tail = (1 + level) / 2
    quantile = stats.norm.ppf(tail) if large_sample and cluster is None else stats.t.ppf(tail, groups - 1)
    low, high = value - float(quantile) * se, min(1.0, value + float(quantile) * se)
    return replace(estimate, se=se, low=low if floor is None else max(floor, low), high=high)


def bootstrapped(
    statistic: str,
    units: Any,
    size: Ints,
    compute: Callable[[Floats], Floats],
    *,
    seed: int,
    cluster: Ints | None = None,
    level: float = 0.95,
    method: str,
) -> Estimate:
    """An estimate with a percentile bootstrap interval, for a statistic that is a function of sums over units.

    units:   units x totals (dense or sparse): what one unit adds to each total
    size:    how many identical units each row stands for; they are drawn as one multinomial, which is the same
             distribution as resampling the units one by one
    compute: maps replicates x totals to one value per replicate (NaN where undefined); it also gives the value itself
    cluster: cluster number per row (then every `size` is 1); whole clusters are drawn
    2,000 resamples, or 500 of more than 10,000 rows, where the limits hardly move any more.
    Efron B. Ann Stat 1979;7:1-26 (bootstrap); whole clusters: Davison & Hinkley 1997 section 3.8.
    """
    value = float(compute(np.asarray(size.astype(np.float64) @ units, dtype=np.float64).reshape(1, -1))[0])
    what = "items"
    if cluster is not None:
        groups = int(cluster.max()) + 1
        cells = (np.ones(len(cluster)), (cluster, np.arange(len(cluster))))
        membership = sparse.csr_array(cells, shape=(groups, len(cluster)))
        units, size, what = membership @ units, np.ones(groups, dtype=np.int64), "clusters"
    if sparse.issparse(units) and units.shape[0] * units.shape[1] <= BLOCK:
        units = units.toarray()  # several times faster to multiply, and still small
    n, replicates = int(size.sum()), REPLICATES if len(size) <= MANY_UNITS else REPLICATES // 4
    drawn = _replicate_values(units, size, compute, seed=seed, replicates=replicates)
    method = f"{method}, percentile bootstrap over {n} {what}, {replicates} replicates, seed {seed}"
    estimate = Estimate(statistic, value, level=level, method=method)
    defined = drawn[np.isfinite(drawn)]
    if n < 2 or len(defined) < 0.95 * replicates:
        return _without_interval(
            estimate, "Too few items differ: many resamples leave it undefined, so no interval can be given."
        )
    se = float(defined.std(ddof=1))
    if se < SMALLEST:
        return _without_interval(estimate, "Every resample gives the same value, so no interval can be given.")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return replace(estimate, se=se, low=float(low), high=float(high))


def _replicate_values(
    units: Any, size: Ints, compute: Callable[[Floats], Floats], *, seed: int, replicates: int
) -> Floats:
    """One value per replicate, in blocks so that memory stays near 64 MiB however many units and totals there are."""
    rng, n = np.random.default_rng(seed), int(size.sum())
    block = max(1, BLOCK // max(len(size), units.shape[1]))
    values = []
    for start in range(0, replicates, block):
        times_drawn = rng.multinomial(n, size / n, size=min(block, replicates - start)).astype(np.float64)
        values.append(compute(np.asarray(times_drawn @ units)))
    return np.concatenate(values)


def _without_interval(estimate: Estimate, reason: str) -> Estimate:
    return replace(estimate, reason=f"{estimate.reason} {reason}".strip())

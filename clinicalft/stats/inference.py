"""From influence values to an `Estimate`: linearised standard errors, plain or cluster-robust, and the bootstrap."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import scipy

from clinicalft.stats.ratings import ClusterCounts, Floats, Ints
from clinicalft.stats.results import Estimate

NO_SPREAD = "The standard error formula gives 0 on these data, so no interval can be given."
REPLICATES = 2000
MANY_UNITS = 10_000
BLOCK = 8_000_000
SMALLEST = 1e-12
LARGEST = 700.0  # exp of more is beyond a float
ON_LOG_SCALE = " on the scale of log(1 - value)"


def linearised(
    statistic: str,
    value: float,
    influence: Floats,
    *,
    size: Ints | None = None,
    cluster: Ints | None = None,
    shared: ClusterCounts | None = None,
    large_sample: bool = False,
    log_scale: bool = False,
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
    shared:    instead of `cluster`, how the patterns occur together in clusters: sum_g (sum)^2 = x' squares x
    log_scale: limits by `_limits` on the scale of log(1 - value)
    floor:     smallest possible value, to cut the lower limit; the upper limit is always cut at 1
    reason:    a caution to carry along
    Linearisation: Gwet KL. Handbook of Inter-Rater Reliability, 4th ed. 2014. Clusters: Miller 2024 arXiv:2411.00640.
    """
    weight = np.ones(len(influence)) if size is None else size.astype(np.float64)
    n = int(weight.sum())
    if cluster is None and shared is None:
        variance = float(weight @ influence**2) / (n * n if large_sample else n * max(n - 1, 1))
        groups, how = n, "normal" if large_sample else f"t({n - 1})"
    else:
        groups, squared = _of_clusters(influence, cluster, shared)
        variance = groups / max(groups - 1, 1) * squared / n**2
        how = f"t({groups - 1})"
        method = f"{method}, cluster-robust over {groups} clusters"
    estimate = Estimate(
        statistic,
        value,
        level=level,
        n_items=n_items,
        n_ratings=n_ratings,
        method=f"{method}, {how} interval{ON_LOG_SCALE if log_scale else ''}",
        reason=reason,
    )
    if groups < 2:
        unit = "item" if cluster is None and shared is None else "cluster"
        return _without_interval(estimate, f"Only one {unit}: a standard error needs at least two.")
    se = float(np.sqrt(variance))
    if se < SMALLEST:
        return _without_interval(estimate, NO_SPREAD)
    margin = _quantile(level, None if how == "normal" else groups - 1) * se
    low, high = _limits(value, margin, log_scale, floor)
    return replace(estimate, se=se, low=low, high=high)


def _of_clusters(influence: Floats, cluster: Ints | None, shared: ClusterCounts | None) -> tuple[int, float]:
    """The number of clusters and the sum over clusters of their squared total influence."""
    if shared is not None:
        # Differences of large products may fall just below 0.
        return shared.n, max(0.0, float(influence @ shared.squares @ influence))
    assert cluster is not None
    sums = np.bincount(cluster, weights=influence)
    return len(sums), float(sums @ sums)


def bootstrapped(
    statistic: str,
    units: Any,
    size: Ints,
    compute: Callable[[Floats], Floats],
    *,
    seed: int,
    cluster: Ints | None = None,
    floor: float | None = None,
    level: float = 0.95,
    method: str,
) -> Estimate:
    """An estimate with a bootstrap interval, for a statistic of at most 1 that is a function of sums over units.

    units:   units x totals (dense or sparse): what one unit adds to each total
    size:    how many identical units each row stands for; they are drawn as one multinomial, which is the same
             distribution as resampling the units one by one
    compute: maps replicates x totals to one value per replicate (NaN where undefined); it also gives the value itself
    cluster: cluster number per row (then every `size` is 1); whole clusters are drawn
    floor:   smallest possible value, to cut the lower limit
    2,000 resamples, or 500 of more than 10,000 rows. The error is that of the resamples times sqrt(n / (n - 1)), which
    resampling n units leaves out; limits by `_limits` with t(n - 1) on the scale of log(1 - value).
    Efron B. Ann Stat 1979;7:1-26 (bootstrap); whole clusters: Davison & Hinkley 1997 section 3.8; the factor and t in
    place of percentiles: Hesterberg T. Am Stat 2015;69:371-386.
    """
    value = float(compute(np.asarray(size.astype(np.float64) @ units, dtype=np.float64).reshape(1, -1))[0])
    what = "items"
    if cluster is not None:
        groups = int(cluster.max()) + 1
        cells = (np.ones(len(cluster)), (cluster, np.arange(len(cluster))))
        membership = scipy.sparse.csr_array(cells, shape=(groups, len(cluster)))
        units, size, what = membership @ units, np.ones(groups, dtype=np.int64), "clusters"
    if scipy.sparse.issparse(units) and units.shape[0] * units.shape[1] <= BLOCK:
        units = units.toarray()  # several times faster to multiply, and still small
    n, replicates = int(size.sum()), REPLICATES if len(size) <= MANY_UNITS else REPLICATES // 4
    method = f"{method}, bootstrap SE over {n} {what}, {replicates} replicates, seed {seed}"
    estimate = Estimate(statistic, value, level=level, method=f"{method}, t({n - 1}) interval{ON_LOG_SCALE}")
    if n < 2:
        return _without_interval(estimate, f"Only one {what[:-1]}: a standard error needs at least two.")
    drawn = _replicate_values(units, size, compute, seed=seed, replicates=replicates)
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < 0.95 * replicates:
        return _without_interval(
            estimate, "Too few items differ: many resamples leave it undefined, so no interval can be given."
        )
    se = float(defined.std(ddof=1) * np.sqrt(n / (n - 1)))
    if se < SMALLEST:
        return _without_interval(estimate, "Every resample gives the same value, so no interval can be given.")
    low, high = _limits(value, _quantile(level, n - 1) * se, True, floor)
    return replace(estimate, se=se, low=low, high=high)


@cache
def _quantile(level: float, df: int | None) -> float:
    """How many standard errors a two-sided interval reaches: of t with `df` degrees of freedom, or normal (None)."""
    tail = (1 + level) / 2
    return float(scipy.stats.norm.ppf(tail) if df is None else scipy.stats.t.ppf(tail, df))


def _limits(value: float, margin: float, log_scale: bool, floor: float | None) -> tuple[float, float]:
    """value -+ margin, never above 1; on the log scale 1 - (1 - value) * exp(+- margin / (1 - value)).

    Agreement near 1 errs far more to the low side: 1 - value is a ratio of disagreements, and the logarithm of a ratio
    of variances is nearer to normal (Miller RG. Biometrika 1974;61:1-15; for intraclass correlations Arvesen JN,
    Schmitz TH. Biometrics 1970;26:677-686). `bench/agreement_coverage.py` shows what it does to coverage.
    """
    if log_scale and value < 1:
        factor = float(np.exp(min(margin / (1 - value), LARGEST)))
        low, high = 1 - (1 - value) * factor, 1 - (1 - value) / factor
    else:
        low, high = value - margin, min(1.0, value + margin)
    return low if floor is None else max(floor, low), high


def _replicate_values(
    units: Any, size: Ints, compute: Callable[[Floats], Floats], *, seed: int, replicates: int
) -> Floats:
    """One value per replicate, in blocks so that memory stays near 64 MiB however many units and totals there are."""
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK // max(len(size), units.shape[1]))
    values = []
    for start in range(0, replicates, block):
        times_drawn = _times_drawn(rng, size, min(block, replicates - start)).astype(np.float64)
        values.append(compute(np.asarray(times_drawn @ units)))
    return np.concatenate(values)


def _times_drawn(rng: np.random.Generator, size: Ints, replicates: int) -> Ints:
    """Replicates x units: how often each unit is drawn when all items are drawn with replacement."""
    n, width = int(size.sum()), len(size)
    if n > width:
        return rng.multinomial(n, size / n, size=replicates)
    drawn = rng.integers(0, width, size=(replicates, n)) + width * np.arange(replicates)[:, None]
    return np.bincount(drawn.reshape(-1), minlength=replicates * width).reshape(replicates, width)


def _without_interval(estimate: Estimate, reason: str) -> Estimate:
    return replace(estimate, reason=f"{estimate.reason} {reason}".strip())

"""Krippendorff's alpha for any metric: value, linearised interval (nominal) and bootstrap interval (all others)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import scipy

from clinicalft.stats.chance import why_undefined
from clinicalft.stats.inference import SMALLEST, bootstrapped, linearised
from clinicalft.stats.ratings import Floats, Ints, Patterns
from clinicalft.stats.results import Estimate

NEEDS_ITEMS = "Its interval draws whole patients, so it is computed when the round is measured."
METRICS = ("nominal", "ordinal", "interval", "ratio")


def metric_distances(metric: str, scores: Floats) -> Floats:
    """q x q squared distances of the nominal, interval or ratio metric (Krippendorff 2011); ordinal moves with data."""
    difference = scores[:, None] - scores[None, :]
    if metric == "nominal":
        return 1 - np.eye(len(scores))
    if metric == "interval":
        return difference**2
    total = scores[:, None] + scores[None, :]
    return np.divide(difference, total, out=np.zeros_like(difference), where=total != 0) ** 2


def krippendorff_alpha(
    patterns: Patterns, metric: str, *, clustered: bool = False, seed: int = 0, level: float = 0.95
) -> Estimate:
    """Krippendorff's alpha, 1 - Do/De over the coincidences of items with two or more ratings.

    metric: nominal, ordinal, interval or ratio; the last two use `patterns.scores`. Nominal alpha has the linearised
    interval with t, the others a seeded bootstrap over items (or whole clusters).
    Undefined without an item rated twice, or when only one category was used on such items.
    Krippendorff K. Content Analysis, 2nd ed. 2004, chapter 11; Computing Krippendorff's alpha-reliability, 2011.
    """
    name = f"krippendorff_alpha_{metric}"
    paired = patterns.with_at_least(2)
    n_items, n_ratings = int(paired.n_items.sum()), int(paired.n_items @ paired.n_ratings)
    if reason := why_undefined(patterns) or why_undefined(paired):
        return Estimate.undefined(name, reason, n_items=n_items, n_ratings=n_ratings, level=level)
    counts = paired.counts.astype(np.float64)
    if metric == "ordinal":
        units = scipy.sparse.hstack([_coincidences(paired.counts), scipy.sparse.csr_array(counts)]).tocsr()
        compute, influence = _ordinal_alpha(len(patterns.scores)), None
    else:
        distances = metric_distances(metric, patterns.scores)
        within = (counts * (counts @ distances)).sum(axis=1) / (paired.n_ratings - 1)
        units, compute = np.column_stack([within, counts]), fixed_alpha(distances)
        per_category = distances @ (paired.n_items @ counts)
        influence = alpha_influence(within, counts, paired.n_items, per_category) if metric == "nominal" else None
    size, cluster, shared = paired.n_items, None, paired.shared if clustered else None
    if clustered and shared is None:
        of_item, cluster = paired.clusters()
        units, size = units[of_item], np.ones(n_items, dtype=np.int64)
        influence = None if influence is None else influence[of_item]
    method = f"Krippendorff, {metric} metric"
    if influence is None and shared is not None:
        value = float(compute(np.asarray(size @ units).reshape(1, -1))[0])
        estimate = Estimate(name, value, level=level, method=method, reason=NEEDS_ITEMS)
    elif influence is None:
        estimate = bootstrapped(name, units, size, compute, seed=seed, cluster=cluster, level=level, method=method)
    else:
        value = float(compute(np.asarray(size @ units).reshape(1, -1))[0])
        method = f"{method}, linearised SE"
        # Items that are independent keep the published interval of Gwet, which has no log scale.
        estimate = linearised(
            name,
            value,
            influence,
            size=size,
            cluster=cluster,
            shared=shared,
            log_scale=clustered,
            level=level,
            method=method,
        )
    return replace(estimate, n_items=n_items, n_ratings=n_ratings)


def fixed_alpha(distances: Floats) -> Callable[[Floats], Floats]:
    """Alpha from replicates x (disagreement within items, ratings per category) for distances that do not move."""

    def compute(totals: Floats) -> Floats:
        within, n_k = totals[:, 0], totals[:, 1:]
        return _alpha(within, n_k.sum(axis=1), ((n_k @ distances) * n_k).sum(axis=1))

    return compute


def alpha_influence(within: Floats, counts: Any, size: Ints, per_category: Floats) -> Floats:
    """Influence on alpha of each unit (`size` identical items), after Gwet 2014.

    within: disagreement inside each unit; counts: units x categories, may be sparse; per_category: distances @ n_k
    """
    n, n_k = float(size.sum()), np.asarray(size @ counts, dtype=np.float64).reshape(-1)
    total, between, observed = n_k.sum(), float(n_k @ per_category), float(size @ within)
    n_ratings = np.asarray(counts.sum(axis=1), dtype=np.float64).reshape(-1)
    expected_change = np.asarray(counts @ per_category, dtype=np.float64).reshape(-1)
    # Gwet's variance corrects the observed agreement for small samples in the term for unequal numbers of ratings only.
    unequal = n_ratings + (n_ratings - total / n) / total
    change = within * total + observed * unequal - 2 * observed * total / between * expected_change
    return np.asarray(-n * change / between, dtype=np.float64)


def _ordinal_alpha(q: int) -> Callable[[Floats], Floats]:
    """Alpha from replicates x (coincidences, ratings per category): interval distances between category midranks."""

    def compute(totals: Floats) -> Floats:
        pairs, n_k = totals[:, : q * q].reshape(-1, q, q), totals[:, q * q :]
        midrank = np.cumsum(n_k, axis=1) - n_k / 2
        distances = (midrank[:, :, None] - midrank[:, None, :]) ** 2
        within = (pairs * distances).sum(axis=(1, 2))
        return _alpha(within, n_k.sum(axis=1), np.einsum("bk,bkl,bl->b", n_k, distances, n_k))

    return compute


def _alpha(within: Floats, n: Floats, between: Floats) -> Floats:
    """1 - (n - 1) * within / between, NaN where one category only was drawn."""
    defined = between > SMALLEST
    return np.where(defined, 1 - (n - 1) * within / np.where(defined, between, 1), np.nan)


def _coincidences(counts: Ints) -> Any:
    """Patterns x q^2, sparse: ordered pairs of ratings of one item by their two categories, each divided by r - 1."""
    q = counts.shape[1]
    pattern, category = np.nonzero(counts)
    starts = np.searchsorted(pattern, np.arange(len(counts)))
    used = np.diff(np.append(starts, len(pattern)))
    left = np.repeat(np.arange(len(pattern)), used[pattern])
    step = np.arange(len(left)) - np.repeat(np.cumsum(used[pattern]) - used[pattern], used[pattern])
    right = starts[pattern[left]] + step
    n_left = counts[pattern[left], category[left]]
    n_right = counts[pattern[right], category[right]] - (left == right)
    weight = n_left * n_right / (counts.sum(axis=1)[pattern[left]] - 1)
    cells = category[left] * q + category[right]
    return scipy.sparse.csr_array((weight, (pattern[left], cells)), shape=(len(counts), q * q))

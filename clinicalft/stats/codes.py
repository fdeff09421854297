"""Agreement on sets of codes: several codes per item and rater, none of them allowed, some items not coded."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any, Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from clinicalft.stats.alpha import alpha_influence, fixed_alpha, krippendorff_alpha
from clinicalft.stats.chance import NO_DATA, NO_PAIRS
from clinicalft.stats.inference import bootstrapped, linearised
from clinicalft.stats.ratings import MISSING, BadRatings, Floats, Ints, RatingTable, cluster_numbers
from clinicalft.stats.results import Estimate

SetMetric = Literal["masi", "jaccard", "exact_set", "passonneau2004"]
REPORTED: tuple[SetMetric, ...] = ("masi", "jaccard", "exact_set")
CodeSets = Sequence[Sequence[frozenset[str] | None]]
BOOTSTRAP_SETS = 2000
BLOCK = 512


@dataclass(frozen=True)
class LabelAgreement:
    """One code: items where at least one rater gave it, and alpha of giving it or not."""

    label: str
    n_items: int
    alpha: Estimate


def set_distance(a: frozenset[str], b: frozenset[str], metric: SetMetric) -> float:
    """Distance of two code sets, 0 (equal) to 1; two empty sets agree.

    jaccard: 1 - J, J = shared / all codes; masi: 1 - J * M, M = 1 equal, 2/3 one inside the other, 1/3 overlapping,
    0 apart (Passonneau R. LREC 2006:831-836); exact_set: 0 or 1; passonneau2004: 1 - M, the empty
    set inside every other (LREC 2004:1503-1506), to compare only.
    """
    shared, sizes = np.array([len(a & b)]), (np.array([len(a)]), np.array([len(b)]))
    return float(_distances(shared, *sizes, metric)[0])


def set_agreement(
    ratings: CodeSets, *, cluster: Sequence[Hashable] | None = None, seed: int = 0, level: float = 0.95
) -> dict[str, Estimate]:
    """Alpha with MASI, Jaccard and all-or-nothing distance, and the micro F1 of codes over rater pairs.

    ratings: one list per item with one entry per rater: a set of codes (empty: nothing to code) or None (not coded).
    With `cluster` (one entry per item) every statistic comes a second time as `<name>_cluster_robust`.
    Intervals: seeded bootstrap over items or clusters; above 2,000 distinct sets alpha's is the linearised one.
    Undefined without an item coded twice, or when every set is the same (alpha), or nobody gave any code (F1).
    """
    table = _SetTable.of(ratings, cluster)
    found: dict[str, Estimate] = {}
    for clustered in (False,) if table.cluster is None else (False, True):
        ending = "_cluster_robust" if clustered else ""
        estimates = [_set_alpha(table, one, clustered=clustered, seed=seed, level=level) for one in REPORTED]
        estimates.append(_label_f1(table, clustered=clustered, seed=seed, level=level))
        found |= {one.statistic + ending: one.renamed(one.statistic + ending) for one in estimates}
    return found


def set_alpha(
    ratings: CodeSets,
    metric: SetMetric,
    *,
    cluster: Sequence[Hashable] | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Alpha with one distance, as `krippendorff_alpha_<metric>`; with `cluster` the interval is over whole clusters."""
    return _set_alpha(_SetTable.of(ratings, cluster), metric, clustered=cluster is not None, seed=seed, level=level)


def whole_set_agreement(
    ratings: CodeSets, *, cluster: Sequence[Hashable] | None = None, level: float = 0.95
) -> Estimate:
    """Raw agreement: the share of rater pairs of an item that gave the very same set, mean over items coded twice.

    Interval: t over items, or with `cluster` over clusters. Undefined when no item was coded by two raters.
    """
    shares, kept, n_ratings = [], [], 0
    for index, row in enumerate(ratings):
        times = Counter(codes for codes in row if codes is not None)
        r = sum(times.values())
        n_ratings += r
        if r > 1:
            shares.append(sum(n * (n - 1) for n in times.values()) / (r * (r - 1)))
            kept.append(index)
    name = "percent_agreement" if cluster is None else "percent_agreement_cluster_robust"
    if not shares:
        reason = "no item was coded by two raters"
        return Estimate.undefined(name, reason, n_items=len(ratings), n_ratings=n_ratings, level=level)
    values, mean = np.array(shares), float(np.mean(shares))
    groups = cluster_numbers(None if cluster is None else [cluster[index] for index in kept], len(kept))
    return linearised(
        name, mean, values - mean, cluster=groups, floor=0.0, n_items=len(shares), n_ratings=n_ratings, level=level,
        method="share of pairs with the same set",
    )  # fmt: skip


def label_table(ratings: CodeSets, *, level: float = 0.95) -> list[LabelAgreement]:
    """Every code that anybody gave, in alphabetical order, with nominal alpha of giving it or not."""
    _SetTable.of(ratings, None)
    labels = sorted({label for row in ratings for codes in row if codes is not None for label in codes})
    found = []
    for label in labels:
        given = [[None if codes is None else label in codes for codes in row] for row in ratings]
        table = RatingTable.from_lists(given, categories=[True, False])
        alpha = krippendorff_alpha(table.patterns, "nominal", level=level)
        found.append(LabelAgreement(label, int((table.counts[:, 0] > 0).sum()), alpha))
    return found


@dataclass(frozen=True, eq=False)
class _SetTable:
    """Items coded at least twice.

    codes:   items x raters, the number of the distinct set in each cell, or -1
    members: distinct sets x labels, sparse, 1 where the set holds the label
    reason:  why no agreement can be computed, or empty
    """

    codes: Ints
    members: Any
    cluster: Ints | None
    reason: str

    @classmethod
    def of(cls, ratings: CodeSets, cluster: Sequence[Hashable] | None) -> "_SetTable":
        width = len(ratings[0]) if len(ratings) else 0
        for i, row in enumerate(ratings, start=1):
            if len(row) != width:
                raise BadRatings(f"Item {i} does not have one entry for each of the {width} raters.")
            for j, given in enumerate(row, start=1):
                if given is not None and not isinstance(given, frozenset | set):
                    raise BadRatings(f"Item {i}, rater {j}: {given!r} is not a set of codes; use null for not coded.")
        groups = cluster_numbers(cluster, len(ratings))
        n_coded = np.array([sum(given is not None for given in row) for row in ratings], dtype=np.int64)
        twice = np.flatnonzero(n_coded >= 2)
        number: dict[frozenset[str], int] = {}
        codes = np.full((len(twice), width), MISSING, dtype=np.int64)
        for i, item in enumerate(twice.tolist()):
            for j, given in enumerate(ratings[item]):
                if given is not None:
                    codes[i, j] = number.setdefault(frozenset(given), len(number))
        if groups is not None:
            groups = np.unique(groups[twice], return_inverse=True)[1].astype(np.int64)
        reason = "" if len(twice) else NO_PAIRS if n_coded.any() else NO_DATA
        return cls(codes, _members(list(number)), groups, reason)

    @property
    def n_ratings(self) -> int:
        return int((self.codes != MISSING).sum())

    @cached_property
    def sizes(self) -> Ints:
        """Labels in each distinct set."""
        return np.asarray(self.members.sum(axis=1), dtype=np.int64).reshape(-1)

    @cached_property
    def pairs(self) -> list[tuple[NDArray[np.bool_], Ints, Ints, Ints]]:
        """For each pair of raters: which items both coded, the two sets of each, and how many labels they share."""
        found = []
        for g, h in combinations(range(self.codes.shape[1]), 2):
            both = (self.codes[:, g] != MISSING) & (self.codes[:, h] != MISSING)
            first, second = self.codes[both, g], self.codes[both, h]
            shared = self.members[first].multiply(self.members[second]).sum(axis=1)
            found.append((both, first, second, np.asarray(shared, dtype=np.int64).reshape(-1)))
        return found

    def disagreement_within(self, metric: SetMetric) -> Floats:
        """Per item: distances over ordered pairs of its raters, divided by its ratings less one."""
        within = np.zeros(len(self.codes))
        for both, first, second, shared in self.pairs:
            within[both] += 2 * _distances(shared, self.sizes[first], self.sizes[second], metric)
        return np.asarray(within / ((self.codes != MISSING).sum(axis=1) - 1), dtype=np.float64)

    def distances_from(self, rows: slice, metric: SetMetric) -> Floats:
        """Distances of some of the distinct sets from all of them."""
        shared = (self.members[rows] @ self.members.T).toarray()
        return _distances(shared, self.sizes[rows, None], self.sizes[None, :], metric)


def _set_alpha(table: _SetTable, metric: SetMetric, *, clustered: bool, seed: int, level: float) -> Estimate:
    name, n_items, n_sets = f"krippendorff_alpha_{metric}", len(table.codes), len(table.sizes)
    reason = table.reason or ("no variation: every set of codes is the same" if n_sets == 1 else "")
    if reason:
        return Estimate.undefined(name, reason, n_items=n_items, n_ratings=table.n_ratings, level=level)
    item, rater = np.nonzero(table.codes != MISSING)
    cells = (np.ones(len(item)), (item, table.codes[item, rater]))
    counts = scipy.sparse.csr_array(cells, shape=(n_items, n_sets))
    within, ones = table.disagreement_within(metric), np.ones(n_items, dtype=np.int64)
    cluster, method = table.cluster if clustered else None, f"Krippendorff, {metric} distance"
    if n_sets <= BOOTSTRAP_SETS:
        units = scipy.sparse.hstack([scipy.sparse.csr_array(within[:, None]), counts]).tocsr()
        compute = fixed_alpha(table.distances_from(slice(None), metric))
        estimate = bootstrapped(name, units, ones, compute, seed=seed, cluster=cluster, level=level, method=method)
    else:
        n_k = np.asarray(counts.sum(axis=0), dtype=np.float64).reshape(-1)
        starts = range(0, n_sets, BLOCK)
        per_set = np.concatenate([table.distances_from(slice(at, at + BLOCK), metric) @ n_k for at in starts])
        value = 1 - (table.n_ratings - 1) * float(within.sum()) / float(n_k @ per_set)
        influence = alpha_influence(within, counts, ones, per_set)
        method = f"{method}, linearised SE"
        estimate = linearised(name, value, influence, cluster=cluster, log_scale=True, level=level, method=method)
    return replace(estimate, n_items=n_items, n_ratings=table.n_ratings)


def _label_f1(table: _SetTable, *, clustered: bool, seed: int, level: float) -> Estimate:
    """F1 of one rater's codes against another's, 2 * shared / all given, pooled over rater pairs and items."""
    name, n_items = "pairwise_label_micro_f1", len(table.codes)
    units = np.zeros((n_items, 2))
    for both, first, second, shared in table.pairs:
        units[both] += np.column_stack([2 * shared, table.sizes[first] + table.sizes[second]])
    reason = table.reason or ("" if units[:, 1].any() else "nobody gave any code")
    if reason:
        return Estimate.undefined(name, reason, n_items=n_items, n_ratings=table.n_ratings, level=level)
    cluster = table.cluster if clustered else None
    ones, method = np.ones(n_items, dtype=np.int64), "codes pooled over rater pairs"
    estimate = bootstrapped(
        name, units, ones, _pooled_f1, seed=seed, cluster=cluster, floor=0.0, level=level, method=method
    )
    return replace(estimate, n_items=n_items, n_ratings=table.n_ratings)


def _pooled_f1(totals: Floats) -> Floats:
    given = totals[:, 1]
    return np.where(given > 0, totals[:, 0] / np.where(given > 0, given, 1), np.nan)


def _distances(shared: Ints, first: Ints, second: Ints, metric: SetMetric) -> Floats:
    """Distances of pairs of sets from the numbers of codes they share and hold, elementwise."""
    union = first + second - shared
    equal = union == shared
    if metric == "exact_set":
        return np.asarray(1.0 - equal, dtype=np.float64)
    jaccard = np.where(equal, 1.0, shared / np.maximum(union, 1))
    if metric == "jaccard":
        return np.asarray(1 - jaccard, dtype=np.float64)
    inside = (shared == first) | (shared == second)
    kind = np.where(equal, 1.0, np.where(inside, 2 / 3, np.where(shared > 0, 1 / 3, 0.0)))
    return np.asarray(1 - kind * (jaccard if metric == "masi" else 1.0), dtype=np.float64)


def _members(sets: list[frozenset[str]]) -> Any:
    column: dict[str, int] = {}
    cells = [(row, column.setdefault(label, len(column))) for row, one in enumerate(sets) for label in sorted(one)]
    at = np.array(cells, dtype=np.int64).reshape(-1, 2)
    return scipy.sparse.csr_array((np.ones(len(at), dtype=np.int64), at.T), shape=(len(sets), max(len(column), 1)))

"""Has something changed since? The mix of inputs between two windows, and a rater's own habits over time."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from clinicalft.stats.chance import quadratic_weights
from clinicalft.stats.cohen import cohen_kappa
from clinicalft.stats.intervals import BadCounts, wilson_rate
from clinicalft.stats.ratings import Category, Floats, Ints, RatingTable
from clinicalft.stats.results import Estimate

FEWEST_PER_WINDOW = 200
PERMUTATIONS = 2000
ADDED = "A category is missing in one window, so .5 was added to every count."


@dataclass(frozen=True)
class MixDrift:
    """The mix of categories in two windows.

    psi, js: population stability index, and Jensen-Shannon distance (base 2, 0 to 1). `psi_band`, `js_band`: what
    chance alone stays under with probability `level`, were both windows of one mix; None without enough data.
    chi2_p: of the test of equal mix; it alarms on everything at large n, so it is shown and decides nothing.
    """

    psi: Estimate
    js: Estimate
    psi_band: float | None
    js_band: float | None
    chi2_p: float | None

    @property
    def is_outside(self) -> bool | None:
        """Whether either measure lies above its band; None when there is not enough data to say."""
        if self.psi.value is None or self.js.value is None or self.psi_band is None or self.js_band is None:
            return None
        return self.psi.value > self.psi_band or self.js.value > self.js_band


def mix_drift(
    reference: Sequence[int],
    current: Sequence[int],
    *,
    seed: int = 0,
    level: float = 0.95,
    fewest: int = FEWEST_PER_WINDOW,
    permutations: int = PERMUTATIONS,
) -> MixDrift:
    """How far the mix of `current` is from that of `reference`: counts of the same declared categories in each window.

    PSI = sum (p - q) ln(p / q); where a window lacks a category that the other has, .5 is added to every count of
    both (said in `reason`), else PSI would be infinite. JS distance = sqrt of the Jensen-Shannon divergence, base 2.
    Band: seeded permutation of items over the two windows (multivariate hypergeometric), which takes items as
    independent. Undefined ("not enough data") under `fewest` items in either window.
    Siddiqi N. Credit Risk Scorecards 2006; Lin J. IEEE Trans Inf Theory 1991;37:145-151.
    """
    a, b = _counts(reference), _counts(current)
    if len(a) != len(b):
        raise BadCounts(f"{len(a)} categories were counted in one window and {len(b)} in the other.")
    n, m = int(a.sum()), int(b.sum())
    if min(n, m) < fewest:
        why = f"not enough data: {n} and {m} items, {fewest} are needed in each window"
        found = [Estimate.undefined(name, why, n_items=n + m, n_ratings=n + m, level=level) for name in ("psi", "js")]
        return MixDrift(found[0], found[1], None, None, None)
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(a + b, m, size=permutations)
    method = f"permutation band, {permutations} permutations, seed {seed}"
    estimates, bands = [], []
    for name, measure in (("psi", _psi), ("js", _js)):
        value = float(measure(a[None, :], b[None, :])[0])
        bands.append(float(np.quantile(measure(a + b - drawn, drawn), level)))
        reason = ADDED if name == "psi" and ((a == 0) != (b == 0)).any() else ""
        estimates.append(
            Estimate(name, value, level=level, n_items=n + m, n_ratings=n + m, method=method, reason=reason)
        )
    used = a + b > 0
    p = (
        float(scipy.stats.chi2_contingency(np.array([a[used], b[used]]), correction=False)[1])
        if used.sum() > 1
        else None
    )
    return MixDrift(estimates[0], estimates[1], bands[0], bands[1], p)


def repeat_kappa(
    first: Sequence[Category],
    again: Sequence[Category],
    *,
    categories: Sequence[Category],
    data_type: str = "nominal",
    level: float = 0.95,
) -> Estimate:
    """Agreement of one rater with himself: Cohen's kappa of the first and the repeated rating of the same items.

    Quadratic weights for ordinal scales. Undefined as `cohen_kappa` is; repeats are few, so read the interval.
    """
    if len(first) != len(again):
        raise BadCounts(f"{len(again)} repeats were given for {len(first)} ratings.")
    pairs = [list(pair) for pair in zip(first, again, strict=True)]
    table = RatingTable.from_lists(pairs, categories=categories, data_type=data_type, raters=("first", "again"))
    weights = quadratic_weights(table.scores) if data_type == "ordinal" else None
    return cohen_kappa(table, weights, level=level).renamed("intra_rater_kappa")


def prevalence_by_period(
    period: Sequence[Hashable], is_positive: Sequence[bool | int], *, level: float = 0.95
) -> dict[Hashable, Estimate]:
    """How often one rater said yes in each period, in the order in which periods first appear, with Wilson limits.

    Habits and cases both move it: compare it with other raters of the same items before a word with anybody.
    """
    if len(period) != len(is_positive):
        raise BadCounts(f"{len(is_positive)} ratings were given for {len(period)} periods.")
    found: dict[Hashable, list[bool]] = {}
    for one, said in zip(period, is_positive, strict=True):
        found.setdefault(one, []).append(bool(said))
    return {one: wilson_rate(sum(said), len(said), level=level).renamed("prevalence") for one, said in found.items()}


def _psi(a: Ints, b: Ints) -> Floats:
    """Rows of counts to one index each; see `mix_drift` for empty cells."""
    p, q = (one.astype(np.float64) for one in (np.broadcast_to(a, b.shape), b))
    half = 0.5 * ((p == 0) != (q == 0)).any(axis=1, keepdims=True)
    p, q = ((one + half) / (one + half).sum(axis=1, keepdims=True) for one in (p, q))
    return np.asarray((scipy.special.rel_entr(p, q) + scipy.special.rel_entr(q, p)).sum(axis=1), dtype=np.float64)


def _js(a: Ints, b: Ints) -> Floats:
    p, q = (one / one.sum(axis=1, keepdims=True) for one in (np.broadcast_to(a, b.shape), b))
    middle = (p + q) / 2
    divergence = (scipy.special.rel_entr(p, middle) + scipy.special.rel_entr(q, middle)).sum(axis=1) / 2 / np.log(2)
    return np.asarray(np.sqrt(np.maximum(0.0, divergence)), dtype=np.float64)


def _counts(window: Sequence[int]) -> Ints:
    counts = np.asarray(window, dtype=np.int64).reshape(-1)
    if (counts < 0).any():
        raise BadCounts("Items of a category are counted from 0 up.")
    return counts

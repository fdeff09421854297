"""Does stated confidence hold? Calibration of probabilities, and of words such as "likely"."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import scipy

from clinicalft.stats.inference import bootstrapped, linearised
from clinicalft.stats.intervals import BadCounts, Sided, clustered_rate, exact_rate, wilson_rate
from clinicalft.stats.ratings import Floats, Ints, cluster_numbers
from clinicalft.stats.results import Estimate

Norm = Literal["l1", "l2", "max"]
Colour = Literal["green", "amber", "red", "not enough data", "no data"]
NAMES = {"l1": "calibration_error", "l2": "calibration_error_rms", "max": "calibration_error_max"}
BINS = 10
LIKELY = (0.7, 0.8)
FEWEST_STATEMENTS = 100
NO_PREDICTIONS = "no data: no prediction has an outcome"
HAIR = 1e-9


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions from `low` up to `high` (the last bin holds 1, too): how many, how many came true, the mean stated
    probability (None in an empty bin) and the observed share with its Wilson interval."""

    low: float
    high: float
    n: int
    k: int
    mean_probability: float | None
    observed: Estimate


@dataclass(frozen=True)
class VerbalBand:
    """How often statements with one term were right, against the band that the term means.

    colour: "no data" when nobody used the term, "not enough data" under `FEWEST_STATEMENTS`; else green inside the
    band, red where the interval excludes the whole band, amber in between. `is_inside`: the share lies in the closed
    band. `is_equivalent`: both one-sided exact limits do. Only green with enough statements passes the rule as written.
    """

    term: str
    band: tuple[float, float]
    k: int
    n: int
    share: Estimate
    colour: Colour
    is_inside: bool
    is_contradicted: bool
    is_equivalent: bool


def reliability_table(
    probability: Sequence[float], outcome: Sequence[bool | int], *, bins: int = BINS, level: float = 0.95
) -> list[ReliabilityBin]:
    """Predictions by stated probability in `bins` bins of equal width; one on an edge belongs to the upper bin."""
    p, y = _checked(probability, outcome)
    at = _bin_of(p, bins)
    n, k = np.bincount(at, minlength=bins), np.bincount(at, weights=y, minlength=bins)
    stated = np.bincount(at, weights=p, minlength=bins)
    return [
        ReliabilityBin(
            one / bins, (one + 1) / bins, int(n[one]), int(k[one]), float(stated[one] / n[one]) if n[one] else None,
            wilson_rate(int(k[one]), int(n[one]), level=level),
        )
        for one in range(bins)
    ]  # fmt: skip


def calibration_error(
    probability: Sequence[float],
    outcome: Sequence[bool | int],
    *,
    bins: int = BINS,
    norm: Norm = "l1",
    cluster: Sequence[Hashable] | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Expected calibration error: |mean stated - share true| of each bin, weighted by its predictions.

    norm "l2" is the root of the weighted mean of squares, "max" the largest of any bin. Interval: seeded bootstrap over
    predictions or, with `cluster`, over clusters (patients). With few predictions a bin the value is too large even for
    a perfect model, so it is read beside the table. Undefined without predictions.
    Naeini MP, Cooper GF, Hauskrecht M. AAAI 2015:2901-2907.
    """
    p, y = _checked(probability, outcome)
    groups = cluster_numbers(cluster, len(p))
    if not len(p):
        return Estimate.undefined(NAMES[norm], NO_PREDICTIONS, level=level)
    at, rows = _bin_of(p, bins), np.arange(len(p))
    cells = (np.concatenate([np.ones(len(p)), p - y]), (np.tile(rows, 2), np.concatenate([at, at + bins])))
    units = scipy.sparse.csr_array(cells, shape=(len(p), 2 * bins))
    estimate = bootstrapped(
        NAMES[norm], units, np.ones(len(p), dtype=np.int64), partial(_error, norm=norm), seed=seed, cluster=groups,
        floor=0.0, level=level, method=f"{bins} bins of equal width",
    )  # fmt: skip
    return replace(estimate, n_items=len(p), n_ratings=len(p))


def brier_score(
    probability: Sequence[float],
    outcome: Sequence[bool | int],
    *,
    cluster: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Mean squared distance of stated probability and outcome: 0 is perfect, .25 is what "50%" for everything gives.

    t interval over predictions, cluster-robust with `cluster`. Undefined without predictions.
    Brier GW. Mon Weather Rev 1950;78:1-3.
    """
    p, y = _checked(probability, outcome)
    groups = cluster_numbers(cluster, len(p))
    if not len(p):
        return Estimate.undefined("brier_score", NO_PREDICTIONS, level=level)
    squares = (p - y) ** 2
    return linearised(
        "brier_score", float(squares.mean()), squares - squares.mean(), cluster=groups, floor=0.0, level=level,
        n_items=len(p), n_ratings=len(p), method="mean squared error",
    )  # fmt: skip


def verbal_band(
    term: str,
    outcome: Sequence[bool | int],
    *,
    band: tuple[float, float] = LIKELY,
    cluster: Sequence[Hashable] | None = None,
    level: float = 0.95,
) -> VerbalBand:
    """Whether the statements that say `term` are right as often as `band` promises; outcome: 0 or 1 per statement.

    The band is closed: 70 and 80 of 100 are inside, 69 and 81 are not. Interval: Wilson; with `cluster` (the output
    that a statement stands in) that of `clustered_rate`, for statements of one output are right or wrong together.
    """
    y = np.asarray(outcome, dtype=np.float64).reshape(-1)
    if not np.isin(y, (0, 1)).all():
        raise BadCounts("Every outcome must be 0 or 1.")
    k, n = int(y.sum()), len(y)
    if not n:
        nothing = Estimate.undefined("share_right", f"no data: nobody used the term {term!r}", level=level)
        return VerbalBand(term, band, 0, 0, nothing, "no data", False, False, False)

    def limits(sided: Sided) -> Estimate:
        if cluster is not None:
            return clustered_rate(y.astype(int).tolist(), cluster, sided=sided, level=level)
        return wilson_rate(k, n, level=level) if sided == "two" else exact_rate(k, n, sided=sided, level=level)

    share, (low, high) = limits("two").renamed("share_right"), band
    is_inside = low * n - HAIR <= k <= high * n + HAIR
    is_contradicted = (share.low is not None and share.low > high) or (share.high is not None and share.high < low)
    shown_low, shown_high = limits("lower").low, limits("upper").high
    is_equivalent = shown_low is not None and shown_high is not None and low <= shown_low and shown_high <= high
    colour: Colour = "not enough data" if n < FEWEST_STATEMENTS else "green" if is_inside else "amber"
    if is_contradicted and n >= FEWEST_STATEMENTS:
        colour = "red"
    return VerbalBand(term, band, k, n, share, colour, is_inside, is_contradicted, is_equivalent)


def _error(totals: Floats, *, norm: Norm) -> Floats:
    """Replicates x (predictions, excess of stated over true) of each bin to the calibration error."""
    n, excess = np.hsplit(totals, 2)
    gap = np.abs(np.divide(excess, n, out=np.zeros_like(excess), where=n > 0))
    if norm == "max":
        return np.asarray(gap.max(axis=1), dtype=np.float64)
    weight = n / n.sum(axis=1, keepdims=True)
    mean = (weight * (gap if norm == "l1" else gap**2)).sum(axis=1)
    return np.asarray(mean if norm == "l1" else np.sqrt(mean), dtype=np.float64)


def _bin_of(p: Floats, bins: int) -> Ints:
    """The bin of each probability. k / bins is the float nearest to each edge; products and sums would miss some."""
    return np.asarray(np.digitize(p, np.arange(1, bins) / bins), dtype=np.int64)


def _checked(probability: Sequence[float], outcome: Sequence[bool | int]) -> tuple[Floats, Floats]:
    p, y = (np.asarray(values, dtype=np.float64).reshape(-1) for values in (probability, outcome))
    if len(p) != len(y):
        raise BadCounts(f"{len(p)} probabilities were given for {len(y)} outcomes.")
    if not ((p >= 0) & (p <= 1)).all():
        raise BadCounts("Every probability must lie between 0 and 1.")
    if not np.isin(y, (0, 1)).all():
        raise BadCounts("Every outcome must be 0 or 1.")
    return p, y

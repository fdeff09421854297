"""Intraclass correlations of ratings that are numbers, with F-based intervals."""

from dataclasses import dataclass, replace

import numpy as np
import scipy

from clinicalft.stats.chance import NO_DATA
from clinicalft.stats.cohen import NOT_IDENTIFIED
from clinicalft.stats.inference import NO_SPREAD, SMALLEST
from clinicalft.stats.ratings import MISSING, Floats, RatingTable
from clinicalft.stats.results import Estimate

FORMS = ("ICC(1,1)", "ICC(2,1)", "ICC(3,1)", "ICC(1,k)", "ICC(2,k)", "ICC(3,k)")


@dataclass(frozen=True)
class _Squares:
    """Mean squares of n items x k raters: between items, between raters, within items, and what is left."""

    n: int
    k: int
    items: float
    raters: float
    within: float
    error: float

    @classmethod
    def of(cls, x: Floats) -> "_Squares":
        n, k = x.shape
        grand, by_item, by_rater = x.mean(), x.mean(axis=1), x.mean(axis=0)
        items, raters = k * float(((by_item - grand) ** 2).sum()), n * float(((by_rater - grand) ** 2).sum())
        within = float(((x - by_item[:, None]) ** 2).sum())
        # Rounding can leave a perfect fit a hair below zero.
        error = max(within - raters, 0.0)
        return cls(n, k, items / (n - 1), raters / (k - 1), within / (n * (k - 1)), error / ((n - 1) * (k - 1)))


def intraclass_correlations(table: RatingTable, *, level: float = 0.95) -> dict[str, Estimate]:
    """The six intraclass correlations of the category scores: ICC(1|2|3, 1|k).

    1: raters differ from item to item; 2: these raters stand for others, absolute agreement; 3: these raters only,
    consistency. "1": one rater's score; "k": the mean of all k. Intervals from F distributions, items independent.
    Undefined with ratings missing or without variation; forms 2 and 3 also when raters are not identified.
    Shrout PE, Fleiss JL. Psychol Bull 1979;86:420-428; intervals: McGraw KO, Wong SP. Psychol Methods 1996;1:30-46.
    """
    given = table.codes != MISSING
    rated = given.any(axis=1)
    reason = _why_undefined(table)
    squares = None if reason else _Squares.of(table.scores[table.codes[rated]])
    if squares is not None and squares.items + squares.within < SMALLEST:
        reason, squares = "no variation: every rating is the same", None
    found = {}
    for name in FORMS:
        missing = reason or (NOT_IDENTIFIED if name[4] != "1" and not table.raters_identified else "")
        if squares is None or missing:
            estimate = Estimate.undefined(name, missing, level=level)
        else:
            estimate = _intraclass(name, squares, level)
        found[name] = replace(estimate, n_items=int(rated.sum()), n_ratings=int(given.sum()))
    return found


def _intraclass(name: str, squares: _Squares, level: float) -> Estimate:
    form, k = name[4], squares.k if name.endswith("k)") else 1
    rest = squares.within if form == "1" else squares.error
    absolute = squares.k * (squares.raters - squares.error) / squares.n if form == "2" else 0.0
    spread = squares.items + (squares.k - 1) * rest + absolute
    single = (squares.items - rest) / spread if spread > SMALLEST else None
    value = None if single is None else _of_mean(single, k)
    if single is None or value is None:
        reason = "no variation between items beyond what the raters' own levels explain"
        return Estimate.undefined(name, reason, level=level)
    ends = _limits(squares, form, single, level) if rest > SMALLEST else []
    limits = [limit for limit in (_of_mean(end, k) for end in ends) if limit is not None]
    low, high = limits if len(limits) == 2 else (None, None)
    method, reason = "F interval, items taken as independent", "" if low is not None else NO_SPREAD
    return Estimate(name, value, low=low, high=high, level=level, method=method, reason=reason)


def _why_undefined(table: RatingTable) -> str:
    n = int((table.codes != MISSING).any(axis=1).sum())
    if n == 0:
        return NO_DATA
    if not table.is_complete:
        return "some ratings are missing; interval alpha allows for that, an intraclass correlation does not"
    return "" if n >= 2 and table.n_raters >= 2 else "an intraclass correlation needs two items and two raters"


def _limits(s: _Squares, form: str, icc: float, level: float) -> list[float]:
    """The two limits of one rater's ICC."""
    if form == "2":
        return _absolute_limits(s, icc, level)
    rest, df, df_rest = s.within, s.n - 1, s.n * (s.k - 1)
    if form == "3":
        rest, df_rest = s.error, df * (s.k - 1)
    tail, ratio = (1 + level) / 2, s.items / rest
    ends = (ratio / scipy.stats.f.ppf(tail, df, df_rest), ratio * scipy.stats.f.ppf(tail, df_rest, df))
    return [float((end - 1) / (end + s.k - 1)) for end in ends]


def _absolute_limits(s: _Squares, icc: float, level: float) -> list[float]:
    """Limits of ICC(2,1) with Satterthwaite's degrees of freedom (McGraw & Wong 1996, table 7)."""
    tail, n, k = (1 + level) / 2, s.n, s.k
    a = k * icc / (n * (1 - icc)) * s.raters
    b = (1 + k * icc * (n - 1) / (n * (1 - icc))) * s.error
    if a**2 + b**2 < SMALLEST:
        return []
    df = (a + b) ** 2 / (a**2 / (k - 1) + b**2 / ((n - 1) * (k - 1)))
    spread = k * s.raters + (k * n - k - n) * s.error
    # Close to no degrees of freedom the quantiles overflow: then there are no limits.
    with np.errstate(all="ignore"):
        down, up = scipy.stats.f.ppf(tail, n - 1, df), scipy.stats.f.ppf(tail, df, n - 1)
        low = n * (s.items - down * s.error) / (down * spread + n * s.items)
        high = n * (up * s.items - s.error) / (spread + n * up * s.items)
    return [float(low), float(high)] if np.isfinite([low, high]).all() else []


def _of_mean(icc: float, k: int) -> float | None:
    """Reliability of the mean of k raters from that of one (Spearman-Brown); None where the formula has its pole."""
    below = 1 + (k - 1) * icc
    return k * icc / below if below > SMALLEST else None

"""How many items and raters a round needs, and how many outputs a rate needs, before anybody starts reading."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement
from math import ceil, exp, inf, lgamma, sqrt

import numpy as np
import scipy

from clinicalft.stats.intervals import required_n, wilson_rate
from clinicalft.stats.ratings import Floats, Ints
from clinicalft.stats.results import Estimate

MOST_RATERS = 8
MOST_CATEGORIES = 6
MOST_ITEMS = 20_000
RUNS = 2000
BLOCK = 4_000_000
STEP = 10


class BadPlan(ValueError):
    """Assumptions that no round can have, said in one sentence."""


@dataclass(frozen=True)
class Assumed:
    """What the round is taken to be like.

    kappa: true agreement beyond chance, between 0 and 1; shares: how common each category is, adding up to 1
    n_raters: raters of each item; missing: share of these ratings that will not be given (at random)
    per_patient, icc: items of one patient, and how alike their agreement is (0 not at all, 1 as one item)
    Each item has a true category; a rater gives it with probability sqrt(kappa), and else one drawn by `shares`.
    """

    kappa: float
    shares: tuple[float, ...]
    n_raters: int = 3
    missing: float = 0.0
    per_patient: float = 1.0
    icc: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.kappa < 1:
            raise BadPlan(f"The kappa to plan for lies between 0 and 1, not at {self.kappa:g}.")
        if not 2 <= len(self.shares) <= MOST_CATEGORIES:
            raise BadPlan(f"Give the shares of 2 to {MOST_CATEGORIES} categories; join rare ones to one.")
        if min(self.shares) <= 0 or abs(sum(self.shares) - 1) > 1e-6:
            raise BadPlan("The shares of the categories must be above 0 and add up to 100 %.")
        if not 2 <= self.n_raters <= MOST_RATERS:
            raise BadPlan(f"Plan for 2 to {MOST_RATERS} raters of each item.")
        if not 0 <= self.missing < 1:
            raise BadPlan("The share of missing ratings lies between 0 and 1.")
        if self.per_patient < 1 or not 0 <= self.icc <= 1:
            raise BadPlan("A patient has at least one item, and the likeness within a patient lies between 0 and 1.")

    @property
    def design_effect(self) -> float:
        """How many times the variance of items of different patients: 1 + (m - 1) icc. Kish L. Survey Sampling 1965."""
        return 1 + (self.per_patient - 1) * self.icc


@dataclass(frozen=True)
class Gate:
    """When the round passes: kappa above `threshold` (its one-sided 95 % lower limit, too, when `strict`), on at least
    `min_items` items rated twice and `min_rarest` items that touch the rarest category."""

    threshold: float = 0.75
    strict: bool = False
    min_items: int = 0
    min_rarest: int = 0


def item_spread(assumed: Assumed) -> float:
    """The standard deviation of one rated item's influence on Fleiss' kappa: its standard error is this / sqrt(items).

    From Gwet's linearised variance over every pattern of ratings that an item can show under the assumed model, times
    the root of the design effect. Gwet KL. Handbook of Inter-Rater Reliability, 4th ed. 2014.
    """
    counts, chance = _patterns(assumed)
    x, kappa = _influence(counts, chance[None, :])
    variance = float(chance @ (x[0] - kappa[0]) ** 2)
    return sqrt(variance * assumed.design_effect)


def half_width(assumed: Assumed, n_items: int, *, level: float = 0.95) -> float | None:
    """Half the expected width of kappa's interval with `n_items` items; None for fewer than two patients."""
    patients = int(n_items / assumed.per_patient)
    if patients < 2:
        return None
    return float(scipy.stats.t.ppf((1 + level) / 2, patients - 1)) * item_spread(assumed) / sqrt(n_items)


def items_for_half_width(assumed: Assumed, wanted: float, *, level: float = 0.95) -> int | None:
    """The fewest items whose expected interval is at most ± `wanted`; None when more than 20,000 would be needed."""
    return _fewest(item_spread(assumed), assumed.per_patient, wanted, level)


def items_from_earlier(
    se: float, n_items: int, wanted: float, *, per_patient: float = 1.0, level: float = 0.95
) -> int | None:
    """The same from a round that was measured: its headline's standard error `se` on `n_items` items, of any statistic.

    Standard errors shrink with the root of the number of items, as long as items and raters are like those.
    """
    if se <= 0 or n_items < 2:
        raise BadPlan("The earlier round has no standard error to plan from.")
    return _fewest(se * sqrt(n_items), per_patient, wanted, level)


def _fewest(spread: float, per_patient: float, wanted: float, level: float) -> int | None:
    if not 0 < wanted < 1:
        raise BadPlan("The wanted half width lies between 0 and 1; 0.05 means ± 0.05.")

    def width(n: int) -> float:
        patients = int(n / per_patient)
        return inf if patients < 2 else float(scipy.stats.t.ppf((1 + level) / 2, patients - 1)) * spread / sqrt(n)

    short, enough = 1, MOST_ITEMS
    if width(enough) > wanted:
        return None
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if width(middle) <= wanted else (middle, enough)
    return enough


def chance_to_pass(assumed: Assumed, n_items: int, gate: Gate, *, runs: int = RUNS, seed: int = 0) -> Estimate:
    """How often a round of `n_items` items passes `gate` under the assumptions, by seeded simulation.

    The value is the share of `runs` simulated rounds, with the Wilson interval of the simulation's own error. Items of
    one patient are allowed for by drawing n / design effect independent ones; the gate's minimum counts use n.
    """
    if not 2 <= n_items <= MOST_ITEMS:
        raise BadPlan(f"Plan for 2 to {MOST_ITEMS:,} items.")
    counts, chance = _patterns(assumed)
    rng, block = np.random.default_rng(seed), max(1, BLOCK // len(chance))
    passed = 0
    for start in range(0, runs, block):
        passed += _passed(rng, counts, chance, assumed, n_items, gate, min(block, runs - start))
    found = wilson_rate(passed, runs)
    method = f"{runs} simulated rounds of {n_items} items, seed {seed}, Wilson interval of the simulation"
    return Estimate(
        "chance_to_pass", found.value, low=found.low, high=found.high, n_items=n_items, n_ratings=runs, method=method
    )


def _passed(
    rng: np.random.Generator, counts: Ints, chance: Floats, assumed: Assumed, n_items: int, gate: Gate, runs: int
) -> int:
    effective = max(2, round(n_items / assumed.design_effect))
    drawn = rng.multinomial(effective, chance, size=runs).astype(np.float64)
    scale = n_items / effective
    n_paired = drawn @ (counts.sum(axis=1) >= 2) * scale
    touching = drawn @ (counts > 0) * scale
    # A category that nobody used is not counted by the gate, which sees the ratings only.
    rarest = np.where(touching > 0, touching, np.inf).min(axis=1)
    x, kappa = _influence(counts, drawn / effective)
    with np.errstate(invalid="ignore"):
        is_passed = (kappa > gate.threshold) & (n_paired >= gate.min_items) & (rarest >= gate.min_rarest)
        if gate.strict:
            variance = (drawn * (x - kappa[:, None]) ** 2).sum(axis=1) / (effective * (effective - 1))
            lower = kappa - scipy.stats.t.ppf(0.95, effective - 1) * np.sqrt(variance)
            is_passed &= lower > gate.threshold
    return int(is_passed.sum())


def items_to_pass(assumed: Assumed, gate: Gate, *, chance: float = 0.8, runs: int = RUNS, seed: int = 0) -> int | None:
    """The fewest items (to the next ten) that pass `gate` with at least `chance`; None when 20,000 do not.

    None, too, when the assumed kappa is not above the threshold: more items only make a failure more certain.
    """
    if not 0 < chance < 1:
        raise BadPlan("The chance to pass lies between 0 and 1.")
    if assumed.kappa <= gate.threshold:
        return None

    def suffices(tens: int) -> bool:
        value = chance_to_pass(assumed, tens * STEP, gate, runs=runs, seed=seed).value
        return value is not None and value >= chance

    short, enough = 0, max(2, ceil(gate.min_items / STEP))
    while not suffices(enough):
        short, enough = enough, enough * 2
        if enough * STEP > MOST_ITEMS:
            return None
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if suffices(middle) else (middle, enough)
    return enough * STEP


def outputs_to_pass(rate: float, target: float, *, chance: float = 0.8, design_effect: float = 1.0) -> int | None:
    """The fewest outputs with which a model of true `rate` is shown below `target` with at least `chance` (exact).

    Shown: the one-sided 95 % Clopper-Pearson upper limit lies below `target`. Binomial probabilities, no simulation;
    times `design_effect` where outputs of one patient are alike. None when `rate` is not below `target`, or more than
    200 events would have to be allowed.
    """
    if not (0 <= rate < 1 and 0 < target < 1 and 0 < chance < 1):
        raise BadPlan("Rates and chances lie between 0 and 1.")
    if rate >= target:
        return None
    for k in range(201):
        n = required_n(k, target)
        if float(scipy.stats.binom.cdf(k, n, rate)) >= chance:
            return ceil(n * design_effect)
    return None


@lru_cache(maxsize=64)
def _patterns(assumed: Assumed) -> tuple[Ints, Floats]:
    """Every vector of category counts that a rated item can show (rows), and its probability under the model."""
    shares, q = np.array(assumed.shares), len(assumed.shares)
    given = [assumed.n_raters] if assumed.missing == 0 else range(1, assumed.n_raters + 1)
    present = {r: float(scipy.stats.binom.pmf(r, assumed.n_raters, 1 - assumed.missing)) for r in given}
    right = sqrt(assumed.kappa)
    reported = (1 - right) * shares[None, :] + right * np.eye(q)  # true category x category given
    rows, weights = [], []
    for r, share in present.items():
        for chosen in combinations_with_replacement(range(q), r):
            counts = np.bincount(chosen, minlength=q)
            orders = exp(lgamma(r + 1) - sum(lgamma(int(n) + 1) for n in counts))
            probability = float(shares @ np.exp((counts * np.log(reported)).sum(axis=1))) * orders
            rows.append(counts)
            weights.append(share * probability)
    chance = np.array(weights)
    return np.array(rows, dtype=np.int64), chance / chance.sum()


def _influence(counts: Ints, weight: Floats) -> tuple[Floats, Floats]:
    """Per row of `weight` (shares of items by pattern) each pattern's x_i and Fleiss' kappa, their weighted mean."""
    r = counts.sum(axis=1)
    paired = (r >= 2).astype(np.float64)
    agreeing = (counts * (counts - 1)).sum(axis=1) / np.where(r >= 2, r * (r - 1), 1)
    shares = counts / r[:, None]
    n_paired = weight @ paired
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = (weight @ (agreeing * paired)) / n_paired
        pi = weight @ shares
        expected = (pi**2).sum(axis=1)
        kappa = (observed - expected) / (1 - expected)
        spread = 1 - expected[:, None]
        own = (agreeing[None, :] - expected[:, None]) * paired[None, :] / n_paired[:, None] / spread
        x = own - 2 * (1 - kappa[:, None]) * (pi @ shares.T - expected[:, None]) / spread
    return x, kappa

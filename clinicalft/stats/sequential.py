"""Looking again and again without fooling oneself: e-values, the rule of reverting, and bounds of planned looks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt

import numpy as np
import scipy

from clinicalft.stats.intervals import BadCounts
from clinicalft.stats.ratings import Floats

RATIOS = (1.5, 2.0, 3.0, 5.0)
REVERT_AT = 20.0
LARGEST = 700.0  # exp of more is beyond a float
NODES = 200


@dataclass(frozen=True)
class Rollout:
    """What is known at one look. Events are adjudicated ones; harm counts while it is only suspected.

    candidate, baseline: (events, reviewed outputs) of each arm since the start; baseline None: full rollout, no
    concurrent arm. share: part of the outputs that the candidate serves by design. frozen_rate: the baseline's rate as
    frozen with its n and date, for the time without a concurrent arm. hours_since_review: since the newest review, or
    since the start; review_window: hours without a review after which nobody is watching.
    """

    candidate: tuple[int, int]
    n_harmful: int
    hours_since_review: float
    review_window: float
    baseline: tuple[int, int] | None = None
    share: float = 0.5
    frozen_rate: float | None = None


@dataclass(frozen=True)
class Decision:
    """Whether to revert, by which rule ("harm", "concurrent", "fixed", "unwatched" or ""), why, and the e-values."""

    is_revert: bool
    rule: str
    reason: str
    e_concurrent: float | None
    e_fixed: float | None


def concurrent_e_value(candidate_events: int, baseline_events: int, share: float) -> float:
    """Evidence that the candidate's rate is higher, from how events fall on two arms that run at the same time.

    share: the part of outputs that the candidate serves. E = mean over r of (q_r / s)^b ((1 - q_r) / (1 - s))^a with
    q_r = r s / (r s + 1 - s), r in 1.5, 2, 3, 5; a, b events in baseline and candidate. While the rates are equal, E
    ever reaches 20 with a chance of at most 1 in 20, however often one looks (Ville 1939). 1 when nothing happened.
    At most e^700. Mixture form of the binomial maxSPRT: Kulldorff M et al. Seq Anal 2011;30:58-78.
    """
    _check_events(candidate_events, baseline_events)
    if not 0 < share < 1:
        raise BadCounts(f"The candidate's share {share:g} is not between 0 and 1.")
    ratios = np.array(RATIOS)
    q = ratios * share / (ratios * share + 1 - share)
    return _mixture(candidate_events * np.log(q / share) + baseline_events * np.log((1 - q) / (1 - share)))


def fixed_e_value(k: int, n: int, baseline_rate: float) -> float:
    """Evidence that a rate is higher than `baseline_rate`, from k events in n outputs.

    E = mean over r in 1.5, 2, 3, 5 of r^k ((1 - r p0) / (1 - p0))^(n - k); ratios with r p0 >= 1 are left out. Read as
    `concurrent_e_value`; a changed mix of cases moves it as well. The baseline has to be fixed beforehand.
    """
    if not 0 <= k <= n:
        raise BadCounts(f"{k} events cannot happen in {n} items.")
    if not 0 < baseline_rate < 1 / RATIOS[0]:
        raise BadCounts(f"A baseline rate must lie between 0 and {1 / RATIOS[0]:.2f}, both excluded.")
    ratios = np.array([ratio for ratio in RATIOS if ratio * baseline_rate < 1])
    return _mixture(k * np.log(ratios) + (n - k) * np.log((1 - ratios * baseline_rate) / (1 - baseline_rate)))


def restarted_e_values(periods: Sequence[tuple[int, int]], baseline_rate: float) -> list[float]:
    """`fixed_e_value` of each period's (events, outputs) by itself, so that old calm does not outweigh new events.

    Each period alone is valid at every look; over m periods the chance of a false alarm adds up to at most m / 20.
    """
    return [fixed_e_value(k, n, baseline_rate) for k, n in periods]


def revert_decision(seen: Rollout, *, threshold: float = REVERT_AT) -> Decision:
    """Whether the candidate has to go back: (a) any harmful output, suspected ones too; (b) concurrent e-value at the
    threshold; (c) without a concurrent arm, the e-value against the frozen baseline; (d) nobody reviews any more.

    The first rule that holds is named; both e-values are given for the log. It may be asked after every rating.
    Full rollout without a frozen baseline is refused (BadCounts): nothing would then watch the rate.
    """
    if threshold <= 1:
        raise BadCounts(f"An e-value of {threshold:g} is no evidence; the threshold has to be above 1.")
    if seen.n_harmful < 0 or seen.review_window <= 0:
        raise BadCounts("Harmful outputs are counted from 0 up, and the window of reviews is more than 0 hours.")
    k, n = seen.candidate
    concurrent = fixed = None
    if seen.baseline is not None:
        concurrent = concurrent_e_value(k, seen.baseline[0], seen.share)
    if seen.frozen_rate is not None:
        fixed = fixed_e_value(k, n, seen.frozen_rate)
    elif seen.baseline is None:
        raise BadCounts("Without a concurrent arm the baseline's rate has to be frozen first.")

    def decided(rule: str, reason: str) -> Decision:
        return Decision(bool(rule), rule, reason, concurrent, fixed)

    if seen.n_harmful:
        return decided("harm", f"{seen.n_harmful} harmful or suspected output in the candidate arm.")
    if concurrent is not None and concurrent >= threshold:
        return decided("concurrent", f"The e-value against the concurrent arm is {concurrent:.1f}, at {threshold:g}.")
    if concurrent is None and fixed is not None and fixed >= threshold:
        return decided("fixed", f"The e-value against the frozen baseline is {fixed:.1f}, at {threshold:g}.")
    if seen.hours_since_review > seen.review_window:
        return decided("unwatched", f"No review for {seen.hours_since_review:g} hours; at most {seen.review_window:g}.")
    return decided("", "No rule asks for it.")


def repeated_test_error(bounds: Sequence[float]) -> float:
    """The chance that |z| passes its bound at any of the equally spaced looks, when nothing differs (two-sided).

    Looks share data: the density of the running sum is carried from look to look by Gauss-Legendre quadrature.
    Armitage P, McPherson CK, Rowe BC. J R Stat Soc A 1969;132:235-244. Undefined without looks (ValueError).
    """
    if not len(bounds) or min(bounds) <= 0:
        raise ValueError("At least one look is needed, and every bound is above 0.")
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    sums, mass = np.zeros(1), np.ones(1)  # where the running sum is while no bound was passed, and how likely
    for look, bound in enumerate(bounds, start=1):
        reach = bound * sqrt(look)
        after = nodes * reach
        mass = weights * reach * (scipy.stats.norm.pdf(after[:, None] - sums[None, :]) @ mass)
        sums = after
    return float(1 - mass.sum())


def pocock_constant(looks: int, *, alpha: float = 0.05) -> float:
    """The bound on |z|, the same at every look, that keeps the chance of any false finding at `alpha`.

    Pocock SJ. Biometrika 1977;64:191-199.
    """
    return _constant(lambda c: [c] * looks, alpha)


def obrien_fleming_constant(looks: int, *, alpha: float = 0.05) -> float:
    """C of the bounds C sqrt(K / k) on |z| at look k of K that keep the chance of any false finding at `alpha`.

    O'Brien PC, Fleming TR. Biometrics 1979;35:549-556.
    """
    return _constant(lambda c: [c * sqrt(looks / look) for look in range(1, looks + 1)], alpha)


def _constant(bounds: Callable[[float], list[float]], alpha: float) -> float:
    return float(scipy.optimize.brentq(lambda c: repeated_test_error(bounds(c)) - alpha, 0.5, 10, xtol=1e-10))


def _mixture(logarithms: Floats) -> float:
    """The mean of exp(logarithms), in logarithms until the end."""
    return exp(min(LARGEST, float(scipy.special.logsumexp(logarithms)) - log(len(logarithms))))


def _check_events(*counts: int) -> None:
    if min(counts) < 0:
        raise BadCounts("Events are counted from 0 up.")

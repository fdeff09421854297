"""How many things two independent searchers both missed: capture-recapture from what each of them found."""

from collections.abc import Callable

import scipy

from clinicalft.stats.intervals import BadCounts
from clinicalft.stats.results import Estimate

METHOD = "Chapman; exact limits by inverting the hypergeometric distribution"
NOTHING_FOUND = "neither of the two found anything, so there is nothing to estimate from"
NO_OVERLAP = "None was found by both, so there is no upper limit."


def chapman(n_first: int, n_second: int, n_both: int, *, level: float = 0.95) -> Estimate:
    """How many there are in all, when one searcher found n_first, another n_second, and n_both of these are the same.

    Value (n_first + 1)(n_second + 1) / (n_both + 1) - 1, Chapman's form of the Lincoln-Petersen estimator; standard
    error by Seber. Limits: every total under which an overlap as small, or as large, as the one seen has a chance
    above half the error; they hold for every total, as Clopper-Pearson limits do. Without overlap there is no upper
    limit (`high` is None and `reason` says so). Assumes that the searchers are independent and that all things are as
    easy to find; where both overlook the same hard ones, the true total is higher. Undefined when nothing was found.
    Chapman DG. Univ Calif Publ Stat 1951;1:131-160; Seber GAF. Biometrics 1970;26:313-318; Seber GAF. The Estimation of
    Animal Abundance, 2nd ed. 1982, section 3.1.
    """
    _check(n_first, n_second, n_both)
    n_found = n_first + n_second - n_both
    if not n_found:
        return Estimate.undefined("total", NOTHING_FOUND, level=level, method=METHOD)
    value = (n_first + 1) * (n_second + 1) / (n_both + 1) - 1
    spread = (n_first + 1) * (n_second + 1) * (n_first - n_both) * (n_second - n_both)
    low, high = _limits(n_first, n_second, n_both, 1 - level)
    return Estimate(
        "total", value, (spread / ((n_both + 1) ** 2 * (n_both + 2))) ** 0.5, float(low),
        None if high is None else float(high), level=level, n_items=n_found, n_ratings=n_first + n_second,
        method=METHOD, reason="" if n_both else NO_OVERLAP,
    )  # fmt: skip


def missed_by_both(n_first: int, n_second: int, n_both: int, *, level: float = 0.95) -> Estimate:
    """How many of all that there are neither of two searchers found: `chapman` less what was found, with its limits."""
    total = chapman(n_first, n_second, n_both, level=level)
    if total.value is None:
        return total.renamed("missed by both")
    n_found = n_first + n_second - n_both
    return Estimate(
        "missed by both", total.value - n_found, total.se, max(0.0, (total.low or 0.0) - n_found),
        None if total.high is None else total.high - n_found, level=level, n_items=n_found,
        n_ratings=n_first + n_second, method=METHOD, reason=total.reason,
    )  # fmt: skip


def _limits(n_first: int, n_second: int, n_both: int, error: float) -> tuple[int, int | None]:
    """The smallest and the largest total that the overlap does not speak against; None where there is no largest."""
    n_found = n_first + n_second - n_both

    def is_small_enough(total: int) -> bool:
        """Whether an overlap of `n_both` or more is likely enough: less so the larger the total."""
        return bool(scipy.stats.hypergeom.sf(n_both - 1, total, n_first, n_second) > error / 2)

    def is_large_enough(total: int) -> bool:
        """Whether an overlap of `n_both` or less is likely enough: more so the larger the total."""
        return bool(scipy.stats.hypergeom.cdf(n_both, total, n_first, n_second) > error / 2)

    low = n_found if is_large_enough(n_found) else _turning_point(n_found, is_large_enough)
    if not n_both:
        return low, None
    return low, _turning_point(n_found, lambda total: not is_small_enough(total)) - 1


def _turning_point(start: int, holds: Callable[[int], bool]) -> int:
    """The smallest number above `start` from which on `holds` is true; it is false at `start`."""
    short, step = start, 1
    while not holds(short + step):
        short, step = short + step, step * 2
    enough = short + step
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if holds(middle) else (middle, enough)
    return enough


def _check(n_first: int, n_second: int, n_both: int) -> None:
    if min(n_first, n_second, n_both) < 0:
        raise BadCounts("What was found is counted from 0 up.")
    if n_both > min(n_first, n_second):
        raise BadCounts(f"Both cannot have found {n_both} when one found {min(n_first, n_second)}.")

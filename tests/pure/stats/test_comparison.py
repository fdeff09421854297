"""Differences of rates, corrections for many tests, subgroups, and sizes to find a difference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep

from clinicalft.stats.comparison import (
    adjusted,
    compare_groups,
    fisher_p,
    largest_gap,
    n_to_detect,
    rate_difference,
)
from clinicalft.stats.intervals import BadCounts

FEW = settings(max_examples=60, deadline=None)


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 300))
    return draw(st.integers(0, n)), n


@FEW
@given(counts(), counts())
def test_the_interval_of_a_difference_is_that_of_statsmodels(first: tuple[int, int], second: tuple[int, int]) -> None:
    found = rate_difference(*first, *second)

    expected = confint_proportions_2indep(*first, *second, method="newcomb", compare="diff")
    assert [found.low, found.high] == pytest.approx(np.clip(expected, -1, 1), abs=1e-9)


@FEW
@given(counts(), counts())
def test_groups_that_change_places_turn_the_difference_round(first: tuple[int, int], second: tuple[int, int]) -> None:
    one, other = rate_difference(*first, *second), rate_difference(*second, *first)

    assert one.value is not None
    assert one.low is not None
    assert one.high is not None
    assert [-one.value, -one.high, -one.low] == pytest.approx([other.value, other.low, other.high])
    assert one.low <= one.value <= one.high


def test_a_difference_with_an_empty_group_is_undefined() -> None:
    found = rate_difference(1, 10, 0, 0)

    assert (found.status, found.reason) == ("undefined", "no data: one of the two groups is empty")
    assert fisher_p(1, 10, 0, 0) is None


def test_fishers_p_of_the_lady_who_tasted_tea() -> None:
    assert fisher_p(3, 4, 1, 4) == pytest.approx(34 / 70)
    with pytest.raises(BadCounts, match="5 events cannot happen in 4 items"):
        fisher_p(5, 4, 0, 4)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=12))
def test_corrections_keep_the_order_and_never_make_a_p_smaller(p: list[float]) -> None:
    bonferroni, holm, bh = (adjusted(p, one) for one in ("bonferroni", "holm", "bh"))

    assert (np.array(p) - 1e-12 <= bh).all()
    assert (bh <= holm + 1e-12).all()
    assert (holm <= bonferroni + 1e-12).all()
    for found in (bonferroni, holm, bh):
        assert (np.diff(found[np.argsort(p, kind="stable")]) >= -1e-12).all()


def test_corrections_equal_statsmodels() -> None:
    p = [0.04, 0.0003, 1.0, 0.04, 0.2, 0.0, 0.011, 0.5]

    for ours, theirs in (("bonferroni", "bonferroni"), ("holm", "holm"), ("bh", "fdr_bh")):
        assert adjusted(p, ours) == pytest.approx(multipletests(p, method=theirs)[1], abs=1e-12)  # type: ignore[arg-type]


def test_what_is_no_p_value_is_refused() -> None:
    with pytest.raises(BadCounts, match="between 0 and 1"):
        adjusted([0.2, float("nan")])


def test_a_group_too_small_to_show_anything_is_neither_fair_nor_unfair() -> None:
    groups = compare_groups({"sex": {"f": (0, 148), "m": (0, 149)}})

    assert [group.is_enough for group in groups] == [False, True]
    assert [group.is_shown_below for group in groups] == [False, True]


def test_few_patients_are_hidden_with_everything_that_would_tell_of_them() -> None:
    groups = {
        group.name: group for group in compare_groups({"age": {"0-17": (3, 10), "18-64": (2, 500), "65+": (4, 400)}})
    }
    hidden = groups["0-17"]

    assert hidden.is_hidden
    assert (hidden.k, hidden.n, hidden.rate, hidden.upper, hidden.p, hidden.p_holm) == (None,) * 6
    assert groups["18-64"].p == pytest.approx(fisher_p(2, 500, 7, 410))
    assert largest_gap(list(groups.values())) == pytest.approx(4 / 400 - 2 / 500)


def test_holm_counts_the_groups_of_all_fields() -> None:
    sex, both = {"f": (9, 200), "m": (1, 300)}, {"site": {"A": (5, 250), "B": (5, 250)}}

    alone = compare_groups({"sex": sex})
    together = compare_groups({"sex": sex, **both})

    assert alone[0].p == together[0].p == fisher_p(9, 200, 1, 300)
    assert alone[0].p is not None
    assert alone[0].p_holm == pytest.approx(2 * alone[0].p)
    assert together[0].p_holm == pytest.approx(4 * alone[0].p)


def test_one_group_alone_has_nothing_to_be_compared_with() -> None:
    (only,) = compare_groups({"site": {"A": (1, 200)}})

    assert (only.p, only.p_holm) == (None, None)
    assert largest_gap([only]) is None


def test_sizes_to_find_a_difference_are_those_of_the_design() -> None:
    assert [n_to_detect(*rates) for rates in ((0.02, 0.04), (0.02, 0.05), (0.01, 0.03))] == [1139, 586, 766]
    assert n_to_detect(0.02, 0.04, comparisons=5) == 1694


def test_the_size_has_the_power_that_it_promises() -> None:
    n, rng = n_to_detect(0.02, 0.05), np.random.default_rng(5)
    a, b = rng.binomial(n, 0.02, 4000) / n, rng.binomial(n, 0.05, 4000) / n
    z = np.abs(a - b) / np.sqrt((a * (1 - a) + b * (1 - b)) / n)

    assert (z > stats.norm.ppf(0.975)).mean() == pytest.approx(0.8, abs=0.03)


def test_equal_rates_and_percentages_are_refused() -> None:
    with pytest.raises(BadCounts, match="cannot be told apart"):
        n_to_detect(0.02, 0.02)
    with pytest.raises(BadCounts, match=r"2% is 0\.02"):
        n_to_detect(2, 4)

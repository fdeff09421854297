"""What must hold for every table of ratings, and independent computations of the same numbers."""

import random
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as classic_fleiss_kappa

from clinicalft.stats.agreement import summarise
from clinicalft.stats.alpha import krippendorff_alpha, metric_distances
from clinicalft.stats.chance import fleiss_kappa, linear_weights, quadratic_weights
from clinicalft.stats.cohen import cohen_kappa, light_kappa, pair_table
from clinicalft.stats.ratings import MISSING, RatingTable
from clinicalft.stats.results import Estimate

Rows = list[list[int | None]]
FEW = settings(max_examples=30, deadline=None)
SCALE = [0, 1, 2, 3]
EXCHANGEABLE = ["percent_agreement", "fleiss_kappa", "conger_kappa", "light_kappa", "gwet_ac1", "brennan_prediger"]
NOMINAL = [*EXCHANGEABLE, "cohen_kappa", "scott_pi", "fleiss_kappa_flp2003", "krippendorff_alpha_nominal"]
WEIGHTED = [f"{one}_{kind}" for one in ("cohen_kappa", "fleiss_kappa", "gwet_ac2") for kind in ("linear", "quadratic")]


@st.composite
def ratings(draw: st.DrawFn, *, n_raters: int | None = None, missing: bool = True) -> Rows:
    width = n_raters or draw(st.integers(2, 4))
    category = st.sampled_from(SCALE)
    entry = st.one_of(st.none(), category, category) if missing else category
    rows: Rows = draw(st.lists(st.lists(entry, min_size=width, max_size=width), min_size=3, max_size=12))
    assume(len({k for row in rows for k in row if k is not None}) > 1)
    return rows


def table(rows: Rows, *, data_type: str = "ordinal", categories: list[int] = SCALE, **options: Any) -> RatingTable:
    return RatingTable.from_lists(rows, categories=categories, data_type=data_type, **options)


def numbers(estimate: Estimate) -> list[float]:
    return [np.nan if one is None else one for one in (estimate.value, estimate.se)]


def assert_same(first: RatingTable, second: RatingTable, statistics: list[str]) -> None:
    before, after = summarise(first), summarise(second)
    for name in statistics:
        assert numbers(after[name]) == pytest.approx(numbers(before[name]), abs=1e-9, nan_ok=True), name


@FEW
@given(ratings(), st.randoms())
def test_order_of_raters_does_not_matter(rows: Rows, order: random.Random) -> None:
    columns = list(range(len(rows[0])))
    order.shuffle(columns)

    assert_same(table(rows), table([[row[j] for j in columns] for row in rows]), [*EXCHANGEABLE, "cohen_kappa"])


@FEW
@given(ratings(), st.randoms())
def test_order_of_items_does_not_matter(rows: Rows, order: random.Random) -> None:
    shuffled = rows[:]
    order.shuffle(shuffled)

    assert_same(table(rows), table(shuffled), [*NOMINAL, *WEIGHTED, "krippendorff_alpha_ordinal"])


@FEW
@given(ratings(), st.permutations(SCALE))
def test_names_of_nominal_categories_do_not_matter(rows: Rows, names: list[int]) -> None:
    renamed = [[None if k is None else names[k] for k in row] for row in rows]

    assert_same(table(rows), table(renamed), NOMINAL)


@FEW
@given(ratings())
def test_direction_of_an_ordinal_scale_does_not_matter(rows: Rows) -> None:
    reversed_rows = [[None if k is None else SCALE[-1] - k for k in row] for row in rows]
    before, after = summarise(table(rows)), summarise(table(reversed_rows))

    for name in [*WEIGHTED, "krippendorff_alpha_ordinal", "krippendorff_alpha_interval", "percent_within_one"]:
        assert numbers(after[name])[0] == pytest.approx(numbers(before[name])[0], abs=1e-9, nan_ok=True), name


@FEW
@given(ratings())
def test_item_that_nobody_rated_changes_nothing(rows: Rows) -> None:
    unrated: list[int | None] = [None] * len(rows[0])

    assert_same(table(rows), table([*rows, unrated]), [*NOMINAL, *WEIGHTED, "ICC(1,1)", "krippendorff_alpha_ordinal"])


@FEW
@given(ratings())
def test_item_rated_once_leaves_alpha_and_percent_agreement_alone(rows: Rows) -> None:
    single = [0, *[None] * (len(rows[0]) - 1)]

    assert_same(table(rows), table([*rows, single]), ["percent_agreement", "krippendorff_alpha_nominal"])


@FEW
@given(ratings(), st.integers(2, 4))
def test_repeating_every_item_keeps_the_value_and_a_cluster_per_item_keeps_the_error(rows: Rows, times: int) -> None:
    repeated = [row for row in rows for _ in range(times)]
    cluster = [item for item in range(len(rows)) for _ in range(times)]
    before, after = summarise(table(rows)), summarise(table(repeated, cluster=cluster))

    for name in ("fleiss_kappa", "gwet_ac1", "brennan_prediger", "conger_kappa", "fleiss_kappa_flp2003"):
        value, se = numbers(before[name])
        assert numbers(after[name])[0] == pytest.approx(value, abs=1e-9, nan_ok=True), name
        robust = after[f"{name}_cluster_robust"]
        assert numbers(robust) == pytest.approx([value, se], abs=1e-9, nan_ok=True), name


@FEW
@given(ratings(n_raters=2, missing=False))
def test_two_raters_of_everything_tie_the_definitions_together(rows: Rows) -> None:
    found = {name: estimate.value for name, estimate in summarise(table(rows)).items()}

    assert found["conger_kappa"] == pytest.approx(found["cohen_kappa"], abs=1e-9)
    assert found["light_kappa"] == pytest.approx(found["cohen_kappa"], abs=1e-9)
    assert found["scott_pi"] == pytest.approx(found["fleiss_kappa"], abs=1e-9)
    assert found["fleiss_kappa_flp2003"] == pytest.approx(found["fleiss_kappa"], abs=1e-9)


@FEW
@given(ratings(missing=False))
def test_alpha_is_fleiss_with_a_small_sample_term_when_nothing_is_missing(rows: Rows) -> None:
    found = summarise(table(rows))
    n = len(rows) * len(rows[0])
    fleiss = found["fleiss_kappa"].value

    assert fleiss is not None
    assert found["krippendorff_alpha_nominal"].value == pytest.approx(1 - (1 - fleiss) * (1 - 1 / n), abs=1e-9)


@FEW
@given(ratings(missing=False))
def test_balanced_fleiss_equals_the_classic_formula_of_statsmodels(rows: Rows) -> None:
    counts = table(rows).counts

    assert fleiss_kappa(table(rows).patterns).value == pytest.approx(classic_fleiss_kappa(counts), abs=1e-9)


@FEW
@given(ratings(n_raters=2))
def test_cohen_and_its_error_equal_statsmodels(rows: Rows) -> None:
    ordinal = table(rows)
    counts = pair_table(ordinal, 0, 1)
    assume(np.count_nonzero(counts.sum(axis=0) + counts.sum(axis=1)) > 1)

    for weights, kind in ((None, None), (linear_weights, "linear"), (quadratic_weights, "quadratic")):
        ours = cohen_kappa(ordinal, weights and weights(ordinal.scores))
        with np.errstate(invalid="ignore", divide="ignore"):  # its null test divides by zero on tiny tables
            theirs = cohens_kappa(counts, wt=kind)
        assert ours.value == pytest.approx(theirs.kappa, abs=1e-9)
        assert (ours.se or 0.0) ** 2 == pytest.approx(theirs.var_kappa, abs=1e-9)


@FEW
@given(ratings())
def test_unused_category_changes_chance_by_guessing_only(rows: Rows) -> None:
    before, after = summarise(table(rows)), summarise(table(rows, categories=[*SCALE, 4]))

    for name in ("cohen_kappa", "fleiss_kappa", "conger_kappa", "krippendorff_alpha_nominal"):
        assert numbers(after[name]) == pytest.approx(numbers(before[name]), abs=1e-9, nan_ok=True), name
    if before["percent_agreement"].value not in (None, 1.0):
        assert numbers(after["brennan_prediger"])[0] > numbers(before["brennan_prediger"])[0]


@FEW
@given(ratings())
def test_two_categories_make_quadratic_weights_plain(rows: Rows) -> None:
    binary = table([[None if k is None else min(k, 1) for k in row] for row in rows], categories=[0, 1])
    plain = fleiss_kappa(binary.patterns)

    assert numbers(fleiss_kappa(binary.patterns, quadratic_weights(binary.scores))) == numbers(plain)


@FEW
@given(ratings())
def test_no_coefficient_exceeds_one_and_every_interval_holds_its_value(rows: Rows) -> None:
    for estimate in summarise(table(rows)).values():
        if estimate.value is not None:
            assert estimate.value <= 1 + 1e-9
        if "bootstrap" not in estimate.method and estimate.low is not None and estimate.high is not None:
            assert estimate.value is not None
            assert estimate.low <= estimate.value <= estimate.high + 1e-9


@FEW
@given(st.lists(st.sampled_from(SCALE), min_size=2, max_size=8), st.integers(2, 4))
def test_raters_who_always_agree_get_one_without_an_interval(chosen: list[int], n_raters: int) -> None:
    assume(len(set(chosen)) > 1)

    found = summarise(table([[k] * n_raters for k in chosen]))

    for name in [*EXCHANGEABLE, "krippendorff_alpha_ordinal", "gwet_ac2_linear", "ICC(2,1)"]:
        assert found[name].value == pytest.approx(1.0)
        assert found[name].low is None
        assert "no interval" in found[name].reason


def alpha_by_definition(rows: Rows, metric: str) -> float:
    """Alpha from ordered pairs of ratings, one by one, as Krippendorff 2011 writes it."""
    paired = [[k for k in row if k is not None] for row in rows]
    paired = [row for row in paired if len(row) > 1]
    values = [k for row in paired for k in row]
    n_k = {k: values.count(k) for k in SCALE}

    def distance(a: int, b: int) -> float:
        if metric == "ordinal":
            low, high = min(a, b), max(a, b)
            return float(sum(n_k[g] for g in range(low, high + 1)) - (n_k[a] + n_k[b]) / 2) ** 2
        return float(metric_distances(metric, np.arange(1.0, 5.0))[a, b])

    observed = sum(sum(distance(a, b) for a, b in permutations(row, 2)) / (len(row) - 1) for row in paired)
    expected = sum(distance(a, b) for a, b in permutations(values, 2)) / (len(values) - 1)
    return 1 - observed / expected


@pytest.mark.parametrize("metric", ["nominal", "ordinal", "interval", "ratio"])
@FEW
@given(rows=ratings())
def test_alpha_equals_its_definition_pair_by_pair(metric: str, rows: Rows) -> None:
    paired = [row for row in rows if sum(k is not None for k in row) > 1]
    assume(len({k for row in paired for k in row if k is not None}) > 1)

    estimate = krippendorff_alpha(table(rows).patterns, metric)

    assert estimate.value == pytest.approx(alpha_by_definition(rows, metric), abs=1e-9)


def random_table(n_items: int = 400, seed: int = 5) -> RatingTable:
    """Four raters who are right three times out of four; a tenth of the ratings is missing; patients of four items."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(4, size=n_items, p=[0.4, 0.3, 0.2, 0.1])
    codes = np.where(rng.random((n_items, 4)) < 0.75, truth[:, None], rng.integers(0, 4, (n_items, 4)))
    codes[rng.random(codes.shape) < 0.1] = MISSING
    return RatingTable(
        codes=codes,
        categories=tuple(SCALE),
        raters=("R1", "R2", "R3", "R4"),
        items=tuple(range(n_items)),
        data_type="ordinal",
        cluster=np.arange(n_items) // 4,
    )


def jackknife_se(whole: RatingTable, statistic: str) -> float:
    """Standard error from leaving out one item at a time."""
    values = []
    for left_out in range(whole.n_items):
        kept = np.arange(whole.n_items) != left_out
        codes = whole.codes[kept]
        part = RatingTable(codes, whole.categories, whole.raters, tuple(range(len(codes))))
        value = {
            "light_kappa": lambda part: light_kappa(part),
            "fleiss_kappa": lambda part: fleiss_kappa(part.patterns),
            "krippendorff_alpha_nominal": lambda part: krippendorff_alpha(part.patterns, "nominal"),
        }.get(statistic, lambda part: summarise(part)[statistic])(part)
        values.append(value.value)
    n = len(values)
    return float(np.sqrt((n - 1) / n * ((np.array(values) - np.mean(values)) ** 2).sum()))


@pytest.mark.parametrize(
    "statistic",
    ["fleiss_kappa", "light_kappa", "conger_kappa", "fleiss_kappa_flp2003", "gwet_ac1", "krippendorff_alpha_nominal"],
)
def test_linearised_error_is_close_to_the_jackknife(statistic: str) -> None:
    whole = random_table(n_items=150)

    estimate = summarise(whole)[statistic]

    assert estimate.se == pytest.approx(jackknife_se(whole, statistic), rel=0.04)


def test_multinomial_bootstrap_has_the_spread_of_resampling_items_one_by_one() -> None:
    whole, rng = random_table(), np.random.default_rng(0)
    estimate = krippendorff_alpha(whole.patterns, "ordinal", seed=1)

    drawn = []
    for _ in range(400):
        codes = whole.codes[rng.integers(0, whole.n_items, whole.n_items)]
        part = RatingTable(codes, whole.categories, whole.raters, tuple(range(whole.n_items)))
        drawn.append(ordinal_alpha(part))

    assert estimate.se == pytest.approx(np.std(drawn), rel=0.12)  # 400 resamples know their spread to 3.5%
    assert estimate.low == pytest.approx(np.quantile(drawn, 0.025), abs=0.012)
    assert estimate.high == pytest.approx(np.quantile(drawn, 0.975), abs=0.012)


def ordinal_alpha(part: RatingTable) -> float:
    """Ordinal alpha without a bootstrap of its own."""
    paired = part.counts[part.counts.sum(axis=1) > 1]
    n_k = paired.sum(axis=0)
    midrank = np.cumsum(n_k) - n_k / 2
    distance = (midrank[:, None] - midrank[None, :]) ** 2
    observed = ((paired @ distance) * paired).sum(axis=1) / (paired.sum(axis=1) - 1)
    return float(1 - observed.sum() * (n_k.sum() - 1) / (n_k @ distance @ n_k))


def test_seed_decides_the_bootstrap() -> None:
    patterns = random_table().patterns

    first, again, other = (krippendorff_alpha(patterns, "ordinal", seed=seed) for seed in (3, 3, 4))

    assert first == again
    assert (first.low, first.high) != (other.low, other.high)
    assert "seed 3" in first.method


def test_very_many_patients_are_resampled_less_often_and_the_method_says_so() -> None:
    many = random_table(n_items=48_000)

    drawn = krippendorff_alpha(many.patterns, "ordinal", clustered=True)

    assert "over 12000 clusters, 500 replicates" in drawn.method
    assert drawn.se == pytest.approx(krippendorff_alpha(many.patterns, "ordinal").se, rel=0.1)


def test_patients_whose_items_are_copies_widen_the_bootstrap_interval() -> None:
    once = random_table(n_items=60)
    codes = np.repeat(once.codes, 4, axis=0)
    copied = RatingTable(
        codes, once.categories, once.raters, tuple(range(240)), data_type="ordinal", cluster=np.arange(240) // 4
    )

    found = summarise(copied)

    plain, robust = found["krippendorff_alpha_ordinal"], found["krippendorff_alpha_ordinal_cluster_robust"]
    assert plain.se is not None
    assert robust.se is not None
    assert robust.se == pytest.approx(2 * plain.se, rel=0.15)
    assert robust.value == plain.value

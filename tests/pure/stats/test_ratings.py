"""Reading ratings: what is refused, in which words, and that both ways in give the same table."""

from typing import Any

import numpy as np
import pytest

from clinicalft.stats.agreement import headline_statistic, summarise
from clinicalft.stats.alpha import krippendorff_alpha
from clinicalft.stats.chance import fleiss_kappa
from clinicalft.stats.ratings import BadRatings, Patterns, RatingTable

GOOD: dict[str, Any] = {"categories": ["a", "b"]}


@pytest.mark.parametrize(
    ("ratings", "options", "sentence"),
    [
        ([["a", "b"], ["a"]], GOOD, "Item 2 does not have one entry for each of the 2 raters."),
        (["ab"], GOOD | {"raters": ["R1", "R2"]}, "Item 1 does not have one entry for each of the 2 raters."),
        (
            [["a", "c"]],
            GOOD | {"raters": ["Ben", "Eve"]},
            "Item 1, rater Eve: 'c' is not one of the declared categories",
        ),
        ([["a", ["b"]]], GOOD, "is not one of the declared categories"),
        ([["a", float("nan")]], GOOD, "use null for no rating"),
        ([["a", "b"]], {"categories": ["a"]}, "Declare at least two categories"),
        ([["a", "b"]], {"categories": ["a", "b", "a"]}, "Category 'a' is declared twice."),
        ([["a", "b"]], {"categories": ["a", None]}, "Category None is neither text nor a number."),
        ([["a", "b"]], GOOD | {"raters": ["R", "R"]}, "Rater R is named twice"),
        ([["a", "b"]], GOOD | {"items": ["n1", "n2"]}, "2 item names were given for 1 items."),
        ([["a", "b"]], GOOD | {"data_type": "free text"}, "Data type 'free text' is not known"),
        ([["a", "b"]], GOOD | {"cluster": ["p", "q"]}, "2 cluster entries were given for 1 items."),
        ([["a", "b"], ["a", "a"]], GOOD | {"cluster": ["p", None]}, "Item 2 has no cluster"),
        ([["a", "b"]], GOOD | {"cluster": [["p"]]}, "Item 1: the cluster ['p'] is neither text nor a number."),
        ([["a", "b"]], GOOD | {"category_scores": [1]}, "1 category scores were given for 2 categories."),
        ([["a", "b"]], GOOD | {"category_scores": [1, "x"]}, "Every category score must be a finite number."),
        ([["a", "b"]], GOOD | {"category_scores": [2, 2]}, "All category scores are equal"),
        ([["a", "b"]], GOOD | {"data_type": "interval"}, "Interval data needs numbers"),
        ([["a", "b"]], {}, "Declare the categories in order"),
        ([[1, "b"]], {"data_type": "interval"}, "Item 1, rater R2: 'b' is not a number"),
        ([[1, float("inf")]], {"data_type": "interval"}, "Item 1, rater R2: inf is not a number"),
    ],
)
def test_bad_ratings_are_refused_in_one_sentence(ratings: Any, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadRatings) as refused:
        RatingTable.from_lists(ratings, **options)

    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_rows_and_lists_give_the_same_table() -> None:
    rows = [("n1", "Ben", "a"), ("n2", "Ben", "b"), ("n1", "Eve", "a"), ("n3", "Eve", "b"), ("n3", "Ben", "a")]
    patient = {"n1": "p", "n2": "p", "n3": "q"}

    from_rows = RatingTable.from_rows(rows, categories=["a", "b"], cluster_of_item=patient)
    from_lists = RatingTable.from_lists(
        [["a", "a"], ["b", None], ["a", "b"]], categories=["a", "b"], raters=["Ben", "Eve"], cluster=["p", "p", "q"]
    )

    assert from_rows.items == ("n1", "n2", "n3")
    assert from_rows.raters == from_lists.raters
    assert (from_rows.codes == from_lists.codes).all()
    assert summarise(from_rows) == summarise(from_lists)


def test_no_rows_give_an_empty_table() -> None:
    table = RatingTable.from_rows([], categories=["a", "b"])

    assert (table.n_items, table.n_raters) == (0, 0)


def test_rater_who_rated_an_item_twice_is_refused() -> None:
    with pytest.raises(BadRatings, match="Rater Ben rated item n1 twice"):
        RatingTable.from_rows([("n1", "Ben", "a"), ("n1", "Ben", "b")], categories=["a", "b"])


def test_item_without_a_patient_is_refused_by_name() -> None:
    with pytest.raises(BadRatings, match="Item 1 has no cluster"):
        RatingTable.from_rows([("n1", "Ben", "a")], categories=["a", "b"], cluster_of_item={})


def test_numbers_without_a_declared_scale_get_no_statistic_that_counts_categories() -> None:
    table = RatingTable.from_lists([[1.5, 2], [7, 8.25], [3, None]], data_type="interval")

    found = summarise(table)

    assert table.categories == (1.5, 2.0, 3.0, 7.0, 8.25)
    assert "fleiss_kappa" not in found
    assert "gwet_ac1" not in found
    assert headline_statistic(table) == "krippendorff_alpha_interval"


def test_headline_counts_patients_when_items_have_them() -> None:
    table = RatingTable.from_lists([["a", "b"], ["b", "b"]], categories=["a", "b"], cluster=["p", "q"])

    assert headline_statistic(table) == "cohen_kappa_cluster_robust"
    assert headline_statistic(table) in summarise(table)


def test_scores_and_not_ranks_set_the_weights_when_they_are_declared() -> None:
    rows = [["low", "mid"], ["low", "mid"], ["mid", "high"], ["low", "low"], ["high", "high"], ["mid", "mid"]]
    scale = ["low", "mid", "high"]

    ranks = RatingTable.from_lists(rows, categories=scale, data_type="ordinal")
    same = RatingTable.from_lists(rows, categories=scale, data_type="ordinal", category_scores=[10, 20, 30])
    skewed = RatingTable.from_lists(rows, categories=scale, data_type="ordinal", category_scores=[0, 1, 30])

    assert summarise(same)["cohen_kappa_linear"].value == summarise(ranks)["cohen_kappa_linear"].value
    assert summarise(skewed)["cohen_kappa_linear"].value != summarise(ranks)["cohen_kappa_linear"].value


def test_unused_category_of_the_declared_scale_stays_in_the_weights() -> None:
    rows = [[1, 2], [2, 2], [1, 1], [2, 1]]

    short = RatingTable.from_lists(rows, categories=[1, 2], data_type="ordinal")
    long = RatingTable.from_lists(rows, categories=[1, 2, 3], data_type="ordinal")

    assert summarise(long)["gwet_ac2_linear"].value != summarise(short)["gwet_ac2_linear"].value
    assert summarise(long)["fleiss_kappa"].value == summarise(short)["fleiss_kappa"].value


def test_scales_with_many_categories_are_counted_like_short_ones() -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 90, (50, 3))
    codes[::2] = codes[::2, :1]
    table = RatingTable.from_lists(codes.tolist(), categories=list(range(90)))

    patterns = table.patterns

    assert patterns.of_item is not None
    assert (patterns.counts[patterns.of_item] == table.counts).all()
    assert int(patterns.n_items.sum()) == 50


def test_histogram_of_patterns_alone_gives_the_same_statistics_as_the_items() -> None:
    table = RatingTable.from_lists([["a", "a"], ["a", "b"], ["b", "b"], ["a", None]] * 5, categories=["a", "b"])
    stored = Patterns(table.patterns.counts, table.patterns.n_items, table.scores)

    assert fleiss_kappa(stored) == fleiss_kappa(table.patterns)
    assert krippendorff_alpha(stored, "nominal") == krippendorff_alpha(table.patterns, "nominal")
    assert krippendorff_alpha(stored, "ordinal") == krippendorff_alpha(table.patterns, "ordinal")

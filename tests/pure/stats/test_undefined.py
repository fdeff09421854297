"""Undefined is a status with a reason; a constant rater or a perfect table is said in words."""

from typing import Any

import pytest

from clinicalft.stats.agreement import category_table, rater_pairs, summarise
from clinicalft.stats.chance import fleiss_kappa
from clinicalft.stats.cohen import cohen_kappa
from clinicalft.stats.ratings import RatingTable
from clinicalft.stats.results import Estimate


def nominal(rows: list[list[Any]], **options: Any) -> RatingTable:
    return RatingTable.from_lists(rows, categories=["a", "b"], **options)


def test_one_category_throughout_leaves_kappa_undefined_but_not_the_raw_agreement() -> None:
    found = summarise(nominal([["a"] * 3] * 20))

    for name in ("cohen_kappa", "fleiss_kappa", "conger_kappa", "light_kappa", "krippendorff_alpha_nominal"):
        assert found[name].value is None
        assert found[name].status == "undefined"
        assert "no variation" in found[name].reason
    assert found["percent_agreement"].value == 1
    assert found["gwet_ac1"].value == 1
    assert found["brennan_prediger"].value == 1


def test_single_ratings_show_no_agreement() -> None:
    found = summarise(nominal([["a", None], [None, "b"], ["a", None]]))

    assert "no item has two ratings" in found["fleiss_kappa"].reason
    assert "no item has two ratings" in found["krippendorff_alpha_nominal"].reason
    assert "no common item" in found["cohen_kappa"].reason
    assert "no common item" in found["light_kappa"].reason
    assert found["fleiss_kappa"].n_ratings == 3


@pytest.mark.parametrize("data_type", ["nominal", "ordinal"])
def test_table_without_items_is_undefined_everywhere(data_type: str) -> None:
    found = summarise(RatingTable.from_lists([], categories=["a", "b"], raters=["R1", "R2"], data_type=data_type))

    assert all(estimate.value is None and "no data" in estimate.reason for estimate in found.values())


def test_one_rater_alone_has_nobody_to_agree_with() -> None:
    found = summarise(nominal([["a"], ["b"]]))

    assert "no item has two ratings" in found["fleiss_kappa"].reason
    assert "two raters only" in found["cohen_kappa"].reason
    assert "no data" in found["light_kappa"].reason
    assert "two raters only" in found["scott_pi"].reason


def test_constant_rater_makes_kappa_zero_and_is_named() -> None:
    kappa = summarise(nominal([["a", "a"], ["a", "a"], ["a", "a"], ["a", "b"], ["a", "b"]], raters=["Ben", "Eve"]))

    assert kappa["cohen_kappa"].value == pytest.approx(0)
    assert "Ben used one category only" in kappa["cohen_kappa"].reason
    assert kappa["cohen_kappa"].low is None
    assert kappa["percent_agreement"].value == pytest.approx(0.6)


def test_columns_that_are_not_raters_get_no_statistic_of_raters() -> None:
    table = nominal([["a", "b"], ["b", "b"]], raters_identified=False)

    found = summarise(table)

    for name in ("cohen_kappa", "conger_kappa", "light_kappa", "expected_agreement_cohen"):
        assert "not identified" in found[name].reason
    assert found["fleiss_kappa"].value is not None
    assert rater_pairs(table) == []


def test_pairs_without_a_common_item_are_left_out_of_lights_kappa_and_counted() -> None:
    rows = [["a", "a", None], ["b", "b", None], ["a", "b", None], [None, "a", "b"], [None, "b", "b"]]

    found = summarise(nominal(rows))["light_kappa"]

    assert found.value == pytest.approx((0.4 + 0.0) / 2)
    assert "1 of 3 rater pairs have no kappa" in found.reason


def test_one_item_has_a_value_but_no_interval() -> None:
    estimate = fleiss_kappa(nominal([["a", "b"]]).patterns)

    assert estimate.value == pytest.approx(-1)
    assert estimate.low is None
    assert "Only one item" in estimate.reason


def test_one_patient_has_a_value_but_no_cluster_interval() -> None:
    found = summarise(nominal([["a", "b"], ["a", "a"], ["b", "b"]], cluster=["p", "p", "p"]))

    assert found["fleiss_kappa"].low is not None
    assert found["fleiss_kappa_cluster_robust"].low is None
    assert "Only one cluster" in found["fleiss_kappa_cluster_robust"].reason


def test_category_that_nobody_used_has_counts_of_zero_and_no_kappa() -> None:
    table = RatingTable.from_lists([["a", "b"], ["a", "a"], ["b", None]], categories=["a", "b", "c"])

    used, _, unused = category_table(table)

    assert (used.n_ratings, used.n_items, used.share_of_ratings) == (3, 2, 0.6)
    assert used.specific_agreement == pytest.approx(2 / 3)
    assert (unused.n_ratings, unused.n_items, unused.specific_agreement) == (0, 0, None)
    assert "no variation" in unused.kappa.reason


def test_category_table_of_nothing_has_no_shares() -> None:
    rows = category_table(nominal([[None, None]]))

    assert [row.share_of_ratings for row in rows] == [None, None]


def test_negative_agreement_is_undefined_when_neither_used_the_category_on_common_items() -> None:
    found = summarise(nominal([["a", "a"], ["a", "a"], ["b", None]]))

    assert found["positive_agreement"].value == 1
    assert found["negative_agreement"].value is None
    assert found["cohen_kappa_max"].value is None
    assert "no variation" in found["cohen_kappa"].reason


def test_intraclass_correlation_does_not_drop_items_with_missing_ratings() -> None:
    found = summarise(RatingTable.from_lists([[1, 2], [3, None], [4, 4]], data_type="interval"))

    assert "some ratings are missing" in found["ICC(2,1)"].reason
    assert found["krippendorff_alpha_interval"].value is not None


def test_intraclass_correlation_needs_two_items_with_variation() -> None:
    assert "two items" in summarise(RatingTable.from_lists([[1, 2]], data_type="interval"))["ICC(1,1)"].reason
    constant = summarise(RatingTable.from_lists([[2, 2], [2, 2]], data_type="interval"))
    assert "no variation" in constant["ICC(1,1)"].reason
    assert "no variation" in constant["krippendorff_alpha_interval"].reason


def test_raters_on_levels_of_their_own_leave_nothing_between_items() -> None:
    found = summarise(RatingTable.from_lists([[1, 3], [1, 3], [1, 3]], data_type="interval"))

    assert "no variation between items" in found["ICC(3,1)"].reason
    assert found["ICC(2,1)"].value == pytest.approx(0)
    assert found["ICC(2,1)"].low is None


def test_mean_of_raters_who_only_contradict_each_other_has_no_reliability() -> None:
    found = summarise(RatingTable.from_lists([[1, 3], [3, 1], [2, 2]], data_type="interval"))

    assert found["ICC(1,1)"].value == pytest.approx(-1)
    assert found["ICC(1,k)"].value is None


def test_exchangeable_columns_allow_the_one_way_intraclass_correlation_only() -> None:
    found = summarise(RatingTable.from_lists([[1, 2], [3, 4]], data_type="interval", raters_identified=False))

    assert found["ICC(1,1)"].value is not None
    assert "not identified" in found["ICC(2,1)"].reason


def test_estimate_refuses_to_carry_nan_or_an_unexplained_absence() -> None:
    with pytest.raises(ValueError, match="value is nan"):
        Estimate("fleiss_kappa", float("nan"))
    with pytest.raises(ValueError, match="exactly when"):
        Estimate("fleiss_kappa", None)
    with pytest.raises(ValueError, match="needs a reason"):
        Estimate.undefined("fleiss_kappa", "")


def test_estimate_as_json_has_null_for_what_does_not_exist() -> None:
    shown = Estimate.undefined("fleiss_kappa", "no data", n_items=3).as_dict()

    assert shown == {
        "value": None,
        "se": None,
        "ci95": None,
        "n_items": 3,
        "n_ratings": 0,
        "method": "",
        "status": "undefined",
        "reason": "no data",
    }
    assert Estimate("rate", 0.5, 0.1, 0.3, 0.7, level=0.9).as_dict()["ci90"] == [0.3, 0.7]


def test_ninety_percent_level_gives_the_one_sided_95_percent_limit() -> None:
    table = nominal([["a", "a"], ["b", "b"], ["a", "b"], ["a", "a"], ["b", "b"], ["b", "a"]])

    narrow, wide = summarise(table, level=0.9)["fleiss_kappa"], summarise(table)["fleiss_kappa"]

    assert narrow.low is not None
    assert wide.low is not None
    assert narrow.low > wide.low
    assert not Estimate.undefined("x", "no data").is_defined
    assert narrow.is_defined


def test_cluster_robust_interval_without_clusters_is_a_mistake_of_the_caller() -> None:
    table = nominal([["a", "b"], ["b", "b"]])

    with pytest.raises(ValueError, match="needs ratings with clusters"):
        fleiss_kappa(table.patterns, clustered=True)
    with pytest.raises(ValueError, match="needs ratings with clusters"):
        cohen_kappa(table, clustered=True)

"""Every statistic against the number that its source prints."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clinicalft.stats.agreement import category_table, headline_statistic, summarise
from clinicalft.stats.cohen import cohen_kappa
from clinicalft.stats.ratings import RatingTable

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "agreement" / "published.json"
CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in json.loads(GOLDEN.read_text(encoding="utf-8"))}
PUBLISHED = [
    pytest.param(name, statistic, id=f"{name} {statistic}")
    for name, case in CASES.items()
    for statistic in case["published"]
]


def table_of(case: dict[str, Any]) -> RatingTable:
    """The ratings of a published example, whichever way its source prints them."""
    options = {"data_type": case["data_type"], "category_scores": case.get("category_scores")}
    if "table" in case:
        size = range(len(case["table"]))
        pairs = [[k, m] for k in size for m in size for _ in range(case["table"][k][m])]
        return RatingTable.from_lists(pairs, categories=list(size), **options)
    if "counts" in case:
        items = [[k for k, times in enumerate(row) for _ in range(times)] for row in case["counts"]]
        categories = list(range(len(case["counts"][0])))
        return RatingTable.from_lists(items, categories=categories, raters_identified=False, **options)
    return RatingTable.from_lists(
        case["ratings"],
        categories=case.get("categories"),
        raters_identified=case.get("raters_identified", True),
        **options,
    )


@pytest.mark.parametrize(("name", "statistic"), PUBLISHED)
def test_value_printed_by_the_source_is_reproduced(name: str, statistic: str) -> None:
    printed = CASES[name]["published"][statistic]

    estimate = summarise(table_of(CASES[name]))[statistic]

    # Half a unit of the last printed digit, and a hair for sources that round a 5 down.
    tolerance = 0.5001 * 10 ** -printed["digits"]
    assert estimate.value == pytest.approx(printed["value"], abs=tolerance)
    if "se" in printed:
        assert estimate.se == pytest.approx(printed["se"], abs=0.0006)
    if "ci95" in printed:
        assert [estimate.low, estimate.high] == pytest.approx(printed["ci95"], abs=0.0006)


@pytest.mark.parametrize("name", ["C68", "FCE69"])
def test_weighted_kappa_takes_the_weights_of_its_source(name: str) -> None:
    case = CASES[name]

    estimate = cohen_kappa(table_of(case), np.array(case["weights"]))

    assert estimate.value == pytest.approx(case["weighted_kappa"]["value"], abs=0.0005)


def test_standard_errors_of_fleiss_cohen_and_everitt_1969() -> None:
    case = CASES["FCE69"]

    plain, weighted = cohen_kappa(table_of(case)), cohen_kappa(table_of(case), np.array(case["weights"]))

    assert plain.se == pytest.approx(0.053711, abs=1e-6)
    assert weighted.se == pytest.approx(0.056994, abs=1e-6)


def test_kappa_of_each_diagnosis_of_fleiss_1971() -> None:
    case = CASES["F71"]

    found = [row.kappa.value for row in category_table(table_of(case))]

    assert found == pytest.approx(case["kappa_by_category"]["values"], abs=0.0005)


def test_standard_error_of_fleiss_1971_is_not_the_one_for_testing_no_agreement() -> None:
    estimate = summarise(table_of(CASES["F71"]))["fleiss_kappa"]

    assert estimate.se == pytest.approx(0.0542, abs=0.0001)  # the null standard error is 0.0244


def test_four_definitions_give_four_numbers_for_unequal_raters() -> None:
    found = summarise(table_of(CASES["FLP-612"]))

    assert found["fleiss_kappa_flp2003"].value == pytest.approx(0.5415, abs=0.0001)
    assert found["krippendorff_alpha_nominal"].value == pytest.approx(0.5528, abs=0.0001)
    assert found["fleiss_kappa"].value == pytest.approx(0.5620, abs=0.0001)


def test_missing_ratings_are_neither_a_category_nor_a_reason_to_drop_the_item() -> None:
    estimate = summarise(table_of(CASES["GW-4raters"]))["fleiss_kappa"]

    assert estimate.value == pytest.approx(0.761, abs=0.0005)  # as a category .568, complete items only .641
    assert (estimate.n_items, estimate.n_ratings) == (12, 41)


def test_alpha_is_low_at_sixty_percent_agreement_when_chance_explains_it() -> None:
    found = summarise(table_of(CASES["K04-1"]))

    assert found["percent_agreement"].value == pytest.approx(0.6)
    assert found["krippendorff_alpha_nominal"].value == pytest.approx(0.095, abs=0.0005)


def test_consistency_and_absolute_agreement_differ_on_shrout_and_fleiss_1979() -> None:
    found = summarise(table_of(CASES["IC-SF79"]))

    assert found["ICC(3,1)"].value == pytest.approx(0.71, abs=0.005)
    assert found["ICC(2,1)"].value == pytest.approx(0.29, abs=0.005)
    assert [found["ICC(2,1)"].low, found["ICC(2,1)"].high] == pytest.approx([0.02, 0.76], abs=0.005)
    assert [found["ICC(3,k)"].low, found["ICC(3,k)"].high] == pytest.approx([0.68, 0.99], abs=0.005)


@pytest.mark.parametrize(
    ("name", "headline"),
    [("C60-2", "cohen_kappa"), ("F71", "fleiss_kappa"), ("RAD", "cohen_kappa_quadratic"), ("GW-bg", "fleiss_kappa")],
)
def test_headline_follows_data_type_raters_and_missing_ratings(name: str, headline: str) -> None:
    assert headline_statistic(table_of(CASES[name])) == headline

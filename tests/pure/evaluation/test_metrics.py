"""Numbers of a rating round, each with its interval and with the outputs that it counts."""

from collections.abc import Iterable

import numpy as np
import pytest
from scipy import stats

from evaluation.metrics import (
    GivenRating,
    RatedOutput,
    confusion,
    flag_summary,
    match_summary,
    mean_answer,
    question_summary,
    round_summary,
)
from evaluation.rubrics import ACCURACY, DEFAULT


def rated(
    n: int, *scores: Iterable[int], patients: list[int] | None = None
) -> tuple[list[RatedOutput], list[GivenRating]]:
    outputs = [RatedOutput(key, "1", patients[key] if patients else key) for key in range(n)]
    ratings = [
        GivenRating(key, f"R{rater}", {"accuracy": score})
        for rater, given in enumerate(scores)
        for key, score in enumerate(given)
    ]
    return outputs, ratings


def test_concordance_is_that_of_the_statistics_package() -> None:
    # Five raters of ten subjects on four points; by the definition of Fleiss 1971 by hand below.
    scores = np.random.default_rng(3).integers(1, 6, size=(5, 40))
    outputs, ratings = rated(40, *scores.tolist())

    found = question_summary(ACCURACY, outputs, ratings, seed=1)

    counts = np.array([[np.sum(scores[:, item] == point) for point in range(1, 6)] for item in range(40)])
    observed = ((counts**2).sum(axis=1) - 5).mean() / 20
    expected = ((counts.sum(axis=0) / 200) ** 2).sum()
    assert found["statistics"]["fleiss_kappa"]["value"] == pytest.approx((observed - expected) / (1 - expected))
    assert found["statistics"]["percent_agreement"]["value"] == pytest.approx(observed)
    assert [n for _, _, n in found["counts"]] == counts.sum(axis=0).tolist()
    assert found["statistics"]["fleiss_kappa_quadratic"]["n_items"] == 40


def test_same_answers_everywhere_are_said_to_be_undefined() -> None:
    outputs, ratings = rated(4, [5] * 4, [5] * 4, [5] * 4)

    kappa = question_summary(ACCURACY, outputs, ratings, seed=1)["statistics"]["fleiss_kappa"]

    assert kappa["value"] is None
    assert kappa["reason"]


def test_nobody_has_rated_is_undefined_and_no_crash() -> None:
    outputs, _ = rated(3)

    found = round_summary(DEFAULT, ["1"], outputs, [], frozenset(), seed=1)

    arm = found["arms"]["1"]
    assert arm["questions"]["accuracy"]["mean"]["status"] == "undefined"
    assert arm["flags"]["harm"]["rate"]["value"] is None
    assert arm["rated"] == []


def test_the_mean_is_over_outputs_with_a_t_interval() -> None:
    outputs, ratings = rated(4, [1, 2, 3, 4], [1, 4, 3, 4])

    found = mean_answer(ACCURACY, outputs, ratings)

    low, high = stats.t.interval(0.95, 3, loc=2.75, scale=stats.sem([1, 3, 3, 4]))
    assert (found.value, found.n_items, found.n_ratings) == (2.75, 4, 8)
    assert (found.low, found.high) == (pytest.approx(max(1, low)), pytest.approx(min(5, high)))


def test_the_mean_of_several_outputs_of_a_patient_has_a_cluster_robust_interval() -> None:
    scores = [1, 1, 1, 5, 5, 5, 3, 3, 3, 4, 4, 4]
    patients = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    alone = mean_answer(ACCURACY, *rated(12, scores))
    together = mean_answer(ACCURACY, *rated(12, scores, patients=patients))

    # Three copies of one score say no more than one: the interval is that of four outputs.
    of_four = mean_answer(ACCURACY, *rated(4, [1, 5, 3, 4]))
    assert together.se == pytest.approx(of_four.se)
    assert alone.se is not None
    assert together.se > 1.5 * alone.se


def test_one_output_has_a_mean_and_no_interval() -> None:
    found = mean_answer(ACCURACY, *rated(1, [4]))

    assert (found.value, found.low) == (4, None)
    assert found.reason


def flagged(*raised: tuple[int, str]) -> list[GivenRating]:
    return [GivenRating(output, rater, {}, frozenset({"harm"})) for output, rater in raised]


def test_an_output_counts_once_whoever_and_how_many_flagged_it() -> None:
    outputs, _ = rated(20)

    found = flag_summary("harm", outputs, flagged((3, "a"), (3, "b"), (7, "a")), frozenset())

    assert found["counted"] == [3, 7]
    assert found["rate"]["value"] == 0.1
    # One-sided 95 % Clopper-Pearson upper limit of 2 in 20.
    assert found["rate"]["ci95"] == [0, pytest.approx(stats.beta.ppf(0.95, 3, 18))]


def test_a_dismissed_flag_no_longer_counts_and_is_kept_in_sight() -> None:
    outputs, _ = rated(20)

    found = flag_summary("harm", outputs, flagged((3, "a"), (7, "a")), frozenset({(3, "harm"), (7, "hallucination")}))

    assert (found["counted"], found["dismissed"]) == ([7], [3])


def test_zero_events_have_the_rule_of_three_as_their_limit() -> None:
    outputs, _ = rated(500)

    found = flag_summary("harm", outputs, [], frozenset())

    assert found["rate"]["ci95"][1] == pytest.approx(0.00597355, abs=1e-8)


def test_outputs_of_one_patient_count_for_less() -> None:
    patients = [key // 5 for key in range(200)]
    alone, _ = rated(200)
    together, _ = rated(200, patients=patients)

    apart = flag_summary("harm", alone, [], frozenset())["rate"]
    clustered = flag_summary("harm", together, [], frozenset())["rate"]

    assert clustered["ci95"][1] > apart["ci95"][1]
    assert "effective" in clustered["method"]


def test_exact_match_leaves_out_what_cannot_match() -> None:
    outputs = [RatedOutput(1, "1", None, True), RatedOutput(2, "1", None, False), RatedOutput(3, "1", None, None)]

    found = match_summary(outputs)

    assert (found["matched"], found["compared"], found["rate"]["value"]) == ([1], [1, 2], 0.5)
    assert match_summary(outputs[2:])["rate"]["status"] == "undefined"


def test_arms_are_kept_apart_and_counts_are_those_of_the_rows() -> None:
    outputs = [RatedOutput(key, "1" if key < 3 else "2", key % 3) for key in range(6)]
    ratings = [
        GivenRating(key, rater, {"accuracy": 5 if key < 3 else 1 + key % 2}, frozenset({"harm"} if key == 4 else ()))
        for key in range(6)
        for rater in ("a", "b")
    ]

    found = round_summary(DEFAULT, ["1", "2"], outputs, ratings, frozenset(), seed=1)

    first, second = found["arms"]["1"], found["arms"]["2"]
    assert (found["n_outputs"], found["n_ratings"]) == (6, 12)
    assert (first["rated"], second["rated"]) == ([0, 1, 2], [3, 4, 5])
    assert first["questions"]["accuracy"]["mean"]["value"] == 5
    assert (first["flags"]["harm"]["counted"], second["flags"]["harm"]["counted"]) == ([], [4])
    # Both arms answered the same patients' notes: over all of them the interval is by patient.
    assert "fleiss_kappa_cluster_robust" in found["questions"]["accuracy"]["statistics"]


def test_confusion_counts_answers_by_reference_and_keeps_what_is_no_answer() -> None:
    counts = confusion([("a", "a"), ("a", "b"), ("b", "?"), ("b", "b"), ("b", "b")], ["a", "b"])

    assert counts == [[1, 1, 0], [0, 2, 1]]

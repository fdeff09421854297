"""`manage.py agreement` and `manage.py rate`: output, and one sentence for every bad input."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

TABLE = {
    "data_type": "nominal",
    "categories": ["yes", "no"],
    "raters": ["Ben", "Eve"],
    "ratings": [["yes", "yes"]] * 45 + [["yes", "no"]] * 15 + [["no", "yes"]] * 25 + [["no", "no"]] * 15,
}
CODES = {"data_type": "multilabel", "ratings": [[["E11"], ["E11", "I10"]], [["I10"], None], [[], ["J45"]]]}


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def agreement(path: Path, content: Any, *options: str) -> str:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return run("agreement", str(path), *options)


def test_one_object_gives_its_statistics_by_name(tmp_path: Path) -> None:
    found = json.loads(agreement(tmp_path / "one.json", TABLE, "--json"))

    kappa = found["cohen_kappa"]
    assert kappa["value"] == pytest.approx(0.13043478, abs=1e-8)  # Feinstein and Cicchetti 1990 print .13
    assert kappa["se"] == pytest.approx(0.09866154, abs=1e-8)
    assert kappa["ci95"] == pytest.approx([-0.06293828, 0.32380784], abs=1e-8)
    assert (kappa["n_items"], kappa["n_ratings"], kappa["status"], kappa["reason"]) == (100, 200, "ok", "")


def test_several_objects_are_keyed_by_id_or_place(tmp_path: Path) -> None:
    listed = json.loads(agreement(tmp_path / "list.json", [TABLE | {"id": "A"}, CODES], "--json"))
    cases = json.loads(agreement(tmp_path / "cases.json", {"cases": [TABLE | {"id": "A"}, {"id": "rates"}]}, "--json"))

    assert list(listed) == ["A", "2"]
    assert listed["2"]["krippendorff_alpha_masi"]["n_items"] == 2
    assert list(cases) == ["A"]
    assert cases["A"] == listed["A"]


def test_undefined_is_null_with_a_reason_and_never_nan(tmp_path: Path) -> None:
    shown = agreement(tmp_path / "same.json", TABLE | {"ratings": [["yes", "yes"]] * 9}, "--json")

    assert "NaN" not in shown
    kappa = json.loads(shown)["cohen_kappa"]
    assert (kappa["value"], kappa["se"], kappa["ci95"], kappa["status"]) == (None, None, None, "undefined")
    assert "no variation" in kappa["reason"]


def test_readable_form_names_the_headline_the_pairs_and_the_categories(tmp_path: Path) -> None:
    shown = agreement(tmp_path / "one.json", TABLE)

    assert "headline: cohen_kappa" in shown
    assert "0.1304 (95% interval -0.0629 to 0.3238; 100 items, 200 ratings" in shown
    assert "pair Ben and Eve: Cohen's kappa 0.1304" in shown
    assert "category yes: 130 ratings, 85 items" in shown


def test_readable_form_of_several_objects_and_of_values_without_interval(tmp_path: Path) -> None:
    numbers = {"id": "scores", "data_type": "interval", "ratings": [[1, 1], [2, 2], [5, 5]]}

    shown = agreement(tmp_path / "list.json", [CODES, numbers])

    assert shown.startswith("1\nkrippendorff_alpha_masi")
    assert "\n\nscores\nheadline: krippendorff_alpha_interval" in shown
    assert "1.0000 (no interval; 3 items, 6 ratings" in shown
    assert "undefined: " in agreement(tmp_path / "none.json", TABLE | {"ratings": []})


def test_seed_of_the_bootstrap_can_be_chosen(tmp_path: Path) -> None:
    ordinal = TABLE | {"data_type": "ordinal"}

    shown = json.loads(agreement(tmp_path / "one.json", ordinal, "--json", "--seed", "7"))

    assert "seed 7" in shown["krippendorff_alpha_ordinal"]["method"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is not JSON: line 1, column 2"),
        ("null", "holds neither an object with ratings nor a list"),
        ('{"cases": 3}', "holds neither an object with ratings nor a list"),
        ("[3]", "entry 1 is not an object"),
        ([TABLE | {"id": "A"}, TABLE | {"id": "A"}], "the id A occurs twice"),
        ([TABLE | {"id": "A", "ratings": [["maybe", "no"]]}], "Case A: Item 1, rater Ben: 'maybe' is not one of"),
        ([{"id": "B"}], "Case B: The field ratings must be a list."),
        (TABLE | {"categories": "yes no"}, "The field categories must be a list."),
        (TABLE | {"raters_identified": "yes"}, "The field raters_identified must be true or false."),
        (TABLE | {"data_type": ["nominal"]}, "Data type ['nominal'] is not known"),
        (CODES | {"ratings": ["E11"]}, "Item 1 is not a list with one entry per rater."),
        (CODES | {"ratings": [["E11", []]]}, "Item 1, rater 1: 'E11' is not a list of codes"),
        (CODES | {"ratings": [[[], []], [[]]]}, "Item 2 does not have one entry for each of the 2 raters."),
    ],
)
def test_bad_file_is_refused_in_one_line(tmp_path: Path, content: Any, sentence: str) -> None:
    with pytest.raises(CommandError) as refused:
        agreement(tmp_path / "bad.json", content, "--json")

    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes(b'"\xe9"')

    with pytest.raises(CommandError, match=r"absent\.json cannot be read: No such file"):
        run("agreement", str(tmp_path / "absent.json"))
    with pytest.raises(CommandError, match=r"latin\.json is not UTF-8 text"):
        run("agreement", str(tmp_path / "latin.json"))


def test_rate_prints_limits_and_what_would_show_less_than_the_target() -> None:
    found = json.loads(run("rate", "4", "500", "--target", "0.02", "--json"))

    assert found["rate"] == 0.008
    assert found["clopper_pearson_95"] == pytest.approx([0.00218391, 0.02035563], abs=1e-8)
    assert found["one_sided_upper_95"] == pytest.approx(0.01821285, abs=1e-8)
    assert found["wilson_95"] == pytest.approx([0.00311532, 0.02038704], abs=1e-8)
    assert (found["required_n"], found["largest_k"], found["shown_below_target"]) == (456, 4, True)


def test_rate_in_words_never_prints_zero_alone() -> None:
    shown = run("rate", "0", "500", "--target", "0.02")

    assert "compatible with up to 0.5974% (one-sided 95%)" in shown
    assert "below 0.02: shown; 0 events need 149 items; 500 items allow 4 events at most" in shown


def test_rate_of_nothing_is_undefined_and_too_few_items_are_called_too_few() -> None:
    assert "0 of 0: rate undefined" in run("rate", "0", "0")
    assert json.loads(run("rate", "0", "0", "--json"))["rate"] is None
    assert "not shown; 3 events need 386 items; 40 items are too few with none" in run(
        "rate", "3", "40", "--target", ".02"
    )


def test_impossible_rate_is_refused_in_one_line() -> None:
    with pytest.raises(CommandError, match="5 events cannot happen in 2 items"):
        run("rate", "5", "2")
    with pytest.raises(CommandError, match=r"2% is 0\.02"):
        run("rate", "1", "5", "--target", "2")

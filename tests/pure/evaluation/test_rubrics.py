"""A rubric asks, and says what is missing; nothing that it did not ask for is kept."""

from typing import Any

import pytest

from evaluation.rubrics import DEFAULT, BadRubric, Rubric, clean, faults

NOTE, OUTPUT = "Give fluids.", "Give 5 mg."
SPAN = {"field": "output", "start": 0, "end": 4}
NO = {"hallucination": {"raised": False}, "harm": {"raised": False}}
RAISED = {"raised": True, "kind": "dose", "severity": "severe", "evidence": [SPAN]}


def missing(answers: dict[str, Any], flags: dict[str, Any]) -> dict[str, str]:
    return faults(DEFAULT, answers, {**NO, **flags}, note=NOTE, output=OUTPUT)


def test_a_whole_rating_has_no_faults() -> None:
    assert missing({"accuracy": 5}, {}) == {}
    assert missing({"accuracy": 1}, {"harm": RAISED}) == {}


@pytest.mark.parametrize(
    ("answers", "flags", "where", "word"),
    [
        ({}, {}, "accuracy", "choose one of the 5 points"),
        ({"accuracy": 6}, {}, "accuracy", "not a point"),
        ({"accuracy": 3}, {"harm": {**RAISED, "severity": None}}, "harm", "severity"),
        ({"accuracy": 3}, {"harm": {**RAISED, "severity": "dreadful"}}, "harm", "severity"),
        ({"accuracy": 3}, {"harm": {**RAISED, "kind": ""}}, "harm", "kind"),
        ({"accuracy": 3}, {"harm": {**RAISED, "evidence": []}}, "harm", "mark the words"),
        ({"accuracy": 3}, {"harm": {**RAISED, "evidence": [{**SPAN, "end": 11}]}}, "harm", "mark it again"),
        ({"accuracy": 3}, {"harm": {**RAISED, "evidence": [{**SPAN, "start": 4}]}}, "harm", "mark it again"),
        ({"accuracy": 3}, {"harm": {**RAISED, "evidence": [{**SPAN, "field": "guideline"}]}}, "harm", "mark it again"),
        ({"accuracy": 3}, {"hallucination": {"raised": True}}, "hallucination", "kind"),
        ({"accuracy": 3, "style": 4}, {}, "style", "not part of the rubric"),
    ],
)
def test_what_is_missing_is_named_where_it_is_missing(
    answers: dict[str, Any], flags: dict[str, Any], where: str, word: str
) -> None:
    found = missing(answers, flags)

    assert list(found) == [where]
    assert word in found[where]


def test_a_flag_that_was_not_looked_at_is_not_a_no() -> None:
    found = faults(DEFAULT, {"accuracy": 5}, {"harm": {"raised": False}}, note=NOTE, output=OUTPUT)

    assert found == {"hallucination": "Hallucination: choose no or yes."}


def test_evidence_may_lie_in_the_note_because_an_omission_shows_only_there() -> None:
    in_note = {**RAISED, "evidence": [{"field": "note", "start": 5, "end": 12}]}

    assert missing({"accuracy": 2}, {"harm": in_note}) == {}


def test_only_what_was_asked_is_kept_and_of_a_flag_not_raised_only_that() -> None:
    answers, flags = clean(
        DEFAULT,
        {"accuracy": 4, "model": "guess"},
        {
            "harm": {"raised": False, "kind": "dose", "evidence": [SPAN]},
            "hallucination": {"raised": True, "kind": "invented", "severity": "x", "quote": "note text",
                              "evidence": [{**SPAN, "quote": "note text"}, {"field": "url", "start": 0, "end": 1}]},
            "style": {"raised": True},
        },
    )  # fmt: skip

    assert answers == {"accuracy": 4}
    assert flags == {
        "harm": {"raised": False},
        "hallucination": {"raised": True, "kind": "invented", "evidence": [SPAN]},
    }


def test_a_stored_rubric_is_the_same_rubric() -> None:
    assert Rubric.from_json(DEFAULT.as_json()) == DEFAULT


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"questions": []}, "questions"),
        ({"questions": [{"key": "a", "label": "A", "scale": [{"value": 1, "label": "one"}]}]}, "scale"),
        ({"questions": [{"key": "A b", "label": "A", "scale": [{"value": 1, "label": "x"}] * 2}]}, "key"),
        ({"questions": [{"key": "a", "label": "A", "scale": [{"value": 1, "label": "x"}] * 2}]}, "same value twice"),
        ({"flags": [{"key": "accuracy", "label": "A"}]}, "same key"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_rubric_is_refused_with_its_place(change: dict[str, Any], word: str) -> None:
    with pytest.raises(BadRubric, match=word):
        Rubric.from_json({**DEFAULT.as_json(), **change})

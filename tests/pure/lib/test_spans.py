import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinicalft.lib.spans import (
    SpanError,
    check_quote,
    from_utf16,
    normalise_newlines,
    quote,
    to_utf16,
    utf16_length,
)

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "spans.json").read_text(encoding="utf-8"))
CASES = pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])


@CASES
def test_code_points_and_utf16_units_are_counted_as_the_browser_counts_them(case):
    assert len(case["text"]) == case["n_code_points"]
    assert utf16_length(case["text"]) == case["n_utf16"]


@CASES
def test_a_span_quotes_what_stands_there_and_maps_to_utf16_and_back(case):
    for span in case["spans"]:
        assert quote(case["text"], span["start"], span["end"]) == span["quote"]
        assert to_utf16(case["text"], span["start"]) == span["utf16_start"]
        assert to_utf16(case["text"], span["end"]) == span["utf16_end"]
        assert from_utf16(case["text"], span["utf16_start"]) == span["start"]
        assert from_utf16(case["text"], span["utf16_end"]) == span["end"]


@pytest.mark.parametrize("case", GOLDEN["outside"])
def test_a_span_outside_its_text_is_refused(case):
    with pytest.raises(SpanError, match="does not lie in a text"):
        quote(case["text"], case["start"], case["end"])


@pytest.mark.parametrize("case", GOLDEN["inside"])
def test_a_utf16_offset_inside_a_character_is_refused(case):
    with pytest.raises(SpanError, match="outside the text or inside a character"):
        from_utf16(case["text"], case["utf16"])


def test_a_negative_offset_is_refused_both_ways():
    with pytest.raises(SpanError):
        from_utf16("abc", -1)
    with pytest.raises(SpanError):
        to_utf16("abc", -1)


@pytest.mark.parametrize("case", GOLDEN["newlines"])
def test_every_newline_becomes_lf_once(case):
    assert normalise_newlines(case["raw"]) == case["normalised"]
    assert normalise_newlines(case["normalised"]) == case["normalised"]


def test_a_wrong_quote_is_refused_without_showing_the_text():
    check_quote("chest pain", 0, 5, "chest")

    with pytest.raises(SpanError) as refused:
        check_quote("chest pain", 0, 5, "Chest")

    assert "chest" not in str(refused.value).lower()


@given(st.text(st.characters(exclude_categories=["Cs"])), st.data())
def test_every_offset_survives_the_way_to_utf16_and_back(text, data):
    offset = data.draw(st.integers(0, len(text)))

    units = to_utf16(text, offset)

    assert from_utf16(text, units) == offset
    assert units == len(text[:offset].encode("utf-16-le")) // 2

"""Gold answers follow their note into its de-identified text."""

from hypothesis import given
from hypothesis import strategies as st

from annotation.deid import Span, replace
from annotation.gold import carried, cleaned

TEXT = "Mr. Okafor has worsening dyspnoea since March 9."
NAME, DATE = Span(4, 10, "NAME", 1.0, "r"), Span(40, 47, "DATE", 1.0, "r")


def evidence(quote: str) -> dict[str, object]:
    start = TEXT.index(quote)
    return {"start": start, "end": start + len(quote), "quote": quote}


def test_evidence_moves_with_the_text() -> None:
    replaced = replace(TEXT, [NAME, DATE])
    payload = {"codes": [{"code": "J44.1", "evidence": [evidence("worsening dyspnoea")]}]}

    moved = carried(payload, replaced)["codes"][0]["evidence"][0]

    assert moved["quote"] == "worsening dyspnoea"
    assert replaced.text[moved["start"] : moved["end"]] == "worsening dyspnoea"


def test_evidence_that_touches_an_identifier_grows_to_its_tag() -> None:
    replaced = replace(TEXT, [NAME, DATE])

    assert carried(evidence("Okaf"), replaced)["quote"] == "[NAME]"
    assert carried(evidence("afor has"), replaced)["quote"] == "[NAME] has"
    assert carried(evidence("dyspnoea since Mar"), replaced)["quote"] == "dyspnoea since [DATE]"


def test_texts_are_cleaned_and_labels_and_codes_are_not() -> None:
    payload = {"label": "NAME", "summary": "Okafor coughs", "codes": [{"code": "J44.1", "note": "Okafor"}], "n": 3}

    assert cleaned(payload, lambda text: text.replace("Okafor", "[NAME]")) == {
        "label": "NAME", "summary": "[NAME] coughs", "codes": [{"code": "J44.1", "note": "[NAME]"}], "n": 3,
    }  # fmt: skip


def test_nothing_stays_nothing() -> None:
    assert carried(cleaned(None, str.upper), replace("", [])) is None


@given(st.integers(0, 47), st.integers(1, 48))
def test_a_moved_span_always_lies_in_the_text_and_is_never_empty(start: int, length: int) -> None:
    replaced = replace(TEXT, [NAME, DATE])
    end = min(start + length, len(TEXT))

    moved = carried({"start": start, "end": end}, replaced)

    assert 0 <= moved["start"] < moved["end"] <= len(replaced.text)

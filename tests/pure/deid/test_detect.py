import ast
import time
from dataclasses import replace as changed
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.deid import METHOD_VERSION, DeidError, KnownIdentifiers, Settings, Span, replace
from annotation.deid import detect as detect_module
from annotation.deid.clock import seconds_left, time_limit
from annotation.deid.detect import MAX_BYTES, Deidentifier, trimmed
from annotation.deid.engine import OVERLAP, WINDOW, windows
from annotation.deid.recognisers import FAMILIES, as_markdown, rule_language
from annotation.deid.recognisers.rules import Family, RuleRecogniser, rule

# `clinicalft.jobs` needs Django's settings, which pure tests do without; the lease stands there.
LEASE = timedelta(seconds=60)

NOTE = """Patient: Martha Collins   MRN: 00481936  DOB: 03/04/1931
Dr. Alan Nguyen saw Ms. O'Brien on March 9 at St. Mary's Hospital. Call 555-123-4567.
Her husband Tom will help. Murphy sign negative. martha collins agreed."""


def test_a_whole_note_is_cleaned_and_still_reads(deidentifier):
    spans = deidentifier.find(NOTE)

    assert replace(NOTE, spans).text == (
        "Patient: [NAME]   MRN: [MRN]  DOB: [DATE]\n"
        "[NAME] saw [NAME] on [DATE] at [LOCATION]. Call [PHONE].\n"
        "Her husband [NAME] will help. Murphy sign negative. [NAME] agreed."
    )


def test_every_span_names_the_pass_and_rule_that_found_it(deidentifier):
    found = {NOTE[span.start : span.end]: span.source for span in deidentifier.find(NOTE)}

    assert found["00481936"] == "numbers/mrn"
    assert found["March 9"] == "dates/month-day"
    assert found["Dr. Alan Nguyen"] == "cued-names/title"
    assert all(source.count("/") == 1 for source in found.values())


def test_the_same_note_gives_the_same_spans_again(deidentifier):
    assert deidentifier.find(NOTE) == deidentifier.find(NOTE)
    assert Deidentifier().find(NOTE) == Deidentifier().find(NOTE)
    assert METHOD_VERSION


def test_a_name_found_once_is_found_everywhere_in_the_note(deidentifier):
    text = "Dr. Quetzalli called. Later quetzalli and QUETZALLI wrote."

    found = deidentifier.find(text)

    assert [text[span.start : span.end].lower() for span in found] == ["dr. quetzalli", "quetzalli", "quetzalli"]
    assert [span.source for span in found] == ["cued-names/title", "propagated/name", "propagated/name"]


def test_a_name_found_in_one_note_of_a_patient_is_found_in_the_others(deidentifier):
    texts = ["Dr. Quetzalli called.", "Spoke to quetzalli again.", "Knee pain."]

    found = deidentifier.find_together(texts)

    assert [len(spans) for spans in found] == [1, 1, 0]
    assert deidentifier.find(texts[1]) == []


def test_propagation_leaves_ordinary_words_and_abbreviations_alone(deidentifier):
    text = "Dr. Long called. The wait was long. Dr. XYZ called about the XYZ panel."

    found = [text[span.start : span.end] for span in deidentifier.find(text)]

    assert found == ["Dr. Long", "Dr. XYZ"]


def test_context_words_lift_a_bare_number_only_where_they_stand_near(deidentifier):
    assert [span.source for span in deidentifier.find("the record on file 66123")] == ["shapes/digits-near-cue"]
    assert deidentifier.find("a count of 66123 was seen") == []


def test_a_note_above_five_megabytes_is_refused_in_one_sentence(deidentifier):
    with pytest.raises(DeidError, match="larger than 5 MB"):
        deidentifier.find("é" * (MAX_BYTES // 2 + 1))
    with pytest.raises(DeidError, match="larger than 5 MB"):
        deidentifier.second_scan("x" * (MAX_BYTES + 1))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\x00\x01PK", "holds binary data"),
        ("\x02" * 40 + "chest pain", "holds binary data"),
        ("chest \ud83d pain", "holds half of a character"),
    ],
)
def test_what_is_no_text_is_refused_in_one_sentence(deidentifier, text, sentence):
    with pytest.raises(DeidError, match=sentence):
        deidentifier.find(text)


def test_a_note_of_five_megabytes_ends_with_the_time_that_it_may_take(deidentifier, monkeypatch):
    monkeypatch.setattr(detect_module, "SECONDS_PER_NOTE", 1.0)
    text = ("The lungs are clear. " * 250_000)[: MAX_BYTES - 1]

    started = time.monotonic()
    with pytest.raises(DeidError, match="takes too long"):
        deidentifier.find(text)

    assert time.monotonic() - started < 45


def test_the_time_of_one_call_is_below_the_lease_of_a_job():
    assert LEASE.total_seconds() > detect_module.SECONDS_PER_NOTE


def test_allowed_terms_silence_passes_that_may_err_and_never_what_is_known():
    cautious = Deidentifier(Settings(allow=("martha  COLLINS", "March 9")))

    assert "Martha Collins" not in quotes(cautious, NOTE)
    assert "March 9" not in quotes(cautious, NOTE)
    assert "Martha" in quotes(cautious, NOTE, KnownIdentifiers(first_name="Martha"))


def test_denied_terms_are_identifiers_wherever_they_stand_as_words():
    strict = Deidentifier(Settings(deny=(("Blue Heron", "OTHER_ID"), ("knee", "LOCATION"))))
    text = "The word is blue\nhéron; both knees, one KNEE."

    found = strict.find(text)

    assert [(text[span.start : span.end], span.label, span.source) for span in found] == [
        ("blue\nhéron", "OTHER_ID", "terms/deny"),
        ("KNEE", "LOCATION", "terms/deny"),
    ]


def quotes(deidentifier, text, known=None):
    return [text[span.start : span.end] for span in deidentifier.find(text, known)]


def test_a_note_out_of_time_is_refused_whole_and_not_half_searched(deidentifier, monkeypatch):
    monkeypatch.setattr(detect_module, "SECONDS_PER_NOTE", 0.0)

    with pytest.raises(DeidError, match="takes too long"):
        deidentifier.find(NOTE, KnownIdentifiers(first_name="Martha"))


def test_a_pattern_that_explodes_is_stopped_and_the_note_refused():
    explosive = RuleRecogniser(Family("test", (rule("bad", "NAME", r"(?:(?:a|aa)+)+c"),)), "en")

    with time_limit(0.2), pytest.raises(DeidError, match="takes too long"):
        explosive.analyze("a" * 5_000, ["NAME"])


def test_the_clock_of_one_note_does_not_run_in_the_next():
    with time_limit(100), time_limit(0.5):
        assert seconds_left() <= 0.5
    with time_limit(0), pytest.raises(DeidError):
        seconds_left()


@pytest.mark.parametrize("length", [0, 1, WINDOW - 1, WINDOW, WINDOW + 1, 3 * WINDOW + 17])
@pytest.mark.parametrize("unit", ["x", "word ", "line\n"])
def test_windows_cover_a_text_without_a_gap(length, unit):
    text = (unit * (length + 1))[:length]

    parts = list(windows(text))

    assert parts[0][0] == 0
    assert parts[-1][1] == length
    assert all(later[0] == earlier[1] - OVERLAP for earlier, later in pairwise(parts))
    assert all(end - start <= WINDOW for start, end in parts)


def test_identifiers_are_found_wherever_they_fall_in_a_long_note(deidentifier):
    filler = "The lungs are clear and the heart is regular without any murmur at rest. "
    note = "MRN: 00481936. "
    text = (filler * 40 + note) * 20

    found = deidentifier.find(text)

    assert [text[span.start : span.end] for span in found] == ["00481936"] * 20


BOMBS = {
    "letters": "a",
    "digits": "9",
    "digit dash": "1-",
    "digit blank": "1 ",
    "capitals": "A ",
    "words": "Aa ",
    "listed": "Aa, ",
    "brackets": "(",
    "number signs": "#",
    "titles": "Dr. ",
    "blanks": " ",
    "newlines": "\n",
    "addresses": "a@",
    "dots": "a.",
    "slashes": "12/",
    "cues": "MRN: ",
    "colons": "a:",
    "months": "Jan ",
    "dates": "Jan 1, ",
    "apostrophes": "O'",
    "joiners": "\u200d",
    "accents": "e\u0301",
    "masks": "X*#",
    "ages": "ninety ",
    "kin": "wife, ",
    "lines of names": "Smith, John\n",
    "streets": "12 Aa Aa ",
    "facilities": "Aa of the ",
    "device codes": "(01)A",
    "initials": "A. ",
    "links": "http://",
    "spelled": "A-",
    "spaced letters": "M A ",
    "spaced digits": "1 2",
    "entities": "&#39;",
    "tags": "<span ",
    "quoted printable": "=C3=A9",
    "odd separators": "555~",
    "codes": "A1-",
    "underscores": "a_1",
    "spoken digits": "five ",
    "streets in lower case": "12 a b ",
    "Spanish cues": "Nombre: ",
    "Spanish streets": "Calle de la ",
    "scripts": "王 ",
    "paths": "C:\\",
}


@pytest.mark.parametrize("unit", BOMBS.values(), ids=BOMBS.keys())
def test_no_text_however_odd_makes_the_search_explode(deidentifier, unit):
    """Each takes well below a second of CPU time; a pattern that explodes would take minutes."""
    text = (unit * 20_000)[:20_000]

    started = time.process_time()
    spans = deidentifier.find(text)
    taken = time.process_time() - started

    assert taken < 10
    assert all(0 <= span.start < span.end <= len(text) for span in spans)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([*NOTE.split(), "👩‍⚕️", "é", "\t", "９", "ß", "محمد", "İ", "ŉ", "\u200b", "Dr.", "’s"]),
            st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8),
        ),
        max_size=25,
    ).map(" ".join)
)
def test_spans_are_sorted_disjoint_inside_and_never_blank(deidentifier, text):
    found = deidentifier.find(text, KnownIdentifiers(first_name="Martha", mrn="00481936"))

    assert all(one.end <= other.start for one, other in pairwise(found))
    assert all(text[span.start : span.end].strip() == text[span.start : span.end] != "" for span in found)
    cleaned = replace(text, found).text
    assert "00481936" not in cleaned


def test_blanks_and_possessives_are_no_part_of_an_identifier():
    name = Span(0, 10, "NAME", 0.9, "test/rule")

    assert list(trimmed(" Ann Lee’s  x", [name])) == [Span(1, 8, "NAME", 0.9, "test/rule")]
    assert list(trimmed("a   b", [Span(1, 4, "DATE", 0.9, "test/rule")])) == []


def test_no_word_is_cut_in_half():
    name = Span(0, 6, "NAME", 0.9, "test/rule")

    assert list(trimmed("Karena692 came", [name])) == [Span(0, 9, "NAME", 0.9, "test/rule")]
    assert list(trimmed("Karena692", [name])) == [Span(0, 9, "NAME", 0.9, "test/rule")]


def test_an_unknown_pass_is_refused():
    with pytest.raises(ValueError, match="oracle is no pass; there are: rules"):
        Deidentifier(Settings(passes=("rules", "oracle")))


def test_the_package_knows_neither_django_nor_the_network():
    package = Path(detect_module.__file__).parent
    imported = {
        (name.name if isinstance(node, ast.Import) else node.module or "").split(".")[0]
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }

    assert imported.isdisjoint({"django", "celery", "redis", "requests", "urllib", "httpx", "socket", "tldextract"})


def test_the_engine_speaks_as_presidio_expects(deidentifier):
    engine = deidentifier.passes[0].engine

    [(text, artifacts)] = list(engine.process_batch(["MRN 12, mrn ok"], "en"))

    assert text == "MRN 12, mrn ok"
    assert artifacts.words == {"mrn": [0, 8], "ok": [12]}
    assert engine.get_supported_entities() == []
    assert engine.get_supported_languages() == ["en", "es", "any"]
    assert not engine.is_stopword("the", "en")


@pytest.mark.parametrize(
    ("code", "language"), [("en", "en"), ("en-GB", "en"), ("ES", "es"), ("es_MX", "es"), ("fr", "any"), ("", "any")]
)
def test_the_language_of_a_note_chooses_its_rules(code, language):
    assert rule_language(code) == language


def test_a_note_in_an_unknown_language_is_searched_by_the_rules_of_all(deidentifier):
    text = "Nombre: Lucia. Seen by Dr. Nguyen."

    assert quotes_in(deidentifier, text, "") == ["Lucia", "Dr. Nguyen"]
    assert "Lucia" in quotes_in(deidentifier, text, "es")


def quotes_in(deidentifier, text, language):
    return [text[span.start : span.end] for span in deidentifier.find(text, language=language)]


def test_every_rule_says_what_it_finds_under_a_name_of_its_own():
    names = [f"{family.name}/{item.name}" for family in FAMILIES for item in family.rules]

    assert len(names) == len(set(names))
    assert [item.name for family in FAMILIES for item in family.rules if not item.says] == []


def test_the_page_of_the_rules_is_up_to_date():
    page = Path(__file__).parents[3] / "docs" / "deid_rules.md"

    assert page.read_text(encoding="utf-8") == as_markdown()


def test_looking_only_where_words_stand_loses_nothing(examples):
    """What a rule finds at the words that it names is all that a search of the whole text finds."""
    for family in FAMILIES:
        recogniser = RuleRecogniser(family, family.languages[0])
        everywhere = RuleRecogniser(replace_rules(family, starts=frozenset(), needs=frozenset()), family.languages[0])
        for text in examples:
            with time_limit(60):
                found = {(one.start, one.end) for one in recogniser.analyze(text, [])}
                expected = {(one.start, one.end) for one in everywhere.analyze(text, [])}
            assert not uncovered(expected, found), (family.name, text)


def replace_rules(family, **changes):
    return changed(family, rules=tuple(changed(item, **changes) for item in family.rules))


def uncovered(expected, found):
    """Expected spans that no found span holds whole; at the same place another rule may have found a longer one."""
    return [one for one in expected if not any(start <= one[0] and one[1] <= end for start, end in found)]

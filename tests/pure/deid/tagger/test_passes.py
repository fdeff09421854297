import subprocess
import sys
import textwrap

import numpy as np
import pytest

from annotation.deid import DeidError, Settings
from annotation.deid.clock import time_limit
from annotation.deid.detect import Deidentifier
from annotation.deid.dictionaries import ordinary_words
from annotation.deid.normalise import shadow_of
from annotation.deid.tagger import artefact, passes
from annotation.deid.tagger.artefact import shipped
from annotation.deid.tagger.network import CLASSES, new_weights
from annotation.deid.tagger.passes import chances, entities_of, tagger_of, tagger_pass
from annotation.deid.tagger.tokens import tokens_of

NOTE = "Pt seen w/ Tuyet Quach, RN at Larkwood Manor on 3/14. Denies chest pain. Plan: metformin 500 mg BID."


def found(texts, cut=0.3):
    with time_limit(20):
        return tagger_of(shipped(), cut).find([shadow_of(text) for text in texts], "en")


def test_names_places_and_dates_that_no_list_knows_are_found_and_say_who_found_them():
    (spans,) = found([NOTE])

    quotes = {(NOTE[span.start : span.end], span.label) for span in spans}
    assert {("Tuyet Quach", "NAME"), ("3/14", "DATE")} <= quotes
    assert any(label == "LOCATION" and "Larkwood" in quote for quote, label in quotes)
    assert all(span.source == f"tagger/{span.label}" and 0.3 <= span.score <= 1 for span in spans)


@pytest.mark.parametrize("change", [str.upper, str.lower])
def test_capitals_and_small_letters_hide_no_name(change):
    note = change("Patient: Ngozi Okwuosa   Nurse Tuyet Quach, RN")
    (spans,) = found([note])

    hidden = "".join(" " if any(s.start <= i < s.end for s in spans) else c for i, c in enumerate(note)).lower()
    assert not {"okwuosa", "quach"} & set(hidden.replace(",", " ").split())


def test_a_plain_clinical_sentence_keeps_every_word():
    assert found(["The patient tolerated the procedure well and denies nausea or vomiting. Foley in place."]) == [[]]


def test_an_eponym_is_no_name():
    (spans,) = found(["Exam: Murphy's sign negative, Babinski sign absent, Parkinson disease stable."], cut=0.05)

    assert not [span for span in spans if span.label == "NAME"]


def test_an_eponym_needs_no_noun_but_a_person_may_bear_one():
    assert as_read("CrCl 34 (Cockcroft-Gault)", {"Cockcroft": 0.99, "Gault": 0.99}, "NAME") == []
    assert as_read("seen by Anneliese Trousseau", {"Anneliese": 0.9, "Trousseau": 0.9}, "NAME") == [
        "Anneliese Trousseau"
    ]


def test_wards_and_tests_in_capitals_spanish_words_and_clocks_are_no_identifiers():
    assert as_read("From SNF, will call w/ CBC", {"SNF": 0.9, "CBC": 0.9}, "NAME") == []
    assert as_read('Said "me duele la cabeza"', {"cabeza": 0.8}, "NAME") == []
    assert as_read("Video 10:40-11:25", dict.fromkeys(("40", "11"), 0.9), "DATE") == []
    assert as_read("Seen 10-11", dict.fromkeys(("10", "11"), 0.9), "DATE") == ["10", "11"]


def test_a_lower_cut_only_adds():
    (bold,), (shy,) = found([NOTE], cut=0.05), found([NOTE], cut=0.6)

    covered = {place for span in bold for place in range(span.start, span.end)}
    assert all(set(range(span.start, span.end)) <= covered for span in shy)


def test_notes_are_read_alike_alone_and_together_whatever_their_length():
    texts = [NOTE, "", "x", NOTE * 120, NOTE]

    together = found(texts)

    assert together == [found([text])[0] for text in texts]


def test_offsets_lead_to_the_characters_of_the_note_behind_odd_characters():
    note = "🙂\u200b Ｄｒ. Tuyet\u200b Quach called."
    (spans,) = found([note])

    assert any(note[span.start : span.end].endswith("Quach") for span in spans)


def test_chances_of_a_token_add_up_to_one():
    with time_limit(5):
        (rows,) = chances(shipped(), [tokens_of(NOTE, {})])

    assert np.allclose(rows.sum(axis=1), 1, atol=1e-5)


def test_a_text_of_nothing_but_marks_is_read_in_time():
    assert found(["." * 60_000 + "\n" * 1000]) is not None


def test_damaged_weights_stop_every_note(monkeypatch, tmp_path):
    monkeypatch.setattr(artefact, "SHIPPED", tmp_path)
    monkeypatch.setattr(passes, "shipped", lambda: artefact.load(tmp_path))
    passes._kept.cache_clear()

    with pytest.raises(DeidError, match="missing or damaged"):
        Deidentifier(Settings(passes=("rules", "tagger")))


def test_a_sites_own_weights_are_read_from_their_folder_and_without_them_no_note_passes(tmp_path):
    artefact.save(tmp_path / "own", new_weights(3), {"seed": 3})

    own = Deidentifier(Settings(passes=("tagger",), cut=0.05, tagger=str(tmp_path / "own")))

    assert own.find(NOTE) != Deidentifier(Settings(passes=("tagger",), cut=0.05)).find(NOTE)
    with pytest.raises(DeidError, match="missing or damaged"):
        Deidentifier(Settings(passes=("tagger",), tagger=str(tmp_path / "none")))


def as_read(words, each, label="LOCATION"):
    """What is found where the network takes each of these words for this with this chance, and no other."""
    tokens = tokens_of(words, {})
    rows = np.zeros((len(tokens.starts), len(CLASSES)))
    for number, start in enumerate(tokens.starts):
        rows[number, CLASSES.index(label)] = each.get(words[start : tokens.ends[number]], 0.01)
    rows[:, 0] = 1 - rows.sum(axis=1)
    return [words[entity.start_char : entity.end_char] for entity in entities_of(words, tokens, rows, 0.2)]


def test_small_words_at_the_ends_of_a_find_are_left_out():
    assert as_read("from the Vale of Tone", dict.fromkeys(("from", "the", "Vale", "of", "Tone"), 0.9)) == [
        "Vale of Tone"
    ]


def test_one_ordinary_word_or_one_figure_must_be_surer_than_a_strange_word_and_one_letter_never_counts():
    assert as_read("kitchen, 188, chair", {"kitchen": 0.4, "188": 0.4}) == []
    assert as_read("Zorblax kitchen", {"Zorblax": 0.4}) == ["Zorblax"]
    assert as_read("at kitchen", {"kitchen": 0.8}) == ["kitchen"]
    assert as_read("R leg", {"R": 0.99}) == []


def test_the_weights_are_kept_for_the_process():
    assert tagger_pass(Settings()) is tagger_pass(Settings())


def test_importing_the_package_loads_neither_presidio_nor_the_tagger():
    code = "import sys, annotation.deid; print([n for n in sys.modules if 'presidio' in n or 'tagger' in n])"

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert said.stdout.strip() == "[]"


def test_finding_identifiers_loads_no_torch_and_hides_none_from_those_who_need_it():
    code = """
        import sys
        from annotation.deid.detect import Deidentifier
        from annotation.deid import Settings
        Deidentifier(Settings())
        print([name for name in ("torch", "transformers", "boto3") if name in sys.modules])
        import torch
    """

    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120, check=True
    )

    assert said.stdout.strip() == "[]"


def test_small_letters_in_a_text_with_capitals_and_what_stands_behind_an_article_must_be_surer():
    text = "Seen at dovetail and at a dovetail. Then Home."
    tokens = tokens_of(text, {})
    chance = np.zeros((len(tokens.starts), len(CLASSES)), dtype=np.float32)
    chance[:, 0] = 1.0
    named = [number for number, start in enumerate(tokens.starts) if text.startswith("dovetail", start)]
    for number in named:
        chance[number, 0], chance[number, CLASSES.index("LOCATION")] = 0.4, 0.6

    quotes = [entity.start_char for entity in entities_of(text, tokens, chance, 0.2)]
    in_small_letters = [
        entity.start_char for entity in entities_of(text.lower(), tokens_of(text.lower(), {}), chance, 0.2)
    ]

    assert "dovetail" not in ordinary_words()
    assert quotes == in_small_letters == [text.index("dovetail")]

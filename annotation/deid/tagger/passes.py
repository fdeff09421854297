"""The pass: all texts of a call are read together; Presidio gets what was found as the entities of an engine."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import regex
from threadpoolctl import threadpool_limits

from annotation.deid.clock import seconds_left
from annotation.deid.dictionaries import first_names, ordinary_words, spanish_words, surnames
from annotation.deid.engine import EngineEntities, PresidioPass, TextEngine
from annotation.deid.normalise import fold
from annotation.deid.presidio import NlpArtifacts
from annotation.deid.recognisers.eponyms import is_eponym, is_known_eponym
from annotation.deid.recognisers.rules import LANGUAGES, set_of
from annotation.deid.settings import Settings
from annotation.deid.tagger.artefact import load, shipped
from annotation.deid.tagger.network import CLASSES, OUTSIDE, PAD, Array, embed, forward, probabilities
from annotation.deid.tagger.tokens import MIXED, N_FEATURES, Rows, Tokens, tokens_of

CHUNK = 4_096
# How sure the network must be of one ordinary word or one figure by itself.
LONE_CUT = 0.5
# The same for one abbreviation in capitals.
ABBREVIATION_CUT, LONGEST_ABBREVIATION = 0.4, 5
# Left out at the ends of what was found: they tell nothing.
SMALL_WORDS = frozenset(("the", "of", "in", "at", "from", "by", "and", "is", "for", "with", "on"))


# Left out at the ends of names and places too: who somebody is to the patient, what somebody does, what a number is.
EDGES = set_of(
    """daughter dtr husband husb wife mother father mom dad brother sister niece nephew grandson
    granddaughter granddtr grandmother grandfather gma grandma grandpa aunt uncle auntie cousin nok gf bf boyfriend
    girlfriend spouse partner doula midwife navigator lawyer evaluator foreman alias tech aemt emt rn lpn np md
    cna msw lcsw pcp pharmd npi dea lic gmc sn soc cell phone fax ext phoned called txt text age dob mrn ssn acct
    then was is now her his our their my postpartum statement sincerely dear regards mahalo monday tuesday
    wednesday thursday friday saturday sunday reads ending enroute"""
)


# Wards, tests and habits of writing that are capitals in every hospital, alone: no name and no place.
CLINICAL = set_of(
    """ed er icu micu sicu ccu cvicu nicu picu pacu or tcu snf ltac ltach irf alf huc um ur cm sw ot pt slp rt
    cbc bmp cmp lft lfts cta ct mri mra mrcp eeg emg ekg ecg echo tte tee abg vbg ua uds bnp inr ptt psa tsh hba1c
    po iv im sq sl pr npo prn bid tid qid qhs qd qod dos dob doi doa los eta etd hx pmh psh fh sh ros pe hpi cc
    dx ddx rx tx sx fx bx cx px dnr dni polst molst hcp poa hipaa mva mvc gsw loc gcs nihss rass cam cpot
    adl iadl rom mmt wbat nwb ttwb fwb crt crrt hd pd bipap cpap hfnc etco2 peep picc cvc ivc jp npwt vac dvt pe vte
    xm dsa rb tx svc neurosurg ortho cards pulm neuro psych onc heme rheum nephro uro ent ob gyn peds derm ophtho"""
)
MINUTES = regex.compile(r"\d\d(?:-\d\d?)?")
CLOCK_BEFORE = regex.compile(r"\d:(?:\d\d-)?$")
NAMES = frozenset(("NAME", "LOCATION"))
INDEFINITE = regex.compile(r"\b(?:an?|any|some|no|each|every|another)\s$", regex.IGNORECASE)
# How sure the network must be of small letters in a text that has capitals, unknown words and ordinary ones.
LOWER_CUT, SURE_CUT = 0.3, 0.9


class Entity(NamedTuple):
    """An identifier that the tagger found, called as spaCy calls an entity; `score` is the surest token's chance."""

    start_char: int
    end_char: int
    label_: str
    score: float


class TaggerEngine(TextEngine):
    """An engine whose entities are the words that the network takes for any identifier, at a cut on that chance."""

    def __init__(self, weights: Mapping[str, Array], cut: float) -> None:
        super().__init__()
        self.weights = weights
        self.cut = cut

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        return next(self.process_batch([text], language))[1]

    def process_batch(
        self, texts: Iterable[str], language: str, batch_size: int = 1, n_process: int = 1, **kwargs: object
    ) -> Iterator[tuple[str, NlpArtifacts]]:
        together = list(texts)
        no_tokens: Any = []
        kept: dict[str, list[int]] = {}
        tokens = [tokens_of(text, kept) for text in together]
        for text, each, found in zip(together, tokens, chances(self.weights, tokens), strict=True):
            entities: Any = list(entities_of(text, each, found, self.cut))
            scores = [entity.score for entity in entities]
            yield text, NlpArtifacts(entities, no_tokens, [], [], self, language, scores)


def chances(weights: Mapping[str, Array], texts: Sequence[Tokens]) -> Iterator[Array]:
    """For each text the chances of its tokens (tokens x classes); all texts are read as one stream, in chunks."""
    gap = np.full((PAD, N_FEATURES), -1, dtype=np.int32)
    stream: Rows = np.concatenate([gap, *(part for text in texts for part in (text.rows, gap))])
    parts = []
    for start in range(0, len(stream), CHUNK):
        seconds_left()
        low, high = max(0, start - PAD), min(len(stream), start + CHUNK + PAD)
        logits, _ = forward(weights, embed(weights, stream[low:high]))
        parts.append(probabilities(logits[start - low : start - low + CHUNK]))
    found = np.concatenate(parts)
    position = PAD
    for text in texts:
        yield found[position : position + len(text.rows)]
        position += len(text.rows) + PAD


def entities_of(text: str, tokens: Tokens, found: Array, cut: float) -> Iterator[Entity]:
    """Runs of tokens whose chance of any identifier reaches the cut, each run cut where its likeliest label changes."""
    any_chance = 1 - found[:, OUTSIDE]
    labels = found[:, OUTSIDE + 1 :].argmax(axis=1) + OUTSIDE + 1
    run: list[int] = []
    for number in np.flatnonzero(any_chance >= cut).tolist():
        follows = bool(run) and number == run[-1] + 1
        if follows and continues(text[tokens.ends[run[-1]] : tokens.starts[number]], labels[run[-1]] == labels[number]):
            run.append(number)
            continue
        yield from entity(text, tokens, run, found)
        run = [number]
    yield from entity(text, tokens, run, found)


def continues(gap: str, same_label: bool) -> bool:
    """Whether a token belongs to the run before it: glued to it, or alike and no further than the next line."""
    return not gap or (same_label and gap.count("\n") < 2)


def entity(text: str, tokens: Tokens, run: Sequence[int], found: Array) -> Iterator[Entity]:
    """The identifier in a run of tokens, small words at its ends left out, if it may be one.

    A single letter or digit is none, nor is an eponym; an ordinary word or a figure alone is one when it is surer.
    """
    label = CLASSES[int(found[run, OUTSIDE + 1 :].sum(axis=0).argmax()) + OUTSIDE + 1] if run else ""
    words = [text[tokens.starts[number] : tokens.ends[number]] for number in run]
    left_out = SMALL_WORDS if label == "DATE" else SMALL_WORDS | EDGES
    inner = [place for place, word in enumerate(words) if word[0].isalnum() and word.lower() not in left_out]
    if not inner:
        return
    words, kept = words[inner[0] : inner[-1] + 1], run[inner[0] : inner[-1] + 1]
    start, end = tokens.starts[kept[0]], tokens.ends[kept[-1]]
    score = round(float(1 - found[kept, OUTSIDE].min()), 3)
    if len(words) == 1 and score < lone_cut(words[0]):
        return
    if end - start == 1 or is_no_identifier(text, start, end, label):
        return
    if label in NAMES and is_unlike_a_name(text, start, words, tokens.case, score):
        return
    yield Entity(start, end, label, score)


def is_no_identifier(text: str, start: int, end: int, label: str) -> bool:
    """Whether these words are known to be none: eponyms, wards and tests in capitals, the middle of "10:40-11:25"."""
    found = text[start:end]
    if label == "DATE":
        return bool(MINUTES.fullmatch(found) and CLOCK_BEFORE.search(text, max(0, start - 5), start))
    return label in NAMES and (
        is_eponym(text, end) or is_known_eponym(text, start, end) or (found.isupper() and found.lower() in CLINICAL)
    )


def lone_cut(word: str) -> float:
    """How sure the network must be of a word or figure by itself; 0 asks no more than the cut."""
    low = word.lower()
    if word.isdecimal() or low in ordinary_words():
        return LONE_CUT
    is_abbreviation = word.isupper() and len(word) <= LONGEST_ABBREVIATION
    return ABBREVIATION_CUT if is_abbreviation and low not in first_names() and low not in surnames() else 0.0


def is_unlike_a_name(text: str, start: int, words: Sequence[str], case: int, score: float) -> bool:
    """Whether a name or place is written as a word is: behind "a" or "an", or in small letters where names are not."""
    is_indefinite = INDEFINITE.search(text, max(0, start - 10), start) is not None
    if not all(word.islower() for word in words if word.isalpha()):
        return is_indefinite and len(words) == 1 and score < SURE_CUT
    if is_indefinite or case != MIXED:
        return is_indefinite
    is_ordinary = all(word in ordinary_words() or fold(word) in spanish_words() for word in words if word.isalpha())
    return score < (SURE_CUT if is_ordinary else LOWER_CUT)


def tagger_of(weights: Mapping[str, Array], cut: float) -> PresidioPass:
    """The pass with these weights at a cut."""
    engine = TaggerEngine(weights, cut)
    return PresidioPass("tagger", engine, [EngineEntities("tagger", language) for language in LANGUAGES], 0.0)


@lru_cache(maxsize=4)
def _kept(cut: float, folder: str) -> PresidioPass:
    # Whole notes are spread over processes; threads of one process only wait for each other and halve the speed.
    threadpool_limits(1, user_api="blas")
    return tagger_of(load(Path(folder)) if folder else shipped(), cut)


def tagger_pass(settings: Settings) -> PresidioPass:
    """The pass at the cut of the settings, with the weights of its folder or those that ship, read once per process.

    Raises DeidError without whole weights.
    """
    return _kept(settings.cut, settings.tagger)

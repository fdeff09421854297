"""Cities by list: one that is also a word or a person's name must follow "in" ... or precede a state."""

import regex

from annotation.deid.clock import matches
from annotation.deid.dictionaries import (
    cities,
    first_names,
    ordinary_words,
    spanish_places,
    spanish_words,
    surnames,
    wide_places,
)
from annotation.deid.presidio import NlpArtifacts, RecognizerResult
from annotation.deid.recognisers.eponyms import is_eponym, is_eponym_in_spanish
from annotation.deid.recognisers.places import STATE, WORD, ZIP
from annotation.deid.recognisers.rules import Recogniser

BEFORE = regex.compile(
    r"\b(?:in|to|from|near|at|of|outside|around|visiting|via|en|de|desde|a)\s(?:the\s|downtown\s|suburban\s)?$",
    regex.IGNORECASE,
)
# "Bethesda III", "Prague C2M4": cities that classify something.
GRADED = regex.compile(
    r"\s(?:class(?:ification|es)?|criteria|score|grade|stage|category)?\s?"
    r"(?:[IVX]{1,4}\b|[A-Z]?\d{1,2}(?!\d))"
)
AFTER_STATE = regex.compile(rf",\s{STATE}\b")
AFTER_CITY = regex.compile(rf"(?:[ ](?:clinic|hospital|office|campus|branch)\b|,\s{STATE}\b(?:\s{ZIP}\b)?)?")
CITIES_THAT_ARE_STATES = frozenset({"new york"})


class Gazetteer(Recogniser):
    """Cities of the gazetteer; one that is also a word or a person's name must follow "in" ... or precede a state."""

    def __init__(self, language: str) -> None:
        self.known = cities() if language == "en" else cities() | spanish_places()
        self.ordinary = spanish_words() if language == "es" else ordinary_words()
        # Most towns of Spain are surnames, too; there a name is redacted anyway.
        self.names = frozenset() if language == "es" else frozenset((*first_names(), *surnames()))
        self.words_at_most = max(len(city.split()) for city in self.known)
        self.token = regex.compile(rf"{WORD}")
        super().__init__(supported_entities=["LOCATION"], name="gazetteer", supported_language=language)

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Every city with a state or a clinic behind it, the longest name first where one begins inside another."""
        found = []
        tokens = [match.span() for match in matches(self.token, text)]
        position = 0
        while position < len(tokens):
            length, end = self.city_at(text, tokens, position)
            if length:
                found.append(self.finding("city", "LOCATION", tokens[position][0], end, 0.7))
            position += max(length, 1)
        return found

    def city_at(self, text: str, tokens: list[tuple[int, int]], position: int) -> tuple[int, int]:
        """How many tokens from `position` make a city here and where it ends; (0, 0) when none do."""
        start = tokens[position][0]
        for length in range(min(self.words_at_most, len(tokens) - position), 0, -1):
            end = tokens[position + length - 1][1]
            city = text[start:end].removesuffix("'s")
            if city.lower() in self.known and self.stands_as_place(text, start, start + len(city)):
                after = AFTER_CITY.match(text, end)
                return length, after.end() if after else end
        return 0, 0

    def stands_as_place(self, text: str, start: int, end: int) -> bool:
        """Whether the city at `start`-`end` means the city here, and not a word, a person, a state or a disease."""
        city = text[start:end].lower()
        if self.supported_language != "en" and is_eponym_in_spanish(text, start, end):
            return False
        if GRADED.match(text, end) or is_eponym(text, end) or (end - start <= 3 and text[start:end].isupper()):
            return False
        if city in wide_places() and city not in CITIES_THAT_ARE_STATES:
            return AFTER_STATE.match(text, end) is not None
        if city in self.ordinary or city in self.names:
            return bool(BEFORE.search(text, max(0, start - 24), start) or AFTER_STATE.match(text, end))
        return True

"""Names of people by the lists of the census: a first name, alone or with the surname that follows it."""

import regex

from annotation.deid.clock import matches
from annotation.deid.dictionaries import first_names, ordinary_words, spanish_words, surnames, wide_places
from annotation.deid.normalise import without_accents
from annotation.deid.presidio import NlpArtifacts, RecognizerResult
from annotation.deid.recognisers.cued_names import CREDENTIAL as CREDENTIAL_WORDS
from annotation.deid.recognisers.cued_names import NOT_NAMES
from annotation.deid.recognisers.eponyms import is_eponym
from annotation.deid.recognisers.rules import Recogniser
from annotation.deid.recognisers.shouted import is_shouted

WORD = regex.compile(r"\p{L}[\p{L}\p{M}]*+(?:['-]\p{L}[\p{L}\p{M}]*+)*+\d{0,4}+")
PARTICLE = r"(?:(?:de|la|del|van|von|der|bin|al|el|da|di)[ ]){0,2}+"
SURNAME_AFTER = regex.compile(
    r"(?:[ \t]{1,2}|[ \t]?(?P<broken>\n)[ \t]{0,8})(?:\p{Lu}\.?[ \t]{1,2}"
    rf"|\"\p{{L}}+\"[ \t])?{PARTICLE}(?P<surname>{WORD.pattern})"
)
CREDENTIAL = regex.compile(CREDENTIAL_WORDS)
NEVER = 10**6
COMMON_FIRST = 700
COMMON_SURNAME = 20_000
SURNAME_BEFORE_WORD = 3_000


class CensusNames(Recogniser):
    """Capitalised first names and what follows them; in lower case only where the names are common."""

    def __init__(self, language: str) -> None:
        self.first = first_names()
        self.last = surnames()
        self.ordinary = {"en": ordinary_words(), "es": spanish_words()}.get(
            language, ordinary_words() | spanish_words()
        )
        self.wide = wide_places()
        super().__init__(supported_entities=["NAME"], name="census-names", supported_language=language)

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Every first name with its surname, and first names alone that are no other word."""
        found = []
        for word in matches(WORD, text):
            first = stem(word.group())
            if first.lower() not in self.first:
                continue
            end = self.end_of_surnames(text, word.end(), first)
            if end > word.end() and not is_eponym(text, end):
                found.append(self.finding("first-last", "NAME", word.start(), end, 0.85))
            elif self.stands_alone(first) and not is_eponym(text, word.end()) and not is_company(text, word):
                found.append(self.finding("first", "NAME", word.start(), word.end(), 0.65))
        return found

    def end_of_surnames(self, text: str, end: int, first: str) -> int:
        """Where the surname after the first name ends, and a second one after it; `end` when none follows."""
        after = SURNAME_AFTER.match(text, end)
        if after is None or not self.is_pair(first, stem(after["surname"])):
            return end
        if after["broken"] and not (self.stands_alone(first) and self.is_second_surname(stem(after["surname"]))):
            return end
        second = SURNAME_AFTER.match(text, after.end())
        return second.end() if second and self.is_second_surname(stem(second["surname"])) else after.end()

    def is_second_surname(self, word: str) -> bool:
        """Whether a word after a surname is one more: capitalised, of the census and no ordinary word."""
        return word[0].isupper() and word.lower() in self.last and word.lower() not in self.ordinary

    def is_pair(self, first: str, last: str) -> bool:
        """Whether two words are a first name and a surname, judged by their case and by what else they could be."""
        first_is_word, last_is_word = first.lower() in self.ordinary, last.lower() in self.ordinary
        rank = self.last.get(last.lower(), NEVER)
        if is_shouted(first) or is_shouted(last) or CREDENTIAL.fullmatch(last):
            return False
        if first[0].isupper() and last[0].isupper():
            if first_is_word or last.lower() in NOT_NAMES:
                return rank < COMMON_SURNAME and not last_is_word
            return not last_is_word or rank < SURNAME_BEFORE_WORD
        in_lower_case = first.islower() and last.islower() and not first_is_word and not last_is_word
        return in_lower_case and self.first[first.lower()] < COMMON_FIRST and rank < COMMON_SURNAME

    def stands_alone(self, first: str) -> bool:
        """Whether a first name without a surname is one here, and not a word or an abbreviation."""
        rank = self.first[first.lower()]
        if first.lower() in self.ordinary or first.lower() in self.wide or len(first) < 3:
            return False
        if first.isupper():
            return len(first) >= 4 and rank < COMMON_FIRST
        return first[0].isupper() or rank < COMMON_FIRST


def stem(word: str) -> str:
    """The word as a list of names has it: no accents, possessive, digits behind it, or second half of "Mary-Ann"."""
    word = without_accents(word.removesuffix("'s").rstrip("0123456789"))
    first, hyphen, second = word.partition("-")
    return first if hyphen and second[:1].isupper() else word


def is_company(text: str, word: regex.Match[str]) -> bool:
    """Whether a name is half of a company's: "Johnson & Johnson"."""
    return text.startswith(" & ", word.end()) or text.endswith("& ", 0, word.start())

"""A rule is one regular expression for one label; a family is a named list of rules that one recogniser runs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import regex

from annotation.deid.clock import matches, matches_at
from annotation.deid.presidio import AnalysisExplanation, LocalRecognizer, NlpArtifacts, RecognizerResult

# Languages that have rules of their own; ANY runs the rules of all of them.
ANY = "any"
LANGUAGES = ("en", "es", ANY)
ENGLISH = ("en", ANY)
SPANISH = ("es", ANY)

LETTERS = regex.compile(r"\p{L}++")
CHECKED = 0.99
WORDS_BEFORE, WORDS_AFTER = 6, 3


@dataclass(frozen=True)
class Rule:
    """One shape of one identifier. What the group `v` matches is the identifier; else the whole match is.

    `says` is a phrase for people. A text that holds none of the words `needs` is not searched at all; where `starts`
    has words, every match starts with one of them, so that the pattern is tried only there. Where `near` has words,
    one of them must stand within six words before the match or three after it, on its line. `check` is a check digit:
    a value that passes is sure; with `only_checked` any other is no identifier.
    """

    name: str
    label: str
    pattern: regex.Pattern[str]
    score: float
    says: str
    starts: frozenset[str]
    needs: frozenset[str]
    near: frozenset[str]
    check: Callable[[str], bool] | None
    only_checked: bool


def rule(
    name: str,
    label: str,
    pattern: str,
    score: float = 0.9,
    case: bool = False,
    *,
    says: str = "",
    starts: str = "",
    needs: str = "",
    near: str = "",
    check: Callable[[str], bool] | None = None,
    only_checked: bool = False,
) -> Rule:
    """A compiled Rule. Patterns ignore case unless `case`; ^ and $ match at line ends; blanks are literal.

    `starts` and `needs` are blank-separated words or phrases; the first letters of each are what a text must hold.
    """
    flags = regex.MULTILINE | (0 if case else regex.IGNORECASE)
    words = first_letters(starts), first_letters(needs), set_of(near)
    return Rule(name, label, regex.compile(pattern, flags), score, says, *words, check, only_checked)


def any_of(words: str) -> str:
    """A pattern for any of these blank-separated words, the longest first; "_" in a word stands for one blank."""
    longest_first = sorted(words.split(), key=len, reverse=True)
    return f"(?:{'|'.join(longest_first).replace('_', '[ ]')})"


def set_of(words: str) -> frozenset[str]:
    """The blank-separated words as a set."""
    return frozenset(words.split())


def first_letters(words: str) -> frozenset[str]:
    """The first run of letters of each of these words, in lower case: what a text must hold to hold one of them."""
    return frozenset(match.group().lower() for word in words.split() if (match := LETTERS.search(word)))


def places_of_words(text: str) -> dict[str, list[int]]:
    """Where each run of letters of a text starts, by the run in lower case."""
    places: dict[str, list[int]] = {}
    for match in LETTERS.finditer(text):
        places.setdefault(match.group().lower(), []).append(match.start())
    return places


def has_near(rule_words: frozenset[str], match: "regex.Match[str]") -> bool:
    """Whether one of the words stands close to a match, on its line."""
    text, (start, end) = match.string, match.span()
    before = text[max(text.rfind("\n", 0, start) + 1, start - 80) : start].lower()
    line_end = text.find("\n", end)
    after = text[end : min(len(text) if line_end < 0 else line_end, end + 40)].lower()
    around = LETTERS.findall(before)[-WORDS_BEFORE:] + LETTERS.findall(after)[:WORDS_AFTER]
    return not rule_words.isdisjoint(around)


def everything(item: Rule, match: "regex.Match[str]") -> bool:
    """Accepts each match: a family that knows no better."""
    return True


def value_of(match: "regex.Match[str]") -> tuple[int, int]:
    """Where the identifier of a match starts and ends: its group `v`, or all of it."""
    start, end = match.span("v") if "v" in match.re.groupindex else match.span()
    return start, end


def all_of_it(item: Rule, match: "regex.Match[str]") -> tuple[int, int]:
    """The whole identifier: a family that takes nothing back."""
    return value_of(match)


@dataclass(frozen=True)
class Family:
    """Rules of one kind, for notes in these languages.

    `accepts` has the last word on each match; `bounds` says where the identifier in it starts and ends.
    """

    name: str
    rules: tuple[Rule, ...]
    accepts: Callable[[Rule, "regex.Match[str]"], bool] = everything
    languages: tuple[str, ...] = ENGLISH
    bounds: Callable[[Rule, "regex.Match[str]"], tuple[int, int]] = all_of_it


class Recogniser(LocalRecognizer):
    """A recogniser that has nothing to load and says of each finding which of its rules made it."""

    name: str

    def load(self) -> None:
        """Nothing to load: patterns and word lists are there when the recogniser is made."""

    def finding(self, rule_name: str, label: str, start: int, end: int, score: float) -> RecognizerResult:
        """One finding as Presidio wants it; its source is "recogniser/rule"."""
        return RecognizerResult(
            label,
            start,
            end,
            score,
            AnalysisExplanation(recognizer=self.name, original_score=score, pattern_name=rule_name),
            {
                RecognizerResult.RECOGNIZER_NAME_KEY: f"{self.name}/{rule_name}",
                RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
            },
        )


class RuleRecogniser(Recogniser):
    """Runs the rules of a family in order. Unlike Presidio's own it fails closed: a rule out of time stops the note."""

    def __init__(self, family: Family, language: str) -> None:
        self.family = family
        super().__init__(
            supported_entities=sorted({item.label for item in family.rules}),
            name=family.name,
            supported_language=language,
        )

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Every accepted match of every rule whose words the text holds."""
        words = getattr(nlp_artifacts, "words", None) or places_of_words(text)
        found = []
        for item in self.family.rules:
            for match in self.matches(item, text, words):
                start, end = self.family.bounds(item, match)
                if start < end and (score := self.score(item, match, text[start:end])):
                    found.append(self.finding(item.name, item.label, start, end, score))
        return found

    def matches(self, item: Rule, text: str, words: dict[str, list[int]]) -> "Iterator[regex.Match[str]]":
        """The matches of a rule, tried only where the words stand with which they start, where these are known."""
        if item.starts:
            places = sorted(place for word in item.starts & words.keys() for place in words[word])
            return matches_at(item.pattern, text, places)
        return iter(()) if item.needs and item.needs.isdisjoint(words) else matches(item.pattern, text)

    def score(self, item: Rule, match: "regex.Match[str]", value: str) -> float:
        """How sure a match is, 0 for none: its rule's score, more with a right check digit."""
        is_checked = item.check is not None and item.check(value)
        if (item.only_checked and not is_checked) or (item.near and not has_near(item.near, match)):
            return 0.0
        if not self.family.accepts(item, match):
            return 0.0
        return CHECKED if is_checked else item.score

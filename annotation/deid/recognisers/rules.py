"""A rule is one regular expression for one label; a recogniser is a named list of rules that Presidio runs."""

from dataclasses import dataclass

import regex
from presidio_analyzer import AnalysisExplanation, LocalRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from annotation.deid.clock import matches


@dataclass(frozen=True)
class Rule:
    """One shape of one identifier. What the group `v` matches is the identifier; else the whole match is."""

    name: str
    label: str
    pattern: regex.Pattern[str]
    score: float


def rule(name: str, label: str, pattern: str, score: float = 0.9, case: bool = False) -> Rule:
    """A compiled Rule. Patterns ignore case unless `case`; ^ and $ match at line ends; blanks are literal."""
    return Rule(name, label, regex.compile(pattern, regex.MULTILINE | (0 if case else regex.IGNORECASE)), score)


def any_of(words: str) -> str:
    """A pattern for any of these blank-separated words, the longest first; "_" in a word stands for one blank."""
    longest_first = sorted(words.split(), key=len, reverse=True)
    return f"(?:{'|'.join(longest_first).replace('_', '[ ]')})"


def set_of(words: str) -> frozenset[str]:
    """The blank-separated words as a set."""
    return frozenset(words.split())


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
    """Runs its rules in order. Unlike Presidio's own it fails closed: a rule out of time stops the whole note."""

    def __init__(self, name: str, rules: tuple[Rule, ...], context: list[str] | None = None) -> None:
        self.rules = rules
        super().__init__(supported_entities=sorted({item.label for item in rules}), name=name, context=context)

    def accepts(self, item: Rule, match: regex.Match[str]) -> bool:
        """Whether a match is an identifier after all; recognisers that know better override it."""
        return True

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Every accepted match of every rule."""
        found = []
        for item in self.rules:
            for match in matches(item.pattern, text):
                start, end = match.span("v") if "v" in item.pattern.groupindex else match.span()
                if start < end and self.accepts(item, match):
                    found.append(self.finding(item.name, item.label, start, end, item.score))
        return found

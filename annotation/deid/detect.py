"""Finding identifiers in a note: passes that only add spans, each span naming the pass and the rule that found it."""

from collections.abc import Iterator, Sequence

from presidio_analyzer import RecognizerResult

from annotation.deid.clock import time_limit
from annotation.deid.dictionaries import first_names, ordinary_words, surnames
from annotation.deid.engine import build_analyzer
from annotation.deid.faults import DeidError
from annotation.deid.known import KnownIdentifiers, known_spans, name_parts, name_spans
from annotation.deid.normalise import Shadow, shadow_of
from annotation.deid.residual import residual_spans
from annotation.deid.spans import Span, merge

POLICIES = ("tag",)
MAX_BYTES = 5_000_000
SECONDS_PER_NOTE = 120.0
WINDOW = 20_000
OVERLAP = 600


class Deidentifier:
    """Finds identifiers. Build one per process: building reads the word lists and compiles over a hundred rules.

    It holds no state of the notes that it reads and may be shared between threads.
    """

    def __init__(self, policy: str = "tag") -> None:
        if policy not in POLICIES:
            raise ValueError(f"{policy} is not a policy; there is: {', '.join(POLICIES)}.")
        self.policy = policy
        self.analyzer = build_analyzer()

    def find(self, text: str, known: KnownIdentifiers | None = None) -> list[Span]:
        """Sorted, disjoint spans of the identifiers in a note. Raises DeidError for one too large or too slow."""
        return self.find_together([text], known)[0]

    def find_together(self, texts: Sequence[str], known: KnownIdentifiers | None = None) -> list[list[Span]]:
        """The spans of each of one patient's notes. A name that is found in one of them is searched for in all."""
        shadows = [shadow_of(checked(text)) for text in texts]
        found: list[list[Span]] = []
        for text, shadow in zip(texts, shadows, strict=True):
            with time_limit(SECONDS_PER_NOTE):
                spans = self.by_rules(shadow)
                found.append(spans + known_spans(text, shadow, known) if known else spans)
        parts = sorted(
            {part for text, spans in zip(texts, found, strict=True) for part in parts_to_propagate(text, spans)}
        )
        for text, shadow, spans in zip(texts, shadows, found, strict=True):
            with time_limit(SECONDS_PER_NOTE):
                spans += name_spans(text, shadow, parts, "propagated/name", 0.6)
        return [merge(trimmed(text, spans)) for text, spans in zip(texts, found, strict=True)]

    def by_rules(self, shadow: Shadow) -> list[Span]:
        """What Presidio's recognisers find in the shadow, as spans of the note."""
        found = []
        for start, end in windows(shadow.text):
            for result in self.analyzer.analyze(shadow.text[start:end], language="en"):
                found.append(as_span(result, shadow, start))
        return found

    def second_scan(self, text: str, known: KnownIdentifiers | None = None) -> list[Span]:
        """What still looks like an identifier in a de-identified text, tags left aside: a reason to hold it back."""
        with time_limit(SECONDS_PER_NOTE):
            return residual_spans(checked(text), known)


def checked(text: str) -> str:
    """The text itself. Raises DeidError above 5 MB, which no clinical note reaches."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise DeidError("The note is larger than 5 MB; please split it and import the parts.")
    return text


def windows(text: str) -> Iterator[tuple[int, int]]:
    """Overlapping stretches of a long text, cut at blanks: Presidio's context search is quadratic."""
    start = 0
    while True:
        end = min(start + WINDOW, len(text))
        if end < len(text):
            end = max(text.rfind(" ", start + WINDOW // 2, end), text.rfind("\n", start + WINDOW // 2, end)) + 1 or end
        yield start, end
        if end == len(text):
            return
        start = end - OVERLAP


def as_span(result: RecognizerResult, shadow: Shadow, offset: int) -> Span:
    start, end = shadow.to_note(offset + result.start, offset + result.end)
    source = result.recognition_metadata[RecognizerResult.RECOGNIZER_NAME_KEY]
    return Span(start, end, result.entity_type, round(float(result.score), 3), source)


def parts_to_propagate(text: str, spans: list[Span]) -> Iterator[str]:
    """Words of the names found that are safe to search for elsewhere: no initials, ordinary words or abbreviations."""
    for span in spans:
        if span.label == "NAME":
            for part in name_parts(text[span.start : span.end]):
                low = part.lower()
                is_abbreviation = part.isupper() and low not in first_names() and low not in surnames()
                if len(part) >= 3 and low not in ordinary_words() and not is_abbreviation:
                    yield part


def trimmed(text: str, spans: list[Span]) -> Iterator[Span]:
    """The spans without blanks at their ends, names without a possessive, and no word cut in half.

    What follows the last letter or digit of a span without a break, as in "Karena692", belongs to it.
    """
    for span in spans:
        quote = text[span.start : span.end]
        if span.label == "NAME":
            quote = quote.removesuffix("'s").removesuffix("’s")
        start = span.start + len(quote) - len(quote.lstrip())
        end = span.start + len(quote.rstrip())
        while start < end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
            end += 1
        if start < end:
            yield Span(start, end, span.label, span.score, span.source)

"""A pass inside Presidio: an engine that reads the text, recognisers that judge it, and nothing from the network."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from annotation.deid.clock import seconds_left
from annotation.deid.labels import LABELS
from annotation.deid.normalise import Shadow
from annotation.deid.presidio import (
    AnalyzerEngine,
    ContextAwareEnhancer,
    EntityRecognizer,
    NlpArtifacts,
    NlpEngine,
    RecognizerRegistry,
    RecognizerResult,
)
from annotation.deid.recognisers.rules import LANGUAGES, Recogniser, places_of_words
from annotation.deid.spans import Span

THRESHOLD = 0.5
WINDOW = 20_000
OVERLAP = 600


class TextWords(NlpArtifacts):
    """What rules want to know of a text beside the text itself: where each of its words starts."""

    def __init__(self, text: str, engine: NlpEngine, language: str) -> None:
        no_tokens: Any = []
        super().__init__([], no_tokens, [], [], engine, language)
        self.words = places_of_words(text)


class TextEngine(NlpEngine):
    """An engine that finds nothing itself: all that rules need of one.

    A blank spaCy pipeline would do, but it keeps every word of every note in its string store, and it needs quadratic
    time for long runs of punctuation. Lemmas, on which Presidio matches context words, it leaves empty: our rules look
    for their context themselves.
    """

    def load(self) -> None:
        """Nothing to load and nothing to download."""

    def is_loaded(self) -> bool:
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        return TextWords(text, self, language)

    def process_batch(
        self, texts: Iterable[str], language: str, batch_size: int = 1, n_process: int = 1, **kwargs: object
    ) -> Iterator[tuple[str, NlpArtifacts]]:
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word: str, language: str) -> bool:
        return False

    def is_punct(self, word: str, language: str) -> bool:
        return not any(character.isalnum() for character in word)

    def get_supported_entities(self) -> list[str]:
        return []

    def get_supported_languages(self) -> list[str]:
        return list(LANGUAGES)


class NoEnhancer(ContextAwareEnhancer):
    """Leaves scores alone: Presidio's own way of context copies every finding and walks all tokens for each."""

    def __init__(self) -> None:
        super().__init__(0.0, 0.0, 0, 0)

    def enhance_using_context(
        self, text: str, raw_results: list[RecognizerResult], *args: object, **kwargs: object
    ) -> list[RecognizerResult]:
        return raw_results


class EngineEntities(Recogniser):
    """Hands on what an engine found itself: its entities (`start_char`, `end_char`, `label_`) with their `scores`."""

    def __init__(self, name: str, language: str) -> None:
        super().__init__(supported_entities=list(LABELS), name=name, supported_language=language)

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Every entity of the engine; the rule that found it is called after its label."""
        if nlp_artifacts is None:
            return []
        return [
            self.finding(entity.label_, entity.label_, entity.start_char, entity.end_char, float(score))
            for entity, score in zip(nlp_artifacts.entities, nlp_artifacts.scores, strict=True)
        ]


class PresidioPass:
    """A Pass: an engine reads all windows of all notes in batches, then Presidio runs the recognisers over each.

    `recognisers` are those of every language, each with its `supported_language`; findings below `threshold` are
    dropped. The source of a span is "recogniser/rule".
    """

    def __init__(
        self, name: str, engine: NlpEngine, recognisers: Iterable[EntityRecognizer], threshold: float = THRESHOLD
    ) -> None:
        self.name = name
        self.engine = engine
        languages = engine.get_supported_languages()
        self.analyzer = AnalyzerEngine(
            registry=RecognizerRegistry(recognizers=list(recognisers), supported_languages=languages),
            nlp_engine=engine,
            supported_languages=languages,
            default_score_threshold=threshold,
            context_aware_enhancer=NoEnhancer(),
        )

    def find(self, shadows: Sequence[Shadow], language: str) -> list[list[Span]]:
        """The spans of each note, in the characters of the note; needs a time limit around it."""
        places = [(number, *window) for number, shadow in enumerate(shadows) for window in windows(shadow.text)]
        texts = (shadows[number].text[start:end] for number, start, end in places)
        found: list[list[Span]] = [[] for _ in shadows]
        for (number, start, _), (text, artifacts) in zip(
            places, self.engine.process_batch(texts, language), strict=True
        ):
            seconds_left()
            for result in self.analyzer.analyze(text, language, nlp_artifacts=artifacts):
                found[number].append(as_span(result, shadows[number], start))
        return found


def windows(text: str) -> Iterator[tuple[int, int]]:
    """Overlapping stretches of a long text, cut at blanks: Presidio's removal of duplicates is quadratic."""
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

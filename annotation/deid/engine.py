"""Presidio without a trained model and without a network: plain tokens and our own recognisers."""

from collections.abc import Iterable, Iterator
from typing import Any

import regex
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

from annotation.deid.recognisers import all_recognisers

THRESHOLD = 0.5
TOKEN = regex.compile(r"\w++|[^\w\s]++")


class TokenEngine(NlpEngine):
    """Tokens and lower-cased tokens as lemmas; a trained spaCy pipeline takes the place of this class later.

    A blank spaCy pipeline would do, but it leaves lemmas empty, on which Presidio matches context words, it keeps every
    word of every note in its string store, and it needs quadratic time for long runs of punctuation. Of a token
    Presidio wants to know only its length.
    """

    def load(self) -> None:
        """Nothing to load and nothing to download."""

    def is_loaded(self) -> bool:
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        matches = list(TOKEN.finditer(text))
        tokens: Any = [match.group() for match in matches]
        return NlpArtifacts(
            entities=[],
            tokens=tokens,
            tokens_indices=[match.start() for match in matches],
            lemmas=[token.lower() for token in tokens],
            nlp_engine=self,
            language=language,
        )

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
        return ["en"]


def build_analyzer() -> AnalyzerEngine:
    """An analyser of English text with every recogniser of ours and none of the stock ones."""
    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=all_recognisers(), supported_languages=["en"]),
        nlp_engine=TokenEngine(),
        supported_languages=["en"],
        default_score_threshold=THRESHOLD,
        context_aware_enhancer=LemmaContextAwareEnhancer(
            context_prefix_count=6, context_suffix_count=0, context_matching_mode="whole_word"
        ),
    )

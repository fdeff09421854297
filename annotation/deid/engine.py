"""Presidio without a trained model and without a network: a blank tokenizer and our own recognisers."""

from collections.abc import Iterable, Iterator

import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.context_aware_enhancers import LemmaContextAwareEnhancer
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine
from spacy.tokens import Doc

from annotation.deid.recognisers import all_recognisers

THRESHOLD = 0.5


class BlankEngine(NlpEngine):
    """Tokens of a blank English spaCy pipeline.

    A blank pipeline leaves lemmas empty, and Presidio matches context words on lemmas: every lemma is therefore the
    lower-cased token. A trained pipeline takes the place of this class later.
    """

    def __init__(self) -> None:
        self.nlp = spacy.blank("en")

    def load(self) -> None:
        """Nothing to load and nothing to download."""

    def is_loaded(self) -> bool:
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        document: Doc = self.nlp.tokenizer(text)
        return NlpArtifacts(
            [], document, [token.idx for token in document], [token.lower_ for token in document], self, language
        )

    def process_batch(
        self, texts: Iterable[str], language: str, batch_size: int = 1, n_process: int = 1, **kwargs: object
    ) -> Iterator[tuple[str, NlpArtifacts]]:
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word: str, language: str) -> bool:
        return bool(self.nlp.vocab[word].is_stop)

    def is_punct(self, word: str, language: str) -> bool:
        return bool(self.nlp.vocab[word].is_punct)

    def get_supported_entities(self) -> list[str]:
        return []

    def get_supported_languages(self) -> list[str]:
        return ["en"]


def build_analyzer() -> AnalyzerEngine:
    """An analyser of English text with every recogniser of ours and none of the stock ones."""
    return AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=all_recognisers(), supported_languages=["en"]),
        nlp_engine=BlankEngine(),
        supported_languages=["en"],
        default_score_threshold=THRESHOLD,
        context_aware_enhancer=LemmaContextAwareEnhancer(
            context_prefix_count=6, context_suffix_count=0, context_matching_mode="whole_word"
        ),
    )

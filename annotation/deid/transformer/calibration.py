"""The cut for a recall target, from notes whose identifiers a person has marked."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from annotation.deid.faults import DeidError
from annotation.deid.spans import Span
from annotation.deid.transformer.reading import Word
from clinicalft.stats.intervals import exact_rate
from clinicalft.stats.results import Estimate

FILE = "calibration.json"
LEVEL = 0.95
LEAST = 1e-6


@dataclass(frozen=True)
class Calibration:
    """A cut and what it stands on.

    `recall` and `over_redaction` are of the notes that it was made from, with exact two-sided limits. `shown` is the
    recall on further notes of the same kind that these notes show with 95% confidence; where it stays below `target`,
    `n_needed` identifiers would be enough.
    """

    cut: float
    target: float
    shown: float
    recall: Estimate
    over_redaction: Estimate
    n_identifiers: int
    n_words: int
    n_needed: int

    @property
    def is_shown(self) -> bool:
        return self.shown >= self.target

    def as_dict(self) -> dict[str, Any]:
        """The calibration as JSON has it."""
        return {**asdict(self), "recall": self.recall.as_dict(), "over_redaction": self.over_redaction.as_dict()}


def gold_of(words: Sequence[Word], gold: Sequence[Span], offset: int = 0) -> list[int]:
    """For each word the number of the gold span that it belongs to, counted from `offset`; -1 for none."""
    numbered = sorted((span.start, span.end, offset + number) for number, span in enumerate(gold))
    found, position = [], 0
    for word in words:
        while position < len(numbered) and numbered[position][1] <= word.start:
            position += 1
        inside = position < len(numbered) and numbered[position][0] < word.end
        found.append(numbered[position][2] if inside else -1)
    return found


def calibrate(probabilities: Sequence[float], gold: Sequence[int], recall_target: float) -> Calibration:
    """The highest cut at which recall on further notes is at least `recall_target` with 95% confidence.

    probabilities: of each word, in [0, 1]. gold: the number of the identifier that the word belongs to, or -1. An
    identifier is found when all of its words are, so its least probable word decides. The k-th smallest of n such
    values as cut misses at most a share of B(0.95; k, n - k + 1) of further identifiers (Wilks SS. Ann Math Stat
    1941;12:91-96, one-sided tolerance limit); k is the largest that keeps the target. Where even the smallest value
    shows less than the target (n below `n_needed`), it is the cut, and `shown` says what holds. Identifiers of one
    note resemble each other, which the limit does not know: many notes with few identifiers are better than few with
    many. Raises DeidError without identifiers or for a target outside (0, 1).
    """
    if not 0 < recall_target < 1:
        raise DeidError(f"A recall target lies between 0 and 1, not at {recall_target}.")
    p, number = np.asarray(probabilities, dtype=np.float64), np.asarray(gold, dtype=np.int64)
    if p.shape != number.shape or p.ndim != 1:
        raise ValueError("Probabilities and gold need one entry for each word.")
    inside = number >= 0
    if not inside.any():
        raise DeidError("These notes hold no marked identifier, so there is nothing to calibrate on.")
    _, group = np.unique(number[inside], return_inverse=True)
    weakest = np.full(group.max() + 1, np.inf)
    np.minimum.at(weakest, group, p[inside])
    weakest.sort()
    n = len(weakest)
    k = max(1, _largest_k(n, recall_target))
    # What the network is sure of is no identifier: a cut below this would redact everything.
    cut = max(float(weakest[k - 1]), LEAST)
    recall = exact_rate(int((weakest >= cut).sum()), n).renamed("recall")
    others = p[~inside]
    lost = exact_rate(int((others >= cut).sum()), len(others)).renamed("over-redaction")
    shown = 1 - _miss_limit(k, n) if weakest[k - 1] >= cut else float(recall.low or 0.0)
    needed = int(np.ceil(np.log(1 - LEVEL) / np.log(recall_target)))
    return Calibration(cut, recall_target, shown, recall, lost, n, len(p), needed)


def _miss_limit(k: int, n: int) -> float:
    """The 95% upper limit of the share of further identifiers below the k-th smallest of n."""
    return float(scipy.stats.beta.ppf(LEVEL, k, n - k + 1))


def _largest_k(n: int, target: float) -> int:
    ranks = np.arange(1, n + 1)
    return int((1 - scipy.stats.beta.ppf(LEVEL, ranks, n - ranks + 1) >= target).sum())


def write_calibration(folder: Path, calibration: Calibration, *, model: str, source: str) -> None:
    """Keeps a calibration beside the weights that it holds for (`model` is their digest); the file appears whole.

    `source` says in words what it was made from. Raises OSError.
    """
    content = {**calibration.as_dict(), "model": model, "source": source}
    draft = folder / f".{FILE}.{os.getpid()}"
    draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(draft, folder / FILE)


def read_calibration(folder: Path, model: Callable[[], str]) -> float | None:
    """The cut that was kept in a model's folder, None where there is none.

    `model` gives the digest of the weights as they are now. Raises DeidError when the file is unreadable or was made
    for other weights: a cut means nothing to a network that it was not measured on.
    """
    if not (folder / FILE).is_file():
        return None
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        cut, made_for = float(content["cut"]), content["model"]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise DeidError("The calibration of the transformer model is unreadable: run deid_calibrate again.") from fault
    if made_for != model():
        raise DeidError("The transformer model is not the one that was calibrated: run deid_calibrate again.")
    if not 0 < cut <= 1:
        raise DeidError("The calibration of the transformer model has no usable cut: run deid_calibrate again.")
    return cut

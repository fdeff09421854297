"""Agreement on marked spans of text: the pairwise F1 family, rater pairs, labels, and how far one document is apart.

No kappa: text has no countable non-spans, and F1 is the limit of kappa as their number grows (Hripcsak G, Rothschild
AS. J Am Med Inform Assoc 2005;12:296-298).
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import combinations

import numpy as np
import scipy
from numpy.typing import NDArray

from clinicalft.stats.agreement import summarise
from clinicalft.stats.inference import bootstrapped
from clinicalft.stats.marks import NO_DATA, NO_PAIRS, NO_SPANS, Documents, LabelledSpan, check_spans
from clinicalft.stats.ratings import Category, Floats, Ints, RatingTable, cluster_numbers
from clinicalft.stats.results import Estimate
from clinicalft.stats.unitizing import unitizing_alpha

__all__ = [
    "HEADLINE",
    "AttributeAgreement",
    "LabelledSpan",
    "MatchCounts",
    "SpanLabel",
    "SpanPair",
    "attribute_agreement",
    "span_agreement",
    "span_disagreement",
    "span_f1",
    "span_label_table",
    "span_pairs",
]

HEADLINE = "strict_f1"
CLUSTERED = "_cluster_robust"


@dataclass(frozen=True)
class MatchCounts:
    """What two raters marked (spans; characters for `char_f1`) in the documents both annotated, and what matches."""

    matched: int
    n_first: int
    n_second: int


@dataclass(frozen=True)
class SpanPair:
    """Two raters by column number (from 0), on the `n_common` documents both annotated.

    `counts` holds the counts behind every F1 of the family by its name.
    """

    first: int
    second: int
    n_common: int
    strict_f1: Estimate
    counts: dict[str, MatchCounts]


@dataclass(frozen=True)
class SpanLabel:
    """One label: spans that carry it (all raters), documents in which anybody used it, agreement on it."""

    label: str
    n_spans: int
    n_items: int
    strict_f1: Estimate


def span_agreement(
    documents: Documents,
    *,
    cluster: Sequence[Hashable] | None = None,
    seed: int = 0,
    level: float = 0.95,
    lengths: Sequence[int] | None = None,
) -> dict[str, Estimate]:
    """The family of pairwise F1s by name: `strict_f1` (the one a gate reads), `overlap_f1`, `iou50_f1`, `boundary_f1`,
    `char_f1`; with `cluster` each a second time as `<name>_cluster_robust`.

    documents: one list per document with one entry per rater: the spans that rater marked (an empty collection:
               looked and found nothing) or None (not annotated: a missing rating). Order and repeats do not matter.
    cluster:   the patient of each document
    lengths:   characters of each document; given, `unitizing_alpha` is there as well
    F1 of two raters: 2 * matched / (spans of the first + of the second), pooled over the documents both annotated. A
    span matches when start, end and label are equal (strict); start and end (boundary); one-to-one with a span of the
    same label that shares a character (overlap) or half of the two's characters (iou50), as many as possible; `char`
    compares characters with their label. The value is the mean over rater pairs; pairs that marked nothing in common
    documents are left out and counted in the reason. Interval: seeded bootstrap over documents, or whole clusters.
    Undefined without a document annotated by two raters, or when nobody marked anything in those.
    Raises BadRatings with the position of the first fault.
    """
    marks = _Marks.of(documents, cluster, lengths)
    found: dict[str, Estimate] = {}
    pairs = {name: marks.pair_counts(name) for name in MATCHERS}
    for clustered in (False,) if marks.cluster is None else (False, True):
        ending = CLUSTERED if clustered else ""
        for name in MATCHERS:
            found[name + ending] = _mean_f1(marks, name, pairs[name], clustered, seed, level).renamed(name + ending)
        if lengths is not None:
            groups = cluster if clustered else None
            alpha = unitizing_alpha(documents, lengths, cluster=groups, seed=seed, level=level)
            found[alpha.statistic + ending] = alpha.renamed(alpha.statistic + ending)
    return found


def span_f1(
    documents: Documents,
    name: str = HEADLINE,
    *,
    cluster: Sequence[Hashable] | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """One F1 of `span_agreement` by its plain name; with `cluster` the interval is over whole clusters."""
    marks = _Marks.of(documents, cluster, None)
    return _mean_f1(marks, name, marks.pair_counts(name), cluster is not None, seed, level)


def span_pairs(documents: Documents, *, seed: int = 0, level: float = 0.95) -> list[SpanPair]:
    """Every pair of raters with the documents both annotated, strict F1 and the counts of every F1."""
    marks, found = _Marks.of(documents, None, None), []
    for first, second in combinations(range(marks.n_raters), 2):
        pair = marks.of_raters((first, second))
        of_pair = {name: pair.pair_counts(name) for name in MATCHERS}
        counts = {name: MatchCounts(*one[0].sum(axis=0).tolist()) for name, one in of_pair.items()}
        f1 = _mean_f1(pair, HEADLINE, of_pair[HEADLINE], False, seed, level)
        found.append(SpanPair(first, second, pair.n_common, f1, counts))
    return found


def span_label_table(
    documents: Documents, *, labels: Sequence[str] | None = None, seed: int = 0, level: float = 0.95
) -> list[SpanLabel]:
    """Strict F1 of each label, in the order of `labels` (the declared ones), else of every label in use by alphabet."""
    marks, found = _Marks.of(documents, None, None), []
    for label in marks.labels if labels is None else labels:
        one = marks.with_label(label)
        used = np.concatenate([spans[:, 0] for spans in one.spans]) if one.spans else np.zeros(0)
        f1 = _mean_f1(one, HEADLINE, one.pair_counts(HEADLINE), False, seed, level)
        found.append(SpanLabel(label, len(used), len(np.unique(used)), f1))
    return found


def span_disagreement(spans: Sequence[Collection[LabelledSpan] | None]) -> float:
    """How far the raters of one document are apart, 0 to 1: 1 - strict F1, mean over pairs.

    Two who both found nothing agree. ValueError when fewer than two annotated it.
    """
    given = [set(one) for one in spans if one is not None]
    if len(given) < 2:
        raise ValueError("Disagreement needs a document that two people annotated.")
    apart = [len(a ^ b) / (len(a) + len(b)) if a or b else 0.0 for a, b in combinations(given, 2)]
    return sum(apart) / len(apart)


@dataclass(frozen=True)
class AttributeAgreement:
    """An attribute of spans (assertion, severity), seen only where two raters marked the same span.

    `n_spans` counts different spans in documents that two raters annotated, `n_matched` those that two raters marked
    with equal bounds and label; `share_matched` is their ratio and must be read with `estimates`.
    """

    n_spans: int
    n_matched: int
    share_matched: Estimate
    estimates: dict[str, Estimate]


def attribute_agreement(
    documents: Sequence[Sequence[Mapping[LabelledSpan, Category | None] | None]],
    *,
    categories: Sequence[Category],
    data_type: str = "nominal",
    cluster: Sequence[Hashable] | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> AttributeAgreement:
    """Agreement on the values that raters gave to the spans they both marked, and the share of spans that is.

    documents: as for `span_agreement`, each span with the value its rater gave it (None: no value given).
    Every matched span is an item; spans of one document (or of one `cluster`) resemble each other, so the
    `_cluster_robust` twins are the ones to read. Undefined as in `summarise` when no span is matched.
    """
    check_spans(documents)
    groups = cluster_numbers(cluster, len(documents))
    rows: list[list[Category | None]] = []
    group_of_row: list[Hashable] = []
    found, used = [], []
    for i, document in enumerate(documents):
        opened = [values for values in document if values is not None]
        if len(opened) < 2:
            continue
        spans = {span for values in opened for span in values}
        matched = sorted(
            (span for span in spans if sum(span in values for values in opened) >= 2),
            key=lambda span: (span.start, span.end, span.label),
        )
        rows += [[None if values is None else values.get(span) for values in document] for span in matched]
        group_of_row += [i if groups is None else int(groups[i])] * len(matched)
        found.append((len(matched), len(spans)))
        used.append(i)
    counts = np.array(found, dtype=np.float64).reshape(-1, 2)
    names = [f"R{number}" for number in range(1, 1 + max((len(document) for document in documents), default=0))]
    table = RatingTable.from_lists(rows, categories=categories, data_type=data_type, raters=names, cluster=group_of_row)
    share = _share_matched(counts, None if groups is None else groups[used], seed, level)
    n_matched, n_spans = (int(one) for one in counts.sum(axis=0))
    return AttributeAgreement(n_spans, n_matched, share, summarise(table, seed=seed, level=level))


def _share_matched(counts: Floats, groups: Ints | None, seed: int, level: float) -> Estimate:
    """Matched of all spans, from documents x (matched, spans)."""
    name = "share_of_spans_matched"
    if not counts.any():
        return Estimate.undefined(name, NO_SPANS if len(counts) else NO_PAIRS, n_items=len(counts), level=level)
    cluster = None if groups is None else np.unique(groups, return_inverse=True)[1].astype(np.int64)
    compute, ones = partial(_mean_ratio, n_pairs=1), np.ones(len(counts), dtype=np.int64)
    method = "spans that two raters marked, of all spans marked"
    share = bootstrapped(name, counts, ones, compute, seed=seed, cluster=cluster, floor=0.0, level=level, method=method)
    return replace(share, n_items=len(counts), n_ratings=int(counts[:, 1].sum()))


@dataclass(frozen=True, eq=False)
class _Marks:
    """Everybody's distinct spans.

    spans:   per rater, rows of (document, label number, start, end), sorted
    opened:  documents x raters, whether the rater annotated the document
    cluster: cluster number of each document, or None
    """

    spans: list[Ints]
    opened: NDArray[np.bool_]
    labels: tuple[str, ...]
    cluster: Ints | None

    @classmethod
    def of(cls, documents: Documents, cluster: Sequence[Hashable] | None, lengths: Sequence[int] | None) -> "_Marks":
        width = len(documents[0]) if len(documents) else 0
        number: dict[str, int] = {}
        rows: list[list[tuple[int, int, int, int]]] = [[] for _ in range(width)]
        opened = np.zeros((len(documents), width), dtype=bool)
        check_spans(documents, lengths)
        for i, document in enumerate(documents):
            for j, spans in enumerate(document):
                if spans is None:
                    continue
                opened[i, j] = True
                rows[j] += [(i, number.setdefault(one.label, len(number)), one.start, one.end) for one in set(spans)]
        order = {label: position for position, label in enumerate(sorted(number))}
        renumber = np.array([order[label] for label in number], dtype=np.int64)
        found = []
        for one in rows:
            spans = np.array(one, dtype=np.int64).reshape(-1, 4)
            spans[:, 1] = renumber[spans[:, 1]]
            found.append(spans[np.lexsort(spans.T[::-1])])
        return cls(found, opened, tuple(order), cluster_numbers(cluster, len(documents)))

    @property
    def n_raters(self) -> int:
        return len(self.spans)

    @property
    def n_common(self) -> int:
        """Documents that at least two of the raters annotated."""
        return int(self.in_pair.sum())

    @cached_property
    def in_pair(self) -> NDArray[np.bool_]:
        return np.asarray(self.opened.sum(axis=1) >= 2)

    def of_raters(self, columns: Sequence[int]) -> "_Marks":
        return replace(self, spans=[self.spans[one] for one in columns], opened=self.opened[:, list(columns)])

    def with_label(self, label: str) -> "_Marks":
        number = self.labels.index(label) if label in self.labels else -1
        return replace(self, spans=[one[one[:, 1] == number] for one in self.spans])

    def pair_counts(self, name: str) -> list[Ints]:
        """For each pair of raters: documents that two annotated x (matched, of the first, of the second), zero where
        this pair did not annotate both."""
        found = []
        for pair in combinations(range(self.n_raters), 2):
            both = self.opened[:, pair[0]] & self.opened[:, pair[1]]
            first, second = (self.spans[one][both[self.spans[one][:, 0]]] for one in pair)
            found.append(MATCHERS[name](first, second, len(both))[self.in_pair])
        return found


def _mean_f1(marks: _Marks, name: str, pairs: list[Ints], clustered: bool, seed: int, level: float) -> Estimate:
    kept = marks.in_pair
    n_items, n_ratings = int(kept.sum()), int(marks.opened[kept].sum())
    used = [counts for counts in pairs if counts.any()]
    reason = (NO_PAIRS if marks.opened.any() else NO_DATA) if not n_items else "" if used else NO_SPANS
    if reason:
        return Estimate.undefined(name, reason, n_items=n_items, n_ratings=n_ratings, level=level)
    matched = np.column_stack([2 * counts[:, 0] for counts in used])
    given = np.column_stack([counts[:, 1] + counts[:, 2] for counts in used])
    cluster = None
    if clustered and marks.cluster is not None:
        cluster = np.unique(marks.cluster[kept], return_inverse=True)[1].astype(np.int64)
    estimate = bootstrapped(
        name,
        np.hstack([matched, given]).astype(np.float64),
        np.ones(n_items, dtype=np.int64),
        partial(_mean_ratio, n_pairs=len(used)),
        seed=seed,
        cluster=cluster,
        floor=0.0,
        level=level,
        method=f"mean F1 of {len(used)} rater pair{'s' if len(used) > 1 else ''}",
    )
    left_out = len(pairs) - len(used)
    note = f"{left_out} of {len(pairs)} rater pairs marked nothing in common documents and are left out."
    reason = f"{note} {estimate.reason}".strip() if left_out else estimate.reason
    return replace(estimate, n_items=n_items, n_ratings=n_ratings, reason=reason)


def _mean_ratio(totals: Floats, *, n_pairs: int) -> Floats:
    """Replicates x (2 * matched per pair, given per pair) to the mean of the defined F1s, NaN where none is."""
    matched, given = totals[:, :n_pairs], totals[:, n_pairs:]
    ratio = matched / np.where(given > 0, given, 1)
    n_defined = (given > 0).sum(axis=1)
    return np.where(n_defined > 0, ratio.sum(axis=1) / np.maximum(n_defined, 1), np.nan)


def _exact(first: Ints, second: Ints, n: int) -> Ints:
    """Rows that both hold, document first; a row counts once."""
    sizes = tuple(np.max([rows.max(axis=0, initial=0) for rows in (first, second)], axis=0) + 1)
    a, b = (np.unique(np.ravel_multi_index(tuple(rows.T), sizes)) for rows in (first, second))
    per_document = int(np.prod(sizes[1:]))
    return _by_document(a[np.isin(a, b, assume_unique=True)] // per_document, a // per_document, b // per_document, n)


def _boundary(first: Ints, second: Ints, n: int) -> Ints:
    return _exact(first[:, [0, 2, 3]], second[:, [0, 2, 3]], n)


def _one_to_one(first: Ints, second: Ints, n: int, *, half: bool) -> Ints:
    """As many pairs of spans as possible, each span used once, that have the same label and share characters."""
    left, right = _same_label(first, second)
    starts = np.maximum(first[left, 2], second[right, 2])
    ends = np.minimum(first[left, 3], second[right, 3])
    shared = np.maximum(ends - starts, 0)
    covered = (first[left, 3] - first[left, 2]) + (second[right, 3] - second[right, 2]) - shared
    fits = 2 * shared >= covered if half else shared > 0
    if not fits.any():
        return _by_document(np.zeros(0, dtype=np.int64), first[:, 0], second[:, 0], n)
    cells = (np.ones(int(fits.sum()), dtype=np.int8), (left[fits], right[fits]))
    graph = scipy.sparse.csr_matrix(cells, shape=(len(first), len(second)))
    partner = scipy.sparse.csgraph.maximum_bipartite_matching(graph, perm_type="column")
    return _by_document(first[partner >= 0, 0], first[:, 0], second[:, 0], n)


def _same_label(first: Ints, second: Ints) -> tuple[Ints, Ints]:
    """Row numbers of every pair of spans with one document and label; both inputs are sorted by these."""
    width = 1 + max((int(one[:, 1].max()) for one in (first, second) if len(one)), default=0)
    a, b = (one[:, 0] * width + one[:, 1] for one in (first, second))
    begins, stops = np.searchsorted(b, a, "left"), np.searchsorted(b, a, "right")
    times = stops - begins
    left = np.repeat(np.arange(len(a)), times)
    step = np.arange(len(left)) - np.repeat(np.cumsum(times) - times, times)
    return left, np.repeat(begins, times) + step


def _characters(first: Ints, second: Ints, n: int) -> Ints:
    """Characters under a span, per label; two spans over one character count once."""
    a, b, either = (_covered(one, n) for one in (first, second, np.concatenate([first, second])))
    return np.column_stack([a + b - either, a, b])


def _covered(spans: Ints, n: int) -> Ints:
    """Characters of each document under spans, summed over labels."""
    if not len(spans):
        return np.zeros(n, dtype=np.int64)
    rows = spans[np.lexsort(spans.T[::-1])]
    width = int(rows[:, 3].max()) + 1
    _, group = np.unique(rows[:, :2], axis=0, return_inverse=True)
    shift = group.reshape(-1).astype(np.int64) * width
    ends = np.maximum.accumulate(rows[:, 3] + shift)
    reached = np.concatenate([[-1], ends[:-1]])
    new = np.maximum(ends - np.maximum(rows[:, 2] + shift, reached), 0)
    return np.bincount(rows[:, 0], weights=new, minlength=n).astype(np.int64)


def _by_document(matched: Ints, first: Ints, second: Ints, n: int) -> Ints:
    return np.column_stack([np.bincount(one, minlength=n) for one in (matched, first, second)]).astype(np.int64)


MATCHERS: dict[str, Callable[[Ints, Ints, int], Ints]] = {
    "strict_f1": _exact,
    "overlap_f1": partial(_one_to_one, half=False),
    "iou50_f1": partial(_one_to_one, half=True),
    "boundary_f1": _boundary,
    "char_f1": _characters,
}

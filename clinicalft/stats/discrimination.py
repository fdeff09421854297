"""How well answers tell labels apart: F1, precision and recall of labels, and the area under the ROC curve."""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt

import numpy as np
import scipy

from clinicalft.stats.inference import NO_SPREAD, bootstrapped
from clinicalft.stats.intervals import BadCounts, clustered_rate, exact_rate
from clinicalft.stats.ratings import Floats, Ints, cluster_numbers
from clinicalft.stats.results import Estimate

NO_REFERENCE = "no data: no output has a reference"
NO_LABEL = "neither references nor answers have a label"
NO_WANTED = "no reference has a label"
NO_ANSWERED = "no answer has a label"
ONE_CLASS = "only one outcome class"
Labels = Sequence[Collection[str]]


@dataclass(frozen=True)
class LabelScore:
    """One label: references and answers that have it, and its precision, recall and F1."""

    label: str
    n_reference: int
    n_answered: int
    precision: Estimate
    recall: Estimate
    f1: Estimate


@dataclass(frozen=True)
class LabelScores:
    """F1 averaged in three ways, micro precision and recall, and every label. Which average a gate means, it stores."""

    f1_macro: Estimate
    f1_micro: Estimate
    f1_weighted: Estimate
    precision_micro: Estimate
    recall_micro: Estimate
    labels: tuple[LabelScore, ...]


def label_scores(
    reference: Labels,
    answer: Labels,
    *,
    labels: Sequence[str] | None = None,
    cluster: Sequence[Hashable] | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> LabelScores:
    """Scores of answers against references: a set of labels for each output (one label: a set of one, none: empty).

    F1 of a label is 2 TP / (2 TP + FP + FN); macro is the plain mean over labels that a reference or an answer has,
    weighted the mean by references, micro pools all labels. `labels` restricts and orders them; those that nobody has
    are left out of means and undefined. Intervals: F1 and micro scores by seeded bootstrap over outputs or, with
    `cluster`, over patients; precision and recall of a label exact (`exact_rate`, `clustered_rate`).
    Undefined without outputs or without any label.
    van Rijsbergen CJ. Information Retrieval 1979; Sokolova M, Lapalme G. Inf Process Manag 2009;45:427-437.
    """
    if len(reference) != len(answer):
        raise BadCounts(f"{len(answer)} answers were given for {len(reference)} references.")
    names = sorted({one for row in (*reference, *answer) for one in row}) if labels is None else list(labels)
    groups, n, q = cluster_numbers(cluster, len(reference)), len(reference), len(names)
    wanted, given = _membership(reference, names), _membership(answer, names)
    units = scipy.sparse.hstack([wanted * given, given, wanted]).tocsr()  # hits, answered, in the reference: by label
    reason = NO_REFERENCE if not n else "" if units.nnz else NO_LABEL

    def scored(name: str, score: str, picked: Ints) -> Estimate:
        if reason or not len(picked):
            return Estimate.undefined(name, reason or "no reference and no answer has it", n_items=n, level=level)
        columns = np.concatenate([picked, picked + q, picked + 2 * q])
        total = np.asarray(units[:, columns].sum(axis=0), dtype=np.float64).reshape(1, -1)
        if not np.isfinite(_score(total, score=score)[0]):
            why = NO_ANSWERED if score == "precision_micro" else NO_WANTED
            return Estimate.undefined(name, why, n_items=n, level=level)
        estimate = bootstrapped(
            name, units[:, columns], np.ones(n, dtype=np.int64), partial(_score, score=score), seed=seed,
            cluster=groups, floor=0.0, level=level, method=name.replace("_", " "),
        )  # fmt: skip
        return replace(estimate, n_items=n, n_ratings=n)

    n_given, n_wanted = (np.asarray(one.sum(axis=0), dtype=np.int64).reshape(-1) for one in (given, wanted))
    used = np.flatnonzero(n_given + n_wanted)
    whole = {
        name: scored(name, name, used)
        for name in ("f1_macro", "f1_micro", "f1_weighted", "precision_micro", "recall_micro")
    }
    rows = []
    for at, label in enumerate(names):
        truth, said = (one[:, [at]].toarray().reshape(-1) for one in (wanted, given))
        rows.append(
            LabelScore(
                label, int(n_wanted[at]), int(n_given[at]),
                _share("precision", truth, said > 0, groups, level), _share("recall", said, truth > 0, groups, level),
                scored("f1", "f1_micro", used[used == at]),
            )
        )  # fmt: skip
    return LabelScores(**whole, labels=tuple(rows))


def auroc(
    score: Sequence[float],
    outcome: Sequence[bool | int],
    *,
    cluster: Sequence[Hashable] | None = None,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Area under the ROC curve: the chance that a positive scores above a negative one, ties counting half.

    Interval: DeLong's, normal, cut to 0..1; with `cluster` (patients) a seeded bootstrap over whole clusters.
    Undefined with one outcome class only. With a single item of a class, or full separation, there is no interval.
    DeLong ER, DeLong DM, Clarke-Pearson DL. Biometrics 1988;44:837-845; Obuchowski NA. Biometrics 1997;53:567-578.
    """
    x, y = _checked(score, outcome)
    groups, n = cluster_numbers(cluster, len(x)), len(x)
    if not 0 < y.sum() < n:
        return Estimate.undefined("auroc", ONE_CLASS if n else NO_REFERENCE, n_items=n, n_ratings=n, level=level)
    if groups is not None:
        values, at = np.unique(x, return_inverse=True)
        column = at + len(values) * (y == 0)
        units = scipy.sparse.csr_array((np.ones(n), (np.arange(n), column)), shape=(n, 2 * len(values)))
        found = bootstrapped(
            "auroc", units, np.ones(n, dtype=np.int64), _area, seed=seed, cluster=groups, floor=0.0, level=level,
            method="Mann-Whitney",
        )  # fmt: skip
        return replace(found, n_items=n, n_ratings=n)
    return _delong(x[y == 1], x[y == 0], level)


def hanley_mcneil_se(score: Sequence[float], outcome: Sequence[bool | int]) -> float | None:
    """The standard error that older papers print beside an AUROC, to compare with; intervals are DeLong's.

    From the chances that two positives score above one negative, and one positive above two negatives, ties in the
    paper's way. None with one outcome class only. Hanley JA, McNeil BJ. Radiology 1982;143:29-36.
    """
    x, y = _checked(score, outcome)
    m, n = int((y == 1).sum()), int((y == 0).sum())
    if not m or not n:
        return None
    at = np.unique(x, return_inverse=True)[1]
    positive, negative = (np.bincount(at, weights=y == one, minlength=at.max() + 1) for one in (1, 0))
    above, below = m - np.cumsum(positive), np.cumsum(negative) - negative
    area = float(negative @ (above + positive / 2)) / (m * n)
    q1 = float(negative @ (above**2 + above * positive + positive**2 / 3)) / (n * m**2)
    q2 = float(positive @ (below**2 + below * negative + negative**2 / 3)) / (m * n**2)
    return sqrt((area * (1 - area) + (m - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)) / (m * n))


def _delong(positive: Floats, negative: Floats, level: float) -> Estimate:
    m, n = len(positive), len(negative)
    ranks = scipy.stats.rankdata(np.concatenate([positive, negative]))
    above = (ranks[:m] - scipy.stats.rankdata(positive)) / n  # of the negatives, the share below each positive
    below = 1 - (ranks[m:] - scipy.stats.rankdata(negative)) / m
    area = float(above.mean())
    estimate = Estimate("auroc", area, level=level, n_items=m + n, n_ratings=m + n, method="DeLong, normal interval")
    if m < 2 or n < 2:
        return replace(estimate, reason="Only one item of a class: a standard error needs at least two of each.")
    se = sqrt(float(above.var(ddof=1)) / m + float(below.var(ddof=1)) / n)
    if not se:
        return replace(estimate, reason=NO_SPREAD)
    margin = float(scipy.stats.norm.ppf((1 + level) / 2)) * se
    return replace(estimate, se=se, low=max(0.0, area - margin), high=min(1.0, area + margin))


def _area(totals: Floats) -> Floats:
    """Replicates x (positives, negatives) at each distinct score, lowest first, to the area; NaN with one class."""
    positive, negative = np.hsplit(totals, 2)
    below = np.cumsum(negative, axis=1) - negative / 2
    pairs = positive.sum(axis=1) * negative.sum(axis=1)
    found = np.full(len(totals), np.nan)
    np.divide((positive * below).sum(axis=1), pairs, out=found, where=pairs > 0)
    return found


def _score(totals: Floats, *, score: str) -> Floats:
    """Replicates x (hits, answered, in the reference) of each label to an average, without labels a replicate lacks."""
    hits, answered, wanted = np.hsplit(totals, 3)
    if score.endswith("micro"):
        hits, answered, wanted = (one.sum(axis=1, keepdims=True) for one in (hits, answered, wanted))
    above = hits if score.startswith(("precision", "recall")) else 2 * hits
    below = answered if score.startswith("precision") else wanted if score.startswith("recall") else answered + wanted
    found = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
    weight = wanted if score == "f1_weighted" else (below > 0).astype(np.float64)
    total = weight.sum(axis=1)
    mean = np.full(len(totals), np.nan)
    np.divide((found * weight).sum(axis=1), total, out=mean, where=total > 0)
    return mean


def _share(name: str, outcome: Floats, among: Floats, groups: Ints | None, level: float) -> Estimate:
    """The share of ones in `outcome` where `among` holds, with exact limits."""
    chosen = np.flatnonzero(among)
    if groups is None or not len(chosen):
        return exact_rate(int(outcome[chosen].sum()), len(chosen), level=level).renamed(name)
    return clustered_rate(outcome[chosen].astype(int).tolist(), groups[chosen].tolist(), level=level).renamed(name)


def _membership(rows: Labels, names: Sequence[str]) -> "scipy.sparse.csr_array":
    """Outputs x labels, 1 where the output has the label."""
    column = {name: at for at, name in enumerate(names)}
    cells = [(row, column[one]) for row, found in enumerate(rows) for one in set(found) if one in column]
    at = np.array(cells, dtype=np.int64).reshape(-1, 2)
    return scipy.sparse.csr_array((np.ones(len(at)), at.T), shape=(len(rows), len(names)))


def _checked(score: Sequence[float], outcome: Sequence[bool | int]) -> tuple[Floats, Floats]:
    x, y = (np.asarray(values, dtype=np.float64).reshape(-1) for values in (score, outcome))
    if len(x) != len(y):
        raise BadCounts(f"{len(x)} scores were given for {len(y)} outcomes.")
    if not np.isin(y, (0, 1)).all() or not np.isfinite(x).all():
        raise BadCounts("Every outcome must be 0 or 1, and every score a number.")
    return x, y

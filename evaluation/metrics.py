"""From outputs and ratings to the numbers of a rating round, each with its interval. Pure: plain values in, JSON out.

Beside every number stand the keys of exactly the outputs that it counts, so that a page can list them.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy

from clinicalft.stats.agreement import rater_pairs, summarise
from clinicalft.stats.discrimination import label_scores
from clinicalft.stats.inference import SMALLEST
from clinicalft.stats.intervals import clustered_rate, exact_rate
from clinicalft.stats.ratings import Floats, Ints, RatingTable, cluster_numbers
from clinicalft.stats.results import Estimate
from evaluation.rubrics import Question, Rubric

ONE_SIDED = 0.90  # the lower limit of a two-sided 90 % interval is the one-sided 95 % limit
NOBODY_RATED = "nobody has rated an output yet"


@dataclass(frozen=True)
class RatedOutput:
    """One output in a rating round: its key, the arm that wrote it, its patient if known, its exact match, and the
    labels or codes that its reference has (`expected`) and that it has itself; None where there are none."""

    key: int
    arm: str
    patient: Hashable | None = None
    is_match: bool | None = None
    expected: frozenset[str] | None = None
    answered: frozenset[str] | None = None


@dataclass(frozen=True)
class GivenRating:
    """One submitted rating: who judged which output, the answers, and the keys of the flags that were raised."""

    output: int
    rater: str
    answers: Mapping[str, Any]
    raised: frozenset[str] = frozenset()


def round_summary(
    rubric: Rubric, arms: Sequence[str], outputs: Sequence[RatedOutput], ratings: Sequence[GivenRating],
    dismissed: frozenset[tuple[int, str]], *, seed: int,
) -> dict[str, Any]:  # fmt: skip
    """Concordance over all arms together, and for each arm its concordance, mean answers, flag rates and exact match.

    dismissed: (output, flag) pairs that a senior clinician dismissed; they no longer count. `seed` fixes bootstraps.
    Returns {"n_outputs", "n_ratings", "questions": {key: question_summary}, "arms": {arm: {"n_outputs",
    "rated": [keys], "questions", "flags": {key: flag_summary}, "match", "f1"}}}; estimates in their JSON form.
    """
    by_arm = {arm: [output for output in outputs if output.arm == arm] for arm in arms}
    return {
        "n_outputs": len(outputs),
        "n_ratings": len(ratings),
        "questions": {q.key: question_summary(q, outputs, ratings, seed=seed) for q in rubric.questions},
        "arms": {arm: _arm(rubric, found, ratings, dismissed, seed) for arm, found in by_arm.items()},
    }


def _arm(
    rubric: Rubric, outputs: Sequence[RatedOutput], ratings: Sequence[GivenRating],
    dismissed: frozenset[tuple[int, str]], seed: int,
) -> dict[str, Any]:  # fmt: skip
    keys = {output.key for output in outputs}
    of_arm = [rating for rating in ratings if rating.output in keys]
    rated_keys = {rating.output for rating in of_arm}
    rated = [output for output in outputs if output.key in rated_keys]
    return {
        "n_outputs": len(outputs),
        "n_ratings": len(of_arm),
        "rated": [output.key for output in rated],
        "questions": {q.key: question_summary(q, outputs, of_arm, seed=seed) for q in rubric.questions},
        "flags": {flag.key: flag_summary(flag.key, rated, of_arm, dismissed) for flag in rubric.flags},
        "match": match_summary(outputs),
        "f1": f1_summary(outputs, seed=seed),
    }


def question_summary(
    question: Question, outputs: Sequence[RatedOutput], ratings: Sequence[GivenRating], *, seed: int
) -> dict[str, Any]:
    """Agreement of raters on one question: every statistic of `clinicalft.stats`, counts per point, and the mean.

    Statistics that the answers do not allow are undefined with their reason. With several outputs of one patient each
    interval comes a second time, cluster-robust. Returns {"statistics", "mean", "counts": [[value, label, n]],
    "pairs": [[rater, rater, their Cohen's kappa, quadratic-weighted where ordered]], "n_outputs"}.
    """
    answered = [rating for rating in ratings if question.key in rating.answers]
    table = RatingTable.from_rows(
        [(rating.output, rating.rater, rating.answers[question.key]) for rating in answered],
        categories=question.values,
        data_type=question.data_type,
        cluster_of_item=_patients(outputs) if _is_clustered(outputs) else None,
        category_scores=[float(value) for value in question.values] if question.is_numeric else None,
    )
    counts = table.counts.sum(axis=0) if answered else np.zeros(len(question.scale), dtype=int)
    return {
        "statistics": {name: found.as_dict() for name, found in summarise(table, seed=seed).items()},
        "mean": mean_answer(question, outputs, answered).as_dict() if question.is_numeric else None,
        "counts": [[point.value, point.label, int(n)] for point, n in zip(question.scale, counts, strict=True)],
        "pairs": [
            [pair.first, pair.second, (pair.weighted_kappa or pair.kappa).as_dict()] for pair in rater_pairs(table)
        ],
        "n_outputs": table.n_items,
    }


def mean_answer(question: Question, outputs: Sequence[RatedOutput], ratings: Iterable[GivenRating]) -> Estimate:
    """Mean over outputs of the mean answer of their raters, on the question's own scale, with a 95 % t interval.

    Cluster-robust over patients where patients have several outputs: SE^2 = G/(G-1) sum_g (sum (x - mean))^2 / n^2 with
    t(G-1) (Miller 2024, arXiv:2411.00640). Undefined when nobody answered; no interval for a single output or patient.
    """
    given: dict[int, list[float]] = {}
    for rating in ratings:
        if question.key in rating.answers:
            given.setdefault(rating.output, []).append(float(rating.answers[question.key]))
    name = f"mean_{question.key}"
    if not given:
        return Estimate.undefined(name, NOBODY_RATED)
    patients = _patients(outputs)
    groups = [patients[key] for key in given] if _is_clustered(outputs) else None
    scores = np.array([np.mean(answers) for answers in given.values()])
    return mean_of_outputs(
        name, scores, cluster_numbers(groups, len(scores)), n_ratings=sum(map(len, given.values())),
        bounds=bounds_of(question),
    )  # fmt: skip


def bounds_of(question: Question) -> tuple[float, float]:
    """The lowest and the highest point of a numeric scale."""
    points = [float(value) for value in question.values]
    return min(points), max(points)


def mean_of_outputs(
    name: str, scores: Floats, cluster: Ints | None, *, n_ratings: int, bounds: tuple[float, float]
) -> Estimate:
    """The mean of one score per output with the interval of `mean_answer` cut at `bounds`; cluster: patient number."""
    if not len(scores):
        return Estimate.undefined(name, NOBODY_RATED)
    groups = np.arange(len(scores)) if cluster is None else cluster
    sums = np.bincount(groups, weights=scores - scores.mean())
    value = float(scores.mean())
    estimate = Estimate(
        name,
        value,
        n_items=len(scores),
        n_ratings=n_ratings,
        method=f"mean of output means, t({len(sums) - 1}) interval",
    )
    if len(sums) < 2:
        return replace(estimate, reason="Only one output or patient: an interval needs at least two.")
    se = float(np.sqrt(len(sums) / (len(sums) - 1) * (sums @ sums)) / len(scores))
    if se < SMALLEST:
        return replace(estimate, reason="All scores are the same, so no interval can be given.")
    half = float(scipy.stats.t.ppf(0.975, len(sums) - 1)) * se
    return replace(estimate, se=se, low=max(bounds[0], value - half), high=min(bounds[1], value + half))


def flag_summary(
    flag: str, rated: Sequence[RatedOutput], ratings: Iterable[GivenRating], dismissed: frozenset[tuple[int, str]]
) -> dict[str, Any]:
    """Share of rated outputs with the flag, with its one-sided exact upper 95 % limit.

    The unit is the output: it counts when any rater raised the flag, unless a senior clinician dismissed it. With
    several outputs of a patient the limit is that of `clustered_rate`. Returns {"rate", "counted", "dismissed"}, the
    last two as keys of outputs.
    """
    raised = {rating.output for rating in ratings if flag in rating.raised}
    counted = [output.key for output in rated if output.key in raised and (output.key, flag) not in dismissed]
    outcome = [output.key in set(counted) for output in rated]
    if _is_clustered(rated):
        rate = clustered_rate(outcome, [output.patient for output in rated], sided="upper")
    else:
        rate = exact_rate(len(counted), len(rated), sided="upper")
    return {
        "rate": rate.renamed(f"{flag}_rate").as_dict(),
        "counted": counted,
        "dismissed": [output.key for output in rated if output.key in raised and (output.key, flag) in dismissed],
    }


def match_summary(outputs: Sequence[RatedOutput]) -> dict[str, Any]:
    """Share of outputs equal to their reference, Clopper-Pearson, two-sided; undefined where no output has a reference
    that it could equal. Returns {"rate", "matched", "compared"}, the last two as keys of outputs."""
    compared = [output for output in outputs if output.is_match is not None]
    matched = [output.key for output in compared if output.is_match]
    rate = exact_rate(len(matched), len(compared)).renamed("exact_match")
    if not compared:
        rate = Estimate.undefined("exact_match", "no output has a reference that it could equal word for word")
    return {"rate": rate.as_dict(), "matched": matched, "compared": [output.key for output in compared]}


def f1_summary(outputs: Sequence[RatedOutput], *, seed: int) -> dict[str, Any]:
    """Macro F1 of the labels or codes of answers against their references, and that of each label.

    F1 of a label is 2 TP / (2 TP + FP + FN) over all outputs; macro is the mean over labels that a reference or an
    answer has (`label_scores`). An answer that could not be read has no label. Interval: seeded bootstrap over
    patients, or over outputs where no patient has two; `low90`: the one-sided lower 95 % limit. Undefined without
    references or with one label only.
    Returns {"macro", "low90", "labels": [[label, n in references, f1 as estimate]], "compared" as keys}.
    """
    compared = [output for output in outputs if output.expected is not None and output.answered is not None]
    wanted, given = ([getattr(o, name) or frozenset() for o in compared] for name in ("expected", "answered"))
    keys, labels = [output.key for output in compared], {label for found in (*wanted, *given) for label in found}
    if len(labels) < 2:
        why = "references and answers know one label only" if compared else "no output has a reference with labels"
        undefined = Estimate.undefined("f1_macro", why, n_items=len(compared)).as_dict()
        return {"macro": undefined, "low90": None, "labels": [], "compared": keys}
    groups = [output.patient for output in compared] if _is_clustered(compared) else None
    scores, one_sided = (
        label_scores(wanted, given, cluster=groups, seed=seed, level=level) for level in (0.95, ONE_SIDED)
    )
    return {
        "macro": scores.f1_macro.as_dict(),
        "low90": one_sided.f1_macro.low,
        "labels": [[row.label, row.n_reference, row.f1.as_dict()] for row in scores.labels],
        "compared": keys,
    }


def outputs_behind(summary: Mapping[str, Any], pick: str, arm: str = "") -> list[int]:
    """Keys of the outputs that a number of `round_summary` counts, of one arm or (no `arm`) of all.

    pick: "rated", "matched", "compared", "labelled" (F1 was computed from them), or "counted:FLAG" and
    "dismissed:FLAG". Raises KeyError for anything else.
    """
    what, _, flag = pick.partition(":")
    if what not in {"rated", "matched", "compared", "labelled"} | ({"counted", "dismissed"} if flag else set()):
        raise KeyError(pick)
    if what == "labelled":
        return [key for each in _arms(summary, arm) for key in each["f1"]["compared"]]
    found = _arms(summary, arm)
    places = [each if what == "rated" else each["flags"][flag] if flag else each["match"] for each in found]
    return [key for place in places for key in place[what]]


def _arms(summary: Mapping[str, Any], arm: str) -> list[Mapping[str, Any]]:
    return [summary["arms"][arm]] if arm else list(summary["arms"].values())


def confusion(pairs: Iterable[tuple[str, str]], categories: Sequence[str]) -> list[list[int]]:
    """Counts of (reference, answer) pairs: rows are the references in order, columns the same and last "no answer"."""
    position = {category: index for index, category in enumerate(categories)}
    counts = [[0] * (len(categories) + 1) for _ in categories]
    for reference, answer in pairs:
        counts[position[reference]][position.get(answer, len(categories))] += 1
    return counts


def _patients(outputs: Sequence[RatedOutput]) -> dict[Hashable, Hashable]:
    return {output.key: output.patient for output in outputs}


def _is_clustered(outputs: Sequence[RatedOutput]) -> bool:
    """Whether every patient is known and some patient has more than one output."""
    patients = [output.patient for output in outputs]
    return None not in patients and len(set(patients)) < len(patients)

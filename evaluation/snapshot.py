"""The one bridge between rows and plain values: what the metrics read, and what an export holds."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from evaluation.blinding import neutral_labels
from evaluation.metrics import GivenRating, RatedOutput
from evaluation.models import Arm, HarmOutcome, HarmReview, Inference, Output, RatingRound, RatingStatus
from evaluation.rubrics import Rubric
from training.engine.config import GenerateConfig, MachineConfig
from training.engine.folder import RunFolder, prepare_run_folder
from training.models import Adapter, BaseModel, Dataset
from training.rules.runs import base_model_path
from training.snapshot import example_rows


@dataclass(frozen=True)
class RoundValues:
    """A rating round as plain values. Arms are keyed by the number of their inference, as text."""

    rubric: Rubric
    systems: dict[str, dict[str, Any]]
    outputs: list[RatedOutput]
    ratings: list[GivenRating]
    dismissed: frozenset[tuple[int, str]]
    reviews: list[int]


def round_values(rating_round: RatingRound) -> RoundValues:
    """What has been submitted and reviewed in the round up to now. Five queries, whatever its size."""
    inferences = rating_round.inferences.select_related("adapter", "base_model").order_by("number")
    systems = {
        str(inference.number): {"system": inference.system, "arm": inference.arm, "adapter": inference.adapter_id}
        for inference in inferences
    }
    outputs = [
        RatedOutput(key=pk, arm=str(arm), patient=patient, is_match=is_match)
        for pk, arm, patient, is_match in Output.objects.filter(ratings__rating_round=rating_round)
        .order_by("inference__number", "number")
        .values_list("pk", "inference__number", "example__patient_id", "is_match")
        .distinct()
    ]
    submitted = rating_round.ratings.filter(status=RatingStatus.SUBMITTED).order_by("output_id", "rater_id")
    ratings = [
        GivenRating(output, str(rater), answers, frozenset(key for key, flag in flags.items() if flag.get("raised")))
        for output, rater, answers, flags in submitted.values_list("output_id", "rater_id", "answers", "flags")
    ]
    reviews = list(rating_round.harm_reviews.order_by("pk").values_list("pk", "output_id", "flag", "outcome"))
    return RoundValues(
        rubric=Rubric.from_json(rating_round.rubric), systems=systems, outputs=outputs, ratings=ratings,
        dismissed=frozenset((output, flag) for _, output, flag, outcome in reviews if outcome == HarmOutcome.DISMISSED),
        reviews=[pk for pk, *_ in reviews],
    )  # fmt: skip


def rating_rows(rating_round: RatingRound, reviews: Iterable[int]) -> list[dict[str, Any]]:
    """Every submitted rating as it leaves the project: raters as "Rater 1", outputs by number and digest, no note text.

    `reviews` are the harm reviews that counted (their ids), so that a report's rows can be had again years later.
    """
    decided: dict[tuple[int, str], str] = {
        (output, flag): outcome
        for output, flag, outcome in HarmReview.objects.filter(pk__in=list(reviews)).values_list(
            "output_id", "flag", "outcome"
        )
    }
    people = sorted(set(rating_round.ratings.values_list("rater_id", flat=True)))
    labels = neutral_labels(people, seed=rating_round.seed)
    rows = rating_round.ratings.filter(status=RatingStatus.SUBMITTED).select_related("output__inference")
    found = [
        {
            "inference": rating.output.inference.number,
            "output": rating.output.number,
            "output_sha256": rating.output.text_sha256,
            "rater": labels[rating.rater_id],
            "answers": rating.answers,
            "flags": {
                key: {**flag, "review": decided.get((rating.output_id, key), "")} for key, flag in rating.flags.items()
            },
            "seconds": rating.seconds,
            "submitted_at": rating.submitted_at.isoformat() if rating.submitted_at else "",
        }
        for rating in rows
    ]
    # By label and not by account: the order of accounts would tell who is who.
    return sorted(found, key=lambda row: (row["inference"], row["output"], row["rater"]))


def inference_folder(inference: Inference) -> RunFolder:
    """Where the inference's files are on this site."""
    return RunFolder(Path(settings.RUNS_DIR) / f"inference-{inference.pk}")


def write_inference_folder(inference: Inference) -> RunFolder:
    """Writes run.json and the prompts of the split; the reference answers never get near the model."""
    adapter, base_model, dataset = _sources(inference)
    config = {
        **inference.config,
        "base_model": str(base_model_path(base_model.folder)),
        "base_digest": base_model.sha256,
    }
    if inference.arm == Arm.ADAPTER:
        config["adapter"] = str(Path(settings.RUNS_DIR) / adapter.folder)
        config["adapter_digest"] = adapter.sha256
    rows = example_rows(dataset, inference.split)
    return prepare_run_folder(
        inference_folder(inference).path,
        GenerateConfig.from_json(config),
        MachineConfig.from_json(adapter.run.machine),
        prompts=({"id": row["id"], "messages": row["messages"][:-1]} for row in rows),
    )


def _sources(inference: Inference) -> tuple[Adapter, BaseModel, Dataset]:
    """What an inference that was not imported always has: a constraint of the table says so."""
    adapter, base_model, dataset = inference.adapter, inference.base_model, inference.dataset
    if adapter is None or base_model is None or dataset is None:
        raise ValueError(f"{inference} was imported; there is nothing to run.")
    return adapter, base_model, dataset

"""What came of runs, as pages and files compare them: quality with n and interval, cost, time and memory."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import scipy

from clinicalft.models import WorkStatus
from clinicalft.stats.intervals import wilson_rate
from clinicalft.stats.results import Estimate
from training.engine.config import FULL, OF_ADAPTERS, PreferenceConfig, RunConfig
from training.models import BaseModel, Run, RunEvent

OVER_CONVERSATIONS = "t interval over held-out conversations"
OVER_PAIRS = "t interval over held-out pairs"
MOST_SHOWN = 20
NOT_YET = "The run has not been evaluated yet."


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of a run as estimates.

    loss: per learnt token, or of a pair in preference tuning; exact: share of answers that equal the reference, None
    where no answers were scored; margin and preferred: of held-out pairs, None in fine-tuning. Before the first update
    no answer of a pair can be ahead, so `preferred` is undefined there.
    """

    step: int
    epoch: float
    loss: Estimate
    exact: Estimate | None = None
    margin: Estimate | None = None
    preferred: Estimate | None = None

    @classmethod
    def of(cls, event: RunEvent) -> "Evaluation":
        """From what the trainer reported."""
        values = event.values
        is_pairs = "margin" in values
        method = OVER_PAIRS if is_pairs else OVER_CONVERSATIONS
        found: dict[str, Any] = {}
        if values.get("n_scored"):
            found["exact"] = wilson_rate(values["n_exact"], values["n_scored"]).renamed("Exact match")
        if is_pairs:
            found["margin"] = _mean("Margin", values["margin"], values.get("margin_se"), values["n"], method)
            found["preferred"] = (
                wilson_rate(values["n_preferred"], values["n"]).renamed("Chosen answer ahead")
                if event.step
                else Estimate.undefined(
                    "Chosen answer ahead", "Before the first update no answer is ahead.", n_items=values["n"]
                )
            )
        loss = _mean("Held-out loss", values["loss"], values.get("loss_se"), values["n"], method)
        return cls(event.step, values.get("epoch", 0.0), loss, **found)


def _mean(statistic: str, value: float, se: float | None, n: int, method: str) -> Estimate:
    """A mean with its interval from the standard error that the trainer told (n - 1 degrees of freedom)."""
    if se is None:
        why = "One alone tells nothing of the spread." if n < 2 else "Its spread was not reported by the trainer."
        return Estimate(statistic, value, n_items=n, method="mean", reason=why)
    half = float(scipy.stats.t.ppf(0.975, n - 1)) * se
    return Estimate(statistic, value, se, value - half, value + half, n_items=n, method=method)


@dataclass
class Figures:
    """What came of one run so far.

    evaluations: by step, without those that a resumed attempt did again
    start: what the trainer told when it began last; step: at its last update
    """

    run: Run
    evaluations: list[Evaluation] = field(default_factory=list)
    start: dict[str, Any] = field(default_factory=dict)
    step: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def kept(self) -> Evaluation | None:
        """The evaluation of the adapter; of a run that has not ended well the best one so far, None before any."""
        trained = [found for found in self.evaluations if found.step]
        kept_step = self.run.result.get("kept_step")
        by_step = next((found for found in self.evaluations if found.step == kept_step), None)
        return by_step or min(trained, key=lambda found: _value(found.loss), default=None)

    @property
    def first(self) -> Evaluation | None:
        """The evaluation before the first update, which is that of what the run began with."""
        return next((found for found in self.evaluations if not found.step), None)

    @property
    def shown(self) -> list[Evaluation]:
        """The first evaluation, that of the adapter, and the newest: as many as a page can show."""
        newest = self.evaluations[-MOST_SHOWN:]
        others = [found for found in (self.first, self.kept) if found and found not in newest]
        return sorted([*others, *newest], key=lambda found: found.step)

    @property
    def is_so_far(self) -> bool:
        """Whether these are figures of a run that may still change, or that broke off."""
        return self.run.status != WorkStatus.DONE

    @property
    def loss(self) -> Estimate:
        return self.kept.loss if self.kept else Estimate.undefined("Held-out loss", NOT_YET)

    @property
    def exact(self) -> Estimate | None:
        return self.kept.exact if self.kept else None

    @property
    def margin(self) -> Estimate | None:
        return self.kept.margin if self.kept else None

    @property
    def preferred(self) -> Estimate | None:
        return self.kept.preferred if self.kept else None

    @property
    def seconds(self) -> float | None:
        """Seconds of work, those of broken-off attempts that were saved included; None until it has ended well."""
        return self.run.result.get("seconds")

    @property
    def held(self) -> float | None:
        """Seconds that processors or graphics cards were held: of each that it used."""
        return None if self.seconds is None else self.seconds * self.n_held

    @property
    def n_held(self) -> int:
        """How many processor threads or graphics cards the run used."""
        machine = self.run.machine
        threads = 1 if self.is_on_card else int(self.run.result.get("threads") or machine.get("threads", 1))
        return threads * int(machine.get("processes", 1))

    @property
    def is_on_card(self) -> bool:
        """Whether a graphics card did the work."""
        return str(self.start.get("device", "")).startswith("cuda")

    @property
    def left(self) -> float | None:
        """Seconds left, as the trainer said at its last update; None before one."""
        return self.step.get("eta_seconds")

    @property
    def tokens(self) -> int | None:
        return self.run.result.get("tokens") or self.step.get("tokens")

    @property
    def memory(self) -> int | None:
        """Peak bytes, so far or in the end."""
        return self.run.result.get("peak_memory") or self.step.get("memory")


def figures_of(runs: Iterable[Run]) -> list[Figures]:
    """The figures of each run, in the order of the runs; two queries, whatever their number."""
    found = [Figures(run) for run in runs]
    by_run = {each.run.pk: each for each in found}
    told = RunEvent.objects.filter(run__in=by_run)
    kept: dict[int, dict[int, RunEvent]] = defaultdict(dict)
    for event in told.filter(kind="evaluation").order_by("position"):
        kept[event.run_id][event.step] = event
    for pk, events in kept.items():
        by_run[pk].evaluations = [Evaluation.of(events[step]) for step in sorted(events)]
    for event in (
        told.filter(kind__in=("start", "step")).order_by("run_id", "kind", "-position").distinct("run_id", "kind")
    ):
        setattr(by_run[event.run_id], event.kind, event.values)
    return found


def loss_name(run: Run) -> str:
    """What its loss is a loss of."""
    return "loss of a pair" if run.is_preference else "loss per token"


def settings_of(run: Run) -> dict[str, str]:
    """Every setting of a run in words: label -> value."""
    config = PreferenceConfig if run.is_preference else RunConfig
    unused = OF_ADAPTERS if run.config.get("technique") == FULL else ()
    return {
        item.metadata["label"]: _said(run.config[item.name])
        for item in fields(config)
        if item.name not in unused and run.config.get(item.name, "") != "" and not item.name.endswith("_digest")
    }


def differences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """The settings in which runs differ, each with its value of every run; what a method does not have is empty."""
    each = [
        {
            "Method": run.get_method_display(), "Dataset": str(run.dataset), "Base model": run.base_model.name,
            "Goes on from": str(run.start_adapter or ""), **settings_of(run),
        }
        for run in runs
    ]  # fmt: skip
    labels = list(dict.fromkeys(label for values in each for label in values))
    rows = [(label, [values.get(label, "") for values in each]) for label in labels]
    return [(label, values) for label, values in rows if len(set(values)) > 1]


def not_comparable(runs: Sequence[Run]) -> list[str]:
    """Why held-out losses of these runs cannot be compared, in sentences; empty when they can."""
    reasons = []
    if len({run.method for run in runs}) > 1:
        reasons.append("Fine-tuning and preference tuning have losses of different things.")
    if len({run.dataset_id for run in runs}) > 1:
        reasons.append("The runs were measured on the held-out parts of different datasets.")
    if not runs[0].is_preference and len({_tokenizer(run.base_model) for run in runs}) > 1:
        reasons.append(
            "A loss per token depends on the tokenizer, and these base models have different ones: compare the exact "
            "match instead."
        )
    return reasons


def _tokenizer(base_model: BaseModel) -> object:
    """What tells its tokenizer from another: the digest of its file, or how many tokens it knows."""
    return base_model.facts.get("files", {}).get("tokenizer.json") or base_model.facts.get("vocabulary")


def lowest_loss(found: Sequence[Figures]) -> Figures | None:
    """The best by held-out loss of those that ended well; None with fewer than two, or when losses do not compare."""
    ended = [each for each in found if not each.is_so_far and each.kept]
    if len(ended) < 2 or not_comparable([each.run for each in ended]):
        return None
    return min(ended, key=lambda each: _value(each.loss))


def most_exact(found: Sequence[Figures]) -> Figures | None:
    """The best by exact match of those that ended well; None where fewer than two have one or all are the same."""
    ended = [each for each in found if not each.is_so_far and each.exact]
    if len({each.exact.value for each in ended if each.exact}) < 2:
        return None
    return max(ended, key=lambda each: -1.0 if each.exact is None or each.exact.value is None else each.exact.value)


def is_within(best: Figures, other: Figures) -> bool:
    """Whether the loss of `other` lies inside of the interval of the best, so that they are hardly told apart."""
    return (
        other is not best
        and other.kept is not None
        and best.loss.high is not None
        and (_value(other.loss) <= best.loss.high)
    )


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _value(estimate: Estimate) -> float:
    return float("inf") if estimate.value is None else estimate.value

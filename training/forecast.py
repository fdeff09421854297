"""What a run, or a sweep of runs, will take, before it is started: memory by lengths and shapes, time by what earlier
runs took."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from django.db.models import Case, QuerySet, TextField, Value, When
from django.db.models.functions import Cast, Length

from clinicalft.access import Refused
from clinicalft.models import WorkStatus
from training.engine.config import MachineConfig, RunConfig
from training.engine.estimate import Shape, fitted, token_counts
from training.engine.outcome import BadInput
from training.models import Adapter, BaseModel, Dataset, Example, Method, Run, RunEvent, Split
from training.rules.runs import base_model_path

N_DRAWN = 200
N_LONGEST = 8
CHARACTERS_OF_A_TOKEN = 3
TOKENS_OF_A_TURN = 4
PROCESS = 600_000_000
"""Bytes that Python, torch and transformers take before any model is loaded."""


@dataclass(frozen=True)
class Forecast:
    """Counts in tokens, memory in bytes, time in seconds; None where it cannot be known yet.

    n_read of n_examples were counted, evenly drawn, and the longest of all; `refusal` says why the run cannot be done.
    """

    n_examples: int
    n_read: int
    is_counted: bool
    longest: int
    n_cut: int
    tokens: int
    memory: int
    room: int | None
    adjusted: list[str]
    seconds: float | None
    as_fast_as: str
    refusal: str

    def to_json(self) -> dict[str, Any]:
        """For the row of the run."""
        return asdict(self)


@dataclass(frozen=True)
class SweepForecast:
    """Of all runs together: their number, their time one after the other (None where it cannot be known), and the
    memory of the largest; `refusal` names the first run that cannot be done, and why."""

    n_runs: int
    seconds: float | None
    memory: int
    room: int | None
    tokens: int
    refusal: str

    @classmethod
    def of(cls, plan: Sequence[tuple[BaseModel, Mapping[str, Any]]], runs: Sequence[Forecast]) -> Self:
        """From the forecast of each run of the plan."""
        refused = next(((pair, run) for pair, run in zip(plan, runs, strict=True) if run.refusal), None)
        seconds = [run.seconds for run in runs if run.seconds is not None]
        return cls(
            n_runs=len(runs), seconds=sum(seconds) if len(seconds) == len(runs) else None,
            memory=max(run.memory for run in runs), room=runs[0].room, tokens=sum(run.tokens for run in runs),
            refusal=f"{refused[0][0].name}, rank {refused[0][1]['rank']}: {refused[1].refusal}" if refused else "",
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """For the row of the sweep."""
        return asdict(self)


@dataclass(frozen=True)
class Sizes:
    """Tokens of the conversations of the examples that were read, before any is cut: of each one, or, of pairs, two.

    is_counted: with the tokenizer of the base model, and not guessed from characters
    """

    n_examples: int
    n_drawn: int
    drawn: list[int]
    longest: list[int]
    is_counted: bool


def forecast_run(
    dataset: Dataset, base_model: BaseModel, config: Mapping[str, Any], start_adapter: Adapter | None = None
) -> Forecast:
    """Of a training of `dataset` on `base_model` with these values of RunConfig, on the worker that trained last.

    With `start_adapter`, of its preference tuning on pairs, by these values of PreferenceConfig.
    """
    return _forecast(_sizes(dataset, base_model, config, start_adapter), base_model, config, start_adapter)


def forecast_each(dataset: Dataset, plan: Sequence[tuple[BaseModel, Mapping[str, Any]]]) -> list[Forecast]:
    """Of fine-tunings of `dataset`, each on a base model with values of RunConfig; texts are read once for each model
    and forecast once for each rank, since learning rate and seed change neither memory nor time."""
    sizes: dict[int, Sizes] = {}
    found: dict[tuple[int, int], Forecast] = {}
    for base_model, config in plan:
        if base_model.pk not in sizes:
            sizes[base_model.pk] = _sizes(dataset, base_model, config, None)
        key = (base_model.pk, config["rank"])
        if key not in found:
            found[key] = _forecast(sizes[base_model.pk], base_model, config, None)
    return [found[base_model.pk, config["rank"]] for base_model, config in plan]


def _forecast(
    sizes: Sizes, base_model: BaseModel, config: Mapping[str, Any], start_adapter: Adapter | None
) -> Forecast:
    full = [*sizes.drawn, *sizes.longest]
    lengths = [min(length, config["max_length"]) for length in full]
    # The longest are read on top of what was drawn and would make the mean too large.
    tokens = round(sum(lengths[: len(sizes.drawn)]) / sizes.n_drawn * sizes.n_examples * config["epochs"])
    seconds, as_fast_as = _time(base_model, tokens, Method.DPO if start_adapter else Method.SFT)
    of_pairs = len(sizes.drawn) // sizes.n_drawn
    # Both answers of a pair are computed together, so a batch of pairs holds twice as many conversations.
    together = [sum(lengths[place : place + of_pairs]) for place in range(0, len(lengths), of_pairs)]
    return Forecast(
        n_examples=sizes.n_examples, n_read=len(full) // of_pairs, is_counted=sizes.is_counted, longest=max(lengths),
        n_cut=sum(length > config["max_length"] for length in full), tokens=tokens, seconds=seconds,
        as_fast_as=as_fast_as,
        **_memory(base_model, _with_shape(config, start_adapter), together),
    )  # fmt: skip


def _with_shape(config: Mapping[str, Any], start_adapter: Adapter | None) -> dict[str, Any]:
    """The settings that decide about memory: of preference tuning with the rank and modules of the adapter that it goes
    on from."""
    shape = RunConfig(base_model="chosen").to_json()
    if start_adapter:
        shape |= {name: value for name, value in start_adapter.lora.items() if name in shape} | {"four_bit": False}
    return {**shape, **config}


def _sizes(dataset: Dataset, base_model: BaseModel, config: Mapping[str, Any], start_adapter: Adapter | None) -> Sizes:
    learnt = dataset.examples.exclude(split=Split.TEST)
    drawn, longest = _read(learnt)
    conversations = [
        messages for example in (*drawn, *longest) for messages in _conversations(example, start_adapter is not None)
    ]
    found, is_counted = _lengths(conversations, base_model, config)
    n = len(drawn) * (2 if start_adapter else 1)
    return Sizes(learnt.filter(split=Split.TRAIN).count(), len(drawn), found[:n], found[n:], is_counted)


def _conversations(example: Example, is_pair: bool) -> Iterator[list[Mapping[str, str]]]:
    yield example.messages
    if is_pair:
        yield [*example.messages[:-1], {"role": "assistant", "content": example.rejected}]


def _read(learnt: QuerySet[Example]) -> tuple[list[Example], list[Example]]:
    """Examples evenly drawn over the dataset, and the longest ones that are not among them."""
    keys = list(learnt.order_by("number").values_list("pk", flat=True))
    drawn = keys[:: max(1, len(keys) // N_DRAWN)]
    longest = learnt.annotate(size=Length(Cast("messages", TextField()))).order_by("-size", "pk")[:N_LONGEST]
    return list(learnt.filter(pk__in=drawn).order_by("number")), [each for each in longest if each.pk not in drawn]


def _lengths(
    conversations: list[list[Mapping[str, str]]], base_model: BaseModel, config: Mapping[str, Any]
) -> tuple[list[int], bool]:
    """Tokens of each conversation before it is cut, and whether they were counted and not guessed from characters."""
    turns = [turn for messages in conversations for turn in messages]
    try:
        counted = token_counts(base_model_path(base_model.folder), [turn["content"] for turn in turns])
    except Refused:
        counted = None
    sizes = iter(counted or [len(turn["content"]) // CHARACTERS_OF_A_TOKEN + 1 for turn in turns])
    question = config["max_question"]

    def size(turn: Mapping[str, str]) -> int:
        found = next(sizes)
        return TOKENS_OF_A_TURN + (min(found, question + 3) if question and turn["role"] == "user" else found)

    return [sum(size(turn) for turn in messages) for messages in conversations], counted is not None


def _memory(base_model: BaseModel, config: Mapping[str, Any], lengths: list[int]) -> dict[str, Any]:
    """Memory of the whole process, what the worker that trained last has, and what has to change so that it fits."""
    shape = Shape.of({**base_model.facts, "n_parameters": base_model.n_parameters})
    began = RunEvent.objects.filter(kind="start", values__has_key="estimate").order_by("-pk").first()
    room = began.values["estimate"]["room"] if began else None
    is_on_card = began is not None and str(began.values["device"]).startswith("cuda")
    before = shape.weights(config) + (0 if is_on_card else PROCESS)
    refusal, adjusted, needed = "", [], 0
    try:
        fit = fitted(
            shape, config, MachineConfig(), lengths, is_packed=True,
            n_trainable=shape.n_trained(config), is_on_card=is_on_card,
            free=None if room is None else max(0, room - before),
        )  # fmt: skip
        needed, adjusted = fit.memory, fit.adjusted
    except BadInput as error:
        refusal = f"{error.sentence} {error.advice}"
    if began and config["four_bit"] and not is_on_card:
        refusal = "QLoRA needs a graphics card, and the worker that trained last has none. Switch it off."
    return {"memory": before + needed, "room": room, "adjusted": adjusted, "refusal": refusal}


def _time(base_model: BaseModel, tokens: int, method: str) -> tuple[float | None, str]:
    """Seconds for so many tokens, and the run from which they follow: of the same method and base model if one has
    ended, else of the same method, else the last one."""
    ended = Run.objects.filter(status=WorkStatus.DONE, result__has_key="tokens").select_related("base_model")
    likeness = Case(When(method=method, base_model=base_model, then=2), When(method=method, then=1), default=Value(0))
    run = ended.order_by(likeness.desc(), "-finished_at").first()
    if run is None or not run.result["seconds"] or not run.base_model.n_parameters:
        return None, ""
    speed = run.result["tokens"] / run.result["seconds"] * run.base_model.n_parameters / base_model.n_parameters
    like = "" if run.method == method else ", which was of another method"
    return tokens / speed, f"{speed:,.0f} tokens a second, from the last run on {run.base_model.name}{like}"

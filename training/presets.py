"""What stands in the forms of runs and sweeps before anybody has typed: the usual, or what an earlier run had."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from training.engine.config import DEMO_SETTINGS, RunConfig
from training.models import Adapter, BaseModel, Method, Run

WHOLE = "WHOLE"
"""The form of fine-tuning that trains every weight; its runs are of the method SFT."""
DEMO_PREFERENCES: Mapping[str, Any] = MappingProxyType(
    {"learning_rate": 5e-4, "epochs": 2, "batch_size": 4, "max_length": 512, "max_question": 160}
)
"""PreferenceConfig values that suit the tiny base model."""
DEMO_WHOLE: Mapping[str, Any] = MappingProxyType({**DEMO_SETTINGS, "learning_rate": 1e-3})
"""RunConfig values with which every weight of the tiny base model is trained."""
WHOLE_RATE = 2e-5
"""The usual peak step size of full fine-tuning; that of adapters is ten times as large."""
AS_IT_LEARNT = ("max_length", "max_question", "precision")


def usual(method: str, *, is_demo: bool) -> dict[str, Any]:
    """The engine's own defaults, or, where there is nothing but the tiny demo model, values that suit it; `method` is
    one of Method, or WHOLE."""
    if not is_demo:
        return {"learning_rate": WHOLE_RATE} if method == WHOLE else {}
    return dict({Method.DPO: DEMO_PREFERENCES, WHOLE: DEMO_WHOLE}.get(method, DEMO_SETTINGS))


def first_sweep(*, is_demo: bool, base_models: Iterable[BaseModel]) -> dict[str, Any]:
    """A small sweep to begin with: three ranks at the usual learning rate and half and twice of it."""
    settings = usual(Method.SFT, is_demo=is_demo)
    rate, rank = settings.pop("learning_rate", RunConfig.learning_rate), settings.pop("rank", RunConfig.rank)
    return {
        **settings, "ranks": [rank // 2, rank, 2 * rank], "learning_rates": [rate / 2, rate], "seeds": [RunConfig.seed],
        "base_models": list(base_models),
    }  # fmt: skip


def to_go_on_from(adapter: Adapter) -> dict[str, Any]:
    """Preference tuning of an adapter, with what has to stay as it was."""
    return {"start_adapter": adapter, **as_it_learnt(adapter)}


def as_it_learnt(adapter: Adapter) -> dict[str, Any]:
    """Texts laid out as the adapter learnt them."""
    return {name: adapter.config[name] for name in AS_IT_LEARNT if name in adapter.config}


def as_in(run: Run) -> dict[str, Any]:
    """Everything as in an earlier run, which may have failed."""
    parts = {"dataset": run.dataset, "base_model": run.base_model, "start_adapter": run.start_adapter}
    return {**run.config, **parts}


def around(run: Run) -> dict[str, Any]:
    """A sweep around an earlier fine-tuning: its values, half and twice of them."""
    config = run.config
    rank, rate = config["rank"], config["learning_rate"]
    return {
        **config, "dataset": run.dataset, "base_models": [run.base_model], "seeds": [config["seed"]],
        "ranks": sorted({max(1, rank // 2), rank, min(512, 2 * rank)}),
        "learning_rates": [rate / 2, rate, min(1.0, 2 * rate)], "alpha_per_rank": config["alpha"] / rank,
    }  # fmt: skip

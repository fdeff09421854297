"""Preference tuning: the chosen answers pull ahead on pairs that were never trained on."""

import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer

from tests.pure.engine.conftest import MACHINE, WORDS, conversations, events, result, run_here
from tests.pure.engine.test_training import StopAfter, weights
from training.engine.adapter import check_adapter
from training.engine.base_model import inspect_base_model
from training.engine.config import MachineConfig, PreferenceConfig, RunConfig
from training.engine.estimate import Shape, training_memory
from training.engine.folder import RunFolder, prepare_run_folder
from training.engine.outcome import BadInput, Interrupted

MakePreference = Callable[..., RunFolder]
QUESTION = {"role": "user", "content": "Which?"}


def answer(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def pairs(count: int, *, start: int = 0) -> list[dict[str, Any]]:
    """The answer in words as they are is preferred to the same words back to front."""
    rows = conversations(count, start=start)
    words = [[WORDS[(number * 5 + place) % len(WORDS)] for place in range(4)] for number in range(start, start + count)]
    return [
        {"id": row["id"], "messages": [row["messages"][0], answer(" ".join(each))], "rejected": " ".join(each[::-1])}
        for row, each in zip(rows, words, strict=True)
    ]


@pytest.fixture(scope="module")
def sft(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> RunFolder:
    """A fine-tuned adapter to go on from."""
    config = RunConfig(base_model=str(tiny_base), rank=4, alpha=8, epochs=1, max_length=64, learning_rate=1e-2)
    rows = {"train": conversations(20), "validation": conversations(6, start=100)}
    folder = prepare_run_folder(tmp_path_factory.mktemp("sft"), config, MACHINE, **rows)
    run_here(folder)
    return folder


@pytest.fixture
def make_preference(tmp_path: Path, tiny_base: Path, sft: RunFolder) -> MakePreference:
    """Makes a folder that learns from 16 pairs; keywords change the PreferenceConfig."""

    def make(name: str = "dpo", machine: MachineConfig = MACHINE, **values: Any) -> RunFolder:
        rows = {"train": pairs(16), "validation": pairs(8, start=100)}
        rows |= {part: values.pop(part) for part in list(rows) if part in values}
        settings: dict[str, Any] = {
            "base_model": str(tiny_base), "adapter": str(sft.adapter), "epochs": 3, "batch_size": 4, "max_length": 64,
            "learning_rate": 5e-3, "schedule": "constant",
        }  # fmt: skip
        return prepare_run_folder(tmp_path / name, PreferenceConfig(**(settings | values)), machine, **rows)

    return make


def test_chosen_answers_pull_ahead_on_pairs_that_were_held_out(make_preference: MakePreference, sft: RunFolder) -> None:
    folder = make_preference()

    run_here(folder)

    first, *_, last = events(folder, "evaluation")
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-5), "before the first update nothing is preferred"
    assert first["margin"] == pytest.approx(0, abs=1e-5)
    assert last["margin"] > 0.05
    assert 0 < last["margin_se"] < last["margin"]
    assert last["n_preferred"] >= 7
    assert last["loss"] < first["loss"]
    assert len(events(folder, "sample")) == 3 * 4
    assert result(folder)["parent_digest"] == check_adapter(sft.adapter, "")["digest"]
    assert check_adapter(folder.adapter, "")["parent_digest"] == result(folder)["parent_digest"]


def test_the_adapter_that_it_goes_on_from_is_left_as_it_was_and_the_new_one_has_its_shape(
    make_preference: MakePreference, sft: RunFolder
) -> None:
    before = check_adapter(sft.adapter, "")["digest"]
    folder = make_preference(epochs=1)

    run_here(folder)

    assert check_adapter(sft.adapter, before)
    old, new = (load_file(each.adapter / "adapter_model.safetensors") for each in (sft, folder))
    assert {name: value.shape for name, value in old.items()} == {name: value.shape for name, value in new.items()}


def test_stopping_and_resuming_keeps_the_first_reference_and_ends_in_the_same_adapter(
    make_preference: MakePreference,
) -> None:
    plain, stopped = make_preference("plain"), make_preference("stopped")
    run_here(plain)

    # Six looks for the reference, two and some of the first evaluation, then updates.
    with pytest.raises(Interrupted):
        run_here(stopped, StopAfter(40))
    assert events(stopped, "checkpoint")
    run_here(stopped)

    assert events(stopped, "start")[-1]["step"] > 0
    assert result(stopped)["adapter_digest"] == result(plain)["adapter_digest"]


def test_packed_and_split_pairs_are_learnt_alike(make_preference: MakePreference) -> None:
    machines = {
        "packed": MachineConfig(device="cpu", packing="on"),
        "split": MachineConfig(device="cpu", micro_batch_tokens=64),
    }
    plain = make_preference("plain", epochs=1)
    run_here(plain)

    for name, machine in machines.items():
        other = make_preference(name, machine=machine, epochs=1)
        run_here(other)
        torch.testing.assert_close(weights(plain), weights(other), rtol=1e-3, atol=2e-4)


def test_the_memory_of_a_batch_of_pairs_is_that_of_both_answers_of_each(
    make_preference: MakePreference, tiny_base: Path, sft: RunFolder
) -> None:
    rows = [row["messages"] for row in pairs(16)] + [[row["messages"][0], answer(row["rejected"])] for row in pairs(16)]
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    longest = max(len(tokenizer.apply_chat_template(each)["input_ids"]) for each in rows)
    needed = training_memory(
        Shape.of(asdict(inspect_base_model(tiny_base))), RunConfig(base_model="-").to_json(), n_tokens=8 * longest,
        n_trainable=(sft.adapter / "adapter_model.safetensors").stat().st_size // 4, is_recomputed=False,
        is_on_card=False,
    )  # fmt: skip
    folder = make_preference("tight", MachineConfig(device="cpu", packing="off", memory_limit=needed), epochs=1)

    run_here(folder)

    (start,) = events(folder, "start")
    assert "Batches are computed in parts" in start["estimate"]["adjusted"][1], "four pairs take all there is"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rejected": " "}, "Line 1 of train.jsonl: The rejected answer must be text"),
        ({"messages": []}, "Line 1 of train.jsonl: There are no messages."),
        ({"id": 7}, "Line 1 of train.jsonl: The id must be text"),
        (
            {"rejected": "same", "messages": [QUESTION, answer("same")]},
            "The chosen and the rejected answer of pair c0 are the same",
        ),
    ],
)
def test_a_pair_that_cannot_be_learnt_from_is_named(
    make_preference: MakePreference, change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadInput, match=sentence):
        run_here(make_preference(train=[pairs(1)[0] | change]))


def test_an_adapter_that_was_changed_is_refused(make_preference: MakePreference) -> None:
    with pytest.raises(BadInput, match="adapter has changed"):
        run_here(make_preference(adapter_digest="0" * 64))

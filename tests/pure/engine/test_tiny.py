"""The tiny base model is the same for the same seed, and survives a stop."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from tests.pure.engine.conftest import MACHINE, WORDS, events, result, run_here
from tests.pure.engine.test_training import StopAfter
from training.engine.base_model import inspect_base_model
from training.engine.config import BuildConfig
from training.engine.folder import RunFolder, prepare_run_folder
from training.engine.outcome import BadInput, Interrupted

CORPUS = [{"text": " ".join(WORDS[(a * 5 + b * (1 + a % 4)) % len(WORDS)] for b in range(40))} for a in range(120)]


def make_build(path: Path, corpus: list[dict[str, str]] = CORPUS, **values: Any) -> RunFolder:
    """A folder that builds a model of a few thousand parameters."""
    shape = {"vocabulary": 300, "hidden": 16, "layers": 1, "heads": 2, "kv_heads": 1, "mlp": 32, "context": 128}
    settings = {"steps": 8, "step_tokens": 128, "window": 32, "learning_rate": 1e-2}
    config = BuildConfig(licence="CC0-1.0", credit="made up", **(shape | settings | values))
    return prepare_run_folder(path, config, MACHINE, corpus=corpus)


def test_same_seed_same_model_even_after_a_stop(tmp_path: Path) -> None:
    plain, stopped, other = (make_build(tmp_path / name) for name in ("plain", "stopped", "other"))
    other = make_build(tmp_path / "other", seed=1)
    with pytest.raises(Interrupted):
        run_here(stopped, StopAfter(6))
    for folder in (plain, stopped, other):
        run_here(folder)

    assert result(plain)["base_digest"] == result(stopped)["base_digest"]
    assert result(plain)["base_digest"] != result(other)["base_digest"]
    assert result(plain)["base_digest"] == inspect_base_model(plain.base).digest
    assert result(stopped)["attempts"] == 2


def test_pre_training_lowers_the_held_out_loss_and_shows_progress(tmp_path: Path) -> None:
    folder = make_build(tmp_path, steps=40)

    run_here(folder)

    losses = [event["loss"] for event in events(folder, "evaluation")]
    assert len(losses) == 5
    assert losses[-1] < 0.9 * losses[0]
    assert [event["step"] for event in events(folder, "step")] == list(range(1, 41))


def test_control_tokens_are_in_the_vocabulary_and_padding_is_not_the_end(tiny_base: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    vocabulary = json.loads((tiny_base / "config.json").read_text())["vocab_size"]

    ids = tokenizer.convert_tokens_to_ids(["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"])

    assert len(set(ids)) == 5
    assert max(ids) < vocabulary
    assert tokenizer.pad_token_id != tokenizer.eos_token_id


def test_any_text_survives_the_tokenizer(tiny_base: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    text = "Temp 38.5 \u00b0C, \u00e9l\u00e8ve \U0001f9ea, \u8840\u5727 120/80\n\n  end "

    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


@pytest.mark.parametrize(
    ("corpus", "sentence"), [([{"text": " "}], "holds no text"), ([{"text": "a cough"}], "tokens; at least")]
)
def test_a_corpus_that_is_too_small_is_refused(tmp_path: Path, corpus: list[dict[str, str]], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        run_here(make_build(tmp_path, corpus))

"""Several adapters take turns on one loaded base model; continuous batching answers as static batches do."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.pure.engine.conftest import MACHINE, conversation, conversations, events, result, run_here
from tests.pure.engine.test_generation import adapter as adapter
from tests.pure.engine.test_generation import outputs, texts
from training.engine import continuous, generate
from training.engine.answers import Decoding, Prompt, answers, stop_tokens
from training.engine.config import GroupConfig
from training.engine.continuous import continuous_answers, is_faster
from training.engine.data import prompt_tokens
from training.engine.folder import RunFolder, prepare_run_folder
from training.engine.stop import Stop
from training.engine.systems import MERGE_ABOVE, adapted

MakeFolder = Callable[..., RunFolder]


def test_a_group_answers_as_each_alone_does_and_loads_the_base_model_once(
    make_generation: MakeFolder, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []
    load = generate.load_base
    monkeypatch.setattr(generate, "load_base", lambda *args, **options: loads.append(args) or load(*args, **options))
    alone = [make_generation("tuned", adapter=str(adapter)), make_generation("base")]
    for folder in alone:
        run_here(folder)
    altered = Path(shutil.copytree(adapter, tmp_path / "altered"))
    (altered / "adapter_config.json").write_text("{}")
    together = [
        make_generation("tuned-too", adapter=str(adapter)), make_generation("gone", adapter=str(altered)),
        make_generation("base-too"), make_generation("tuned-again", adapter=str(adapter)),
    ]  # fmt: skip
    group = prepare_run_folder(tmp_path / "group", GroupConfig(tuple(each.path.name for each in together)), MACHINE)

    run_here(group)

    assert len(loads) == 3
    assert texts(together[0]) == texts(together[3]) == texts(alone[0])
    assert texts(together[2]) == texts(alone[1])
    refused = events(group, "refused")
    assert [(event["folder"], "adapter has changed" in event["sentence"]) for event in refused] == [("gone", True)]
    assert [event["folder"] for event in events(group, "result")] == ["tuned-too", "base-too", "tuned-again"]


def test_above_fifty_rows_the_adapter_is_merged_and_the_difference_is_recorded(
    make_generation: MakeFolder, adapter: Path
) -> None:
    rows = [conversation(number, length=3 + number % 9) for number in range(MERGE_ABOVE + 1)]
    few = make_generation("few", rows=rows[:9], adapter=str(adapter))
    many = make_generation("many", rows=rows, adapter=str(adapter))
    for folder in (few, many):
        run_here(folder)

    assert result(few)["adapter"] == {"is_merged": False}
    merged = result(many)["adapter"]
    assert (merged["is_merged"], merged["n_compared"]) == (True, 8)
    assert 0 <= merged["largest_difference"] < 1e-4
    assert texts(few).items() <= texts(many).items()
    assert result(many)["rows_answered"] == MERGE_ABOVE + 1


# PEFT 0.21 still asks transformers 5.23 under the old name.
@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_after_an_adapter_the_base_model_is_bit_for_bit_what_it_was(
    tiny_base: Path, adapter: Path, precision: torch.dtype
) -> None:
    base = AutoModelForCausalLM.from_pretrained(tiny_base, dtype=precision).eval()
    before = {name: value.clone() for name, value in base.state_dict().items()}

    for n_rows in (1, MERGE_ABOVE + 1):
        with adapted(base, adapter, digest="", base_digest="", prompts=[[5, 6, 7], [8]], n_rows=n_rows) as (model, _):
            assert model.dtype == precision

        after = base.state_dict()
        assert list(after) == list(before)
        assert all(torch.equal(after[name], value) for name, value in before.items())


def test_continuous_batching_gives_the_answers_and_log_probabilities_of_static_batches(
    tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The library sizes its cache by the free memory, of which it would fill gigabytes for these three prompts.
    small = partial(continuous.ContinuousBatchingConfig, num_blocks=16, max_batch_tokens=256)
    monkeypatch.setattr(continuous, "ContinuousBatchingConfig", small)
    tokenizer = AutoTokenizer.from_pretrained(tiny_base)
    model = AutoModelForCausalLM.from_pretrained(tiny_base, attn_implementation="sdpa").eval()
    rows = [*conversations(3), conversation(99, length=250)]
    prompts = [Prompt(row["id"], prompt_tokens(tokenizer, row["messages"][:1], max_question=0)) for row in rows]
    decoding = Decoding(stop_tokens(model, tokenizer), 4, 256, 10_000, keep_logprobs=True)

    static = {answer.id: answer for answer in answers(model, prompts, decoding, Stop())}
    moving = {answer.id: answer for answer in continuous_answers(model, prompts, decoding, Stop())}

    assert {key: (each.tokens, each.finish) for key, each in moving.items()} == {
        key: (each.tokens, each.finish) for key, each in static.items()
    }
    for key, answer in static.items():
        assert moving[key].logprobs == pytest.approx(answer.logprobs, abs=1e-3)
    assert static["c99"].finish == "prompt-too-long"


def test_on_a_processor_answers_are_computed_in_static_batches(make_generation: MakeFolder) -> None:
    decoding = Decoding(frozenset({1}), 8, 100, 1000)

    assert not is_faster(torch.device("cpu"), [Prompt(str(n), [1]) for n in range(100)], decoding)
    folder = make_generation(rows=conversations(2))
    run_here(folder)
    assert result(folder)["driver"] == "static"
    assert len(outputs(folder)) == 2

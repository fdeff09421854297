"""Each prompt is answered exactly once, and alike in a batch, alone, or after a kill."""

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.pure.engine.conftest import conversation, conversations, events, result, run_here
from tests.pure.engine.test_training import StopAfter
from training.engine.answers import Decoding, Prompt, prompt_batches
from training.engine.files import read_rows
from training.engine.folder import RunFolder
from training.engine.outcome import BadInput, ExitCode, Interrupted

MakeFolder = Callable[..., RunFolder]


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """An adapter that changes what the base model says."""
    from tests.pure.engine.conftest import MACHINE
    from training.engine.config import RunConfig
    from training.engine.folder import prepare_run_folder

    config = RunConfig(base_model=str(tiny_base), rank=4, epochs=5, batch_size=4, max_length=64, learning_rate=3e-2)
    rows = {"train": conversations(20), "validation": conversations(4, start=100)}
    folder = prepare_run_folder(tmp_path_factory.mktemp("adapter"), config, MACHINE, **rows)
    run_here(folder)
    return folder.adapter


def outputs(folder: RunFolder) -> dict[str, dict[str, Any]]:
    """Answers by id; a repeated id fails."""
    rows = list(read_rows(folder.outputs_file))
    assert max(Counter(row["id"] for row in rows).values()) == 1
    return {row["id"]: row for row in rows}


def texts(folder: RunFolder) -> dict[str, str]:
    """Answer texts by id."""
    return {name: row["text"] for name, row in outputs(folder).items()}


def library_answer(base: Path, row: dict[str, Any], adapter: Path | None = None) -> str:
    """The greedy answer of the library's own generate, one prompt at a time."""
    from peft import PeftModel

    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base)
    if adapter:
        model = PeftModel.from_pretrained(model, adapter)
    text = tokenizer.apply_chat_template(row["messages"][:1], tokenize=False, add_generation_prompt=True)
    prompt = tokenizer(text, return_tensors="pt", add_special_tokens=False)
    found = model.generate(**prompt, max_new_tokens=8, do_sample=False)
    return str(tokenizer.decode(found[0, prompt.input_ids.shape[1] :], skip_special_tokens=True))


def test_batched_answers_are_those_of_the_library_one_by_one(make_generation: MakeFolder, tiny_base: Path) -> None:
    rows = conversations(12)
    folder = make_generation(rows=rows)

    run_here(folder)

    assert texts(folder) == {row["id"]: library_answer(tiny_base, row) for row in rows}


def test_the_adapter_is_merged_and_answers_as_the_library_does(
    make_generation: MakeFolder, tiny_base: Path, adapter: Path
) -> None:
    rows = conversations(4)
    base, tuned = make_generation("base", rows=rows), make_generation("tuned", rows=rows, adapter=str(adapter))
    for folder in (base, tuned):
        run_here(folder)

    assert texts(tuned) == {row["id"]: library_answer(tiny_base, row, adapter) for row in rows}
    assert texts(tuned) != texts(base)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_answers_do_not_depend_on_the_batch(make_generation: MakeFolder, temperature: float) -> None:
    wide = make_generation("wide", temperature=temperature)
    narrow = make_generation("narrow", temperature=temperature, batch_tokens=16)
    for folder in (wide, narrow):
        run_here(folder)

    assert texts(wide) == texts(narrow)


def test_sampling_follows_the_seed(make_generation: MakeFolder) -> None:
    folders = [make_generation(str(place), temperature=1.5, seed=seed) for place, seed in enumerate((1, 1, 2))]
    for folder in folders:
        run_here(folder)

    first, again, other = map(texts, folders)
    assert first == again
    assert first != other


@pytest.mark.parametrize("looks", [0, 3, 9, 12])
def test_a_stopped_inference_goes_on_where_it_was(make_generation: MakeFolder, looks: int) -> None:
    plain, stopped = make_generation("plain"), make_generation("stopped", batch_tokens=100)
    run_here(plain)

    with pytest.raises(Interrupted):
        run_here(stopped, StopAfter(looks))
    done = outputs(stopped) if looks > 8 else {}
    run_here(stopped)

    assert texts(stopped) == texts(plain)
    assert all(outputs(stopped)[name] == row for name, row in done.items())
    assert events(stopped, "step")[-1]["step"] == 12


def test_a_torn_last_line_is_answered_again(make_generation: MakeFolder) -> None:
    plain, torn = make_generation("plain"), make_generation("torn")
    for folder in (plain, torn):
        run_here(folder)
    os.truncate(torn.outputs_file, torn.outputs_file.stat().st_size - 5)

    run_here(torn)

    assert texts(torn) == texts(plain)


def test_kill_9_and_restart_answers_every_prompt_exactly_once(
    make_generation: MakeFolder, start: Callable[[RunFolder], "subprocess.Popen[bytes]"]
) -> None:
    rows = [conversation(number, length=5) for number in range(120)]
    folder = make_generation(rows=rows, max_new_tokens=20, batch_tokens=100)

    child = start(folder)
    end = time.monotonic() + 60
    while not (folder.outputs_file.exists() and folder.outputs_file.stat().st_size > 1000):
        assert time.monotonic() < end
        time.sleep(0.01)
    child.kill()
    assert child.wait(30) == -signal.SIGKILL
    n_done = folder.outputs_file.read_text().count("\n")
    assert start(folder).wait(60) == ExitCode.DONE

    assert 0 < n_done < 120
    assert set(outputs(folder)) == {row["id"] for row in rows}
    assert events(folder, "start")[-1]["step"] >= n_done - 1


def test_finish_tells_why_an_answer_ended(make_generation: MakeFolder) -> None:
    rows = [conversation(1, length=3), conversation(2, length=250)]
    folder = make_generation(rows=rows, max_new_tokens=3)

    run_here(folder)

    found = outputs(folder)
    assert found["c2"]["finish"] == "prompt-too-long"
    assert (found["c2"]["text"], found["c2"]["n_tokens"]) == ("", 0)
    assert found["c1"]["finish"] in ("stop", "length")
    assert found["c1"]["n_tokens"] <= 3
    assert sum(result(folder)["finish"].values()) == 2


def test_a_long_question_is_shortened_on_request(make_generation: MakeFolder) -> None:
    folder = make_generation(rows=[conversation(2, length=250)], max_new_tokens=3, max_question=40)

    run_here(folder)

    assert outputs(folder)["c2"]["finish"] != "prompt-too-long"


def test_answers_of_other_settings_in_the_folder_are_refused(make_generation: MakeFolder) -> None:
    run_here(make_generation())

    with pytest.raises(BadInput, match="made with other settings"):
        run_here(make_generation(max_new_tokens=9))


def test_a_missing_adapter_and_one_of_another_base_are_refused(
    make_generation: MakeFolder, adapter: Path, tmp_path: Path, tiny_base: Path
) -> None:
    import shutil

    from training.engine.base_model import inspect_base_model

    other = Path(shutil.copytree(tiny_base, tmp_path / "other"))
    (other / "README.md").write_text("another")
    digest = inspect_base_model(other).digest

    with pytest.raises(BadInput, match="There is no adapter in the folder 'gone'"):
        run_here(make_generation("missing", adapter=str(tmp_path / "gone")))
    with pytest.raises(BadInput, match="trained on another base model"):
        run_here(make_generation("foreign", adapter=str(adapter), base_model=str(other), base_digest=digest))


def test_batches_are_sorted_and_fit_the_room() -> None:
    prompts = [Prompt(str(length), [1] * length) for length in (5, 40, 10, 20, 30)]
    decoding = Decoding(stop_tokens=frozenset(), max_new_tokens=10, context=100, batch_tokens=80)

    found = [[len(prompt.tokens) for prompt in batch] for batch in prompt_batches(prompts, decoding)]

    assert found == [[40], [30, 20], [10, 5]]


def test_outputs_are_plain_json_lines(make_generation: MakeFolder) -> None:
    folder = make_generation(rows=conversations(2))

    run_here(folder)

    for line in folder.outputs_file.read_text().splitlines():
        assert set(json.loads(line)) == {"id", "text", "n_tokens", "finish", "seconds"}

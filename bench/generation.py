"""Speed of answering beside the library's generate, and what forms and log-probabilities cost; prints one JSON line.

64 conversations that the demo carries, of mixed lengths, answered with at most 64 new tokens, greedily: one by one and
in unsorted batches of 16 by transformers' `generate`, by its continuous batching (the first 8 only, as that is slow on
processors), and by the engine. Twice: "whole" answers go on for 64 tokens whatever the model has learnt to end with, so
that figures of two base models can be compared; "ended" ones end where the model ends them, and are some of them held
to a form. Answers have to be those that one by one gives; others are counted. Tokens are those of the answers, never
padding; seconds are the processor's, of one thread, so that other work on the machine disturbs little; contenders take
turns, and the median counts.
Run: python bench/generation.py [--base FOLDER] [--adapter FOLDER]; without them the tiny base model and the adapter of
the demo are made first.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from bench.training import built_base, demo, parts
from training.engine.answers import Answer, Decoding, Prompt, answers, left_padded, stop_tokens
from training.engine.config import GenerateConfig
from training.engine.continuous import continuous_answers
from training.engine.data import end_of_turn, prompt_tokens
from training.engine.grammar import Grammars
from training.engine.stop import Stop
from training.engine.systems import MERGE_ABOVE, adapted

N_PROMPTS = 64
N_CONTINUOUS = 8
LONGEST_QUESTION = 400
NEW_TOKENS = 64
TURNS = 3
ANYTHING = "start: /(?s:.*)/"
Work = Callable[[], Iterator[tuple[str, list[int]]]]


class Contenders:
    """Ways to answer the same prompts with the same model."""

    def __init__(self, base: Path, rows: list[dict[str, Any]]) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(base)
        self.model = AutoModelForCausalLM.from_pretrained(base, attn_implementation="sdpa").eval()
        self.prompts = [
            Prompt(row["id"], prompt_tokens(self.tokenizer, row["messages"][:-1], max_question=LONGEST_QUESTION))
            for row in rows
        ]
        longest = max(len(prompt.tokens) for prompt in self.prompts)
        self.decoding = Decoding(
            stop_tokens(self.model, self.tokenizer), max_new_tokens=NEW_TOKENS, context=2048,
            batch_tokens=N_PROMPTS * (longest + NEW_TOKENS),
        )  # fmt: skip
        # Nobody ever writes padding, so that an answer which only padding ends is as long as it may be.
        self.endless = replace(self.decoding, stop_tokens=frozenset([self.tokenizer.pad_token_id]))
        self.grammars = Grammars(
            self.tokenizer, end=end_of_turn(self.tokenizer), width=self.model.get_output_embeddings().weight.shape[0]
        )
        self.labels = sorted({row["messages"][-1]["content"] for row in rows})

    def by_library(self, size: int, decoding: Decoding) -> Work:
        """transformers' generate, in the order in which the prompts came."""

        def work() -> Iterator[tuple[str, list[int]]]:
            ends = sorted(decoding.stop_tokens)
            for start in range(0, len(self.prompts), size):
                batch = self.prompts[start : start + size]
                tokens, mask = left_padded([prompt.tokens for prompt in batch], self.model.device)
                found = self.model.generate(
                    tokens, attention_mask=mask, max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=ends,
                    pad_token_id=ends[0],
                )  # fmt: skip
                for prompt, row in zip(batch, found[:, tokens.shape[1] :].tolist(), strict=True):
                    end = next((place for place, token in enumerate(row) if token in ends), len(row))
                    yield prompt.id, row[:end]

        return work

    def by_engine(self, decoding: Decoding, grammar: str = "") -> Work:
        """Sorted static batches from which finished rows leave; all prompts at once, if no smaller room is given."""
        prompts = [replace(prompt, grammar=grammar) for prompt in self.prompts]
        return lambda: _plain(answers(self.model, prompts, decoding, Stop(), self.grammars))

    def by_continuous_batching(self, decoding: Decoding) -> Work:
        """The library's continuous batching, of the first few."""
        prompts = self.prompts[:N_CONTINUOUS]
        return lambda: _plain(continuous_answers(self.model, prompts, decoding, Stop()))

    def whole(self) -> dict[str, Work]:
        """Contenders whose answers all have NEW_TOKENS tokens."""
        decoding = self.endless
        return {
            "one_by_one": self.by_library(1, decoding),
            "unsorted_16": self.by_library(16, decoding),
            "engine": self.by_engine(decoding),
            "engine_in_default_room": self.by_engine(replace(decoding, batch_tokens=GenerateConfig.batch_tokens)),
            "engine_with_logprobs": self.by_engine(replace(decoding, keep_logprobs=True)),
            f"continuous_batching_first_{N_CONTINUOUS}": self.by_continuous_batching(decoding),
        }

    def ended(self) -> dict[str, Work]:
        """Contenders whose answers end as the model ends them, or as their form does."""
        label = "start: LABEL\nLABEL: " + " | ".join(json.dumps(each) for each in self.labels)
        return {
            "one_by_one": self.by_library(1, self.decoding),
            "unsorted_16": self.by_library(16, self.decoding),
            "engine": self.by_engine(self.decoding),
            "engine_held_to_any_text": self.by_engine(self.decoding, ANYTHING),
            "engine_held_to_labels": self.by_engine(self.decoding, label),
        }

    def adapter_speeds(self, adapter: Path) -> dict[str, Any]:
        """Tokens a second of the adapter beside the base model and merged, and what the merge changed."""
        found: dict[str, Any] = {"merged_above_rows": MERGE_ABOVE}
        prompts = [prompt.tokens for prompt in self.prompts]
        for name, n_rows in (("beside", 1), ("merged", len(prompts))):
            with adapted(self.model, adapter, digest="", base_digest="", prompts=prompts, n_rows=n_rows) as (
                model,
                said,
            ):
                texts: dict[str, list[int]] = {}
                seconds = _timed(lambda model=model: _plain(answers(model, self.prompts, self.endless, Stop())), texts)
                found[f"{name}_tokens_per_cpu_second"] = round(sum(map(len, texts.values())) / seconds)
                found |= {key: value for key, value in said.items() if key == "largest_difference"}
        return found


def _plain(found: Iterator[Answer]) -> Iterator[tuple[str, list[int]]]:
    return ((answer.id, answer.tokens) for answer in found)


def _timed(work: Work, into: dict[str, list[int]]) -> float:
    began = time.process_time()
    into.update(work())
    return time.process_time() - began


def measured(works: dict[str, Work]) -> dict[str, Any]:
    """Each contender's tokens a processor second, against one by one, and how many of its answers are others."""
    said: dict[str, dict[str, list[int]]] = {name: {} for name in works}
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(TURNS):
        for name, work in works.items():
            seconds[name].append(_timed(work, said[name]))
            print(f"turn {turn + 1} {name} {seconds[name][-1]:.1f} s", file=sys.stderr)
    expected = said["one_by_one"]
    speeds = {name: sum(map(len, said[name].values())) / statistics.median(seconds[name]) for name in works}
    lengths = sorted(map(len, expected.values()))
    return {"answer_tokens": _spread(lengths)} | {
        name: {
            "tokens_per_cpu_second": round(speed), "cpu_seconds": [round(each, 2) for each in seconds[name]],
            "answers_per_cpu_second": round(len(said[name]) / statistics.median(seconds[name]), 1),
            "n_answers": len(said[name]), "other_answers": sum(row != expected[key] for key, row in said[name].items()),
            "engine_times": round(speeds["engine"] / speed, 2),
        }
        for name, speed in speeds.items()
    }  # fmt: skip


def _spread(lengths: list[int]) -> dict[str, int]:
    return {"least": lengths[0], "median": lengths[len(lengths) // 2], "most": lengths[-1]}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, help="base model folder; built first when not given")
    parser.add_argument("--adapter", type=Path, help="adapter of that base model; trained first when not given")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = parts()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        base = arguments.base or built_base(work / "base", data["train"])[0]
        adapter = arguments.adapter or demo(work, base, data)[0]
        contenders = Contenders(base, data["train"][:N_PROMPTS])
        lengths = sorted(len(prompt.tokens) for prompt in contenders.prompts)
        found = {
            "torch": torch.__version__, "threads": 1, "prompts": len(lengths), "prompt_tokens": _spread(lengths),
            "whole": measured(contenders.whole()), "ended": measured(contenders.ended()),
            "adapter": contenders.adapter_speeds(adapter),
        }  # fmt: skip
        print(json.dumps(found))


if __name__ == "__main__":
    main()

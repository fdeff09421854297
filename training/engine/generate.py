"""The task "generate": answers every prompt of a run folder exactly once, however often it is started."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from training.engine.adapter import check_adapter
from training.engine.answers import Answer, Decoding, Prompt, answers
from training.engine.config import GenerateConfig, MachineConfig
from training.engine.data import Tokenizer, end_of_turn, prompt_tokens, read_conversations, refuse_control_tokens
from training.engine.files import drop_torn_line, read_json, read_rows, replace_json, sha256_of_file
from training.engine.folder import EventLog, RunFolder
from training.engine.machine import load_base, open_device, peak_memory, surroundings
from training.engine.outcome import BadInput
from training.engine.stop import Stop

SPEED_WINDOW = 200


def generate(folder: RunFolder, config: GenerateConfig, machine: MachineConfig, log: EventLog, stop: Stop) -> None:
    """Append the missing answers to `outputs.jsonl`, then write `result.json`. Raises BadInput and Interrupted."""
    began = time.monotonic()
    device = open_device(machine)
    model, tokenizer, facts = load_base(config.base_model, config.base_digest, config.precision, device)
    rows = read_conversations(folder.data("prompts"), ends_with_answer=False)
    done = _done(folder, config, facts.digest)
    prompts = _prompts([row for row in rows if row["id"] not in done], tokenizer, config.max_question)
    model = _merged(model, config) if config.adapter else model
    model.eval()
    decoding = Decoding(
        stop_tokens=stop_tokens(model, tokenizer),
        max_new_tokens=config.max_new_tokens,
        context=facts.context or 2**31,
        batch_tokens=config.batch_tokens,
        temperature=config.temperature,
        seed=config.seed,
    )
    log.write("start", task="generate", device=str(device), resumed=bool(done), step=len(done), steps=len(rows))
    with folder.outputs_file.open("a", encoding="utf-8") as stream:
        meter = _Meter(log, device, n_done=len(done), n_rows=len(rows))
        for answer in answers(model, prompts, decoding, stop):
            text = tokenizer.decode(answer.tokens, skip_special_tokens=True)
            stream.write(json.dumps(_output(answer, str(text)), ensure_ascii=False) + "\n")
            stream.flush()
            meter.count(answer)
    outputs = list(read_rows(folder.outputs_file))
    result = {
        "task": "generate",
        "config_digest": config.digest(),
        "base_digest": facts.digest,
        "rows": len(outputs),
        "tokens": sum(row["n_tokens"] for row in outputs),
        "finish": {
            name: sum(row["finish"] == name for row in outputs) for name in ("stop", "length", "prompt-too-long")
        },
        "outputs_digest": sha256_of_file(folder.outputs_file),
        "seconds_of_last_attempt": time.monotonic() - began,
        **surroundings(device),
    }
    replace_json(folder.result_file, result)
    log.write("result", **result)


def stop_tokens(model: PreTrainedModel, tokenizer: Tokenizer) -> frozenset[int]:
    """The end of turn of the chat template, and whatever else the model's own settings say ends a text."""
    configured = model.generation_config.eos_token_id if model.generation_config else None
    listed = configured if isinstance(configured, list) else [configured] if configured is not None else []
    return frozenset([end_of_turn(tokenizer), *listed])


def _prompts(rows: Sequence[dict[str, Any]], tokenizer: Tokenizer, max_question: int) -> list[Prompt]:
    for row in rows:
        refuse_control_tokens(row["id"], row["messages"], tokenizer)
    return [Prompt(row["id"], prompt_tokens(tokenizer, row["messages"], max_question=max_question)) for row in rows]


def _done(folder: RunFolder, config: GenerateConfig, base_digest: str) -> set[str]:
    """Ids that are answered already. Raises BadInput when those answers were made under another configuration."""
    parts = [config.digest(), base_digest, sha256_of_file(folder.data("prompts"))]
    identity = sha256("/".join(parts).encode()).hexdigest()
    marker = folder.path / "outputs.identity.json"
    if marker.exists() and read_json(marker) != identity:
        raise BadInput(
            "The answers in this folder were made with other settings, prompts or another model.",
            "Start in a new folder, or put the earlier run.json and prompts back.",
        )
    replace_json(marker, identity)
    drop_torn_line(folder.outputs_file)
    return {row["id"] for row in read_rows(folder.outputs_file)} if folder.outputs_file.exists() else set()


def _merged(model: PreTrainedModel, config: GenerateConfig) -> PreTrainedModel:
    path = Path(config.adapter)
    manifest = check_adapter(path, config.adapter_digest)
    if config.base_digest and manifest["base_digest"] != config.base_digest:
        raise BadInput(
            "The adapter was trained on another base model.", "Choose the base model that it was trained on."
        )
    dtype = model.dtype
    # Merged in full precision, so that rounding happens once.
    merged = PeftModel.from_pretrained(model.float(), path, local_files_only=True).merge_and_unload()
    return merged.to(dtype)


def _output(answer: Answer, text: str) -> dict[str, Any]:
    return {
        "id": answer.id,
        "text": text,
        "n_tokens": len(answer.tokens),
        "finish": answer.finish,
        "seconds": round(answer.seconds, 4),
    }


class _Meter:
    """Writes step events: at most one a second, and one for the last row."""

    def __init__(self, log: EventLog, device: torch.device, *, n_done: int, n_rows: int) -> None:
        self._log, self._device, self._n_done, self._n_rows = log, device, n_done, n_rows
        self._began = self._told = time.monotonic()
        self._first = n_done
        self._tokens = 0
        self._recent: deque[tuple[float, int]] = deque(maxlen=SPEED_WINDOW)

    def count(self, answer: Answer) -> None:
        """One more row is done."""
        now = time.monotonic()
        self._n_done += 1
        self._tokens += len(answer.tokens)
        if now - self._told < 1 and self._n_done < self._n_rows:
            return
        self._told = now
        per_row = (now - self._began) / (self._n_done - self._first)
        self._log.write(
            "step",
            step=self._n_done,
            tokens=self._tokens,
            tokens_per_second=self._tokens / (now - self._began) if now > self._began else None,
            eta_seconds=per_row * (self._n_rows - self._n_done),
            memory=peak_memory(self._device),
        )

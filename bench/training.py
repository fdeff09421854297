"""Speed of the engine beside the libraries' own trainers, and what the demo learns; prints one JSON line.

Data: the conversations that the demo carries, 120 held out for validation and 120 never trained on; the base model has
seen neither. Each trainer learns the same tokens once, in a process of its own, at batch size 8 with the same seed;
processor seconds of one thread are counted, so that other work on the machine disturbs little, and the held-out loss
is computed in one way for all. Packed TRL takes rows of 512 tokens, three at once, which are eight conversations too;
their order differs from the others', and with it the loss, by chance: take several seeds.
Run: python bench/training.py [--base FOLDER] [--speed-rows N] [--trl PYTHON]; without --base the tiny base model is
built first. TRL is no part of this project: --trl is the interpreter of an environment that has trl and datasets too.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch.utils.data import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments

from training.engine.__main__ import run
from training.engine.config import DEMO_SETTINGS, BuildConfig, GenerateConfig, MachineConfig, RunConfig, Settings
from training.engine.data import Conversation, encode_conversations
from training.engine.files import read_rows
from training.engine.folder import EventLog, RunFolder, prepare_run_folder
from training.engine.loss import Batch, loss_sum
from training.engine.stop import Stop

DATA = Path(__file__).resolve().parent.parent / "clinicalft" / "demo" / "data"
QUESTION = "Which section is this conversation from?"
MACHINE = MachineConfig(device="cpu")
N_HELD_OUT = 120
LIBRARY_IGNORES = -100


def spent(work: Callable[[], Any]) -> float:
    """Processor seconds that the work takes."""
    began = time.process_time()
    work()
    return time.process_time() - began


def parts() -> dict[str, list[dict[str, Any]]]:
    """The carried conversations as examples, split by the hash of their id."""
    rows = sorted(read_rows(DATA / "mts_dialog.jsonl"), key=lambda row: sha256(str(row["id"]).encode()).digest())
    examples = [
        {
            "id": row["id"],
            "messages": [
                {"role": "system", "content": QUESTION},
                {"role": "user", "content": row["dialogue"]},
                {"role": "assistant", "content": row["section"]},
            ],
        }
        for row in rows
    ]
    return {
        "test": examples[:N_HELD_OUT],
        "validation": examples[N_HELD_OUT : 2 * N_HELD_OUT],
        "train": examples[2 * N_HELD_OUT :],
    }


def engine_run(path: Path, config: Settings, **inputs: Any) -> tuple[RunFolder, float]:
    """Run the engine on a new folder; the folder and the processor seconds."""
    folder = prepare_run_folder(path, config, MACHINE, **inputs)
    log = EventLog(folder)
    seconds = spent(lambda: run(folder, log, Stop()))
    log.close()
    return folder, seconds


def built_base(path: Path, train: list[dict[str, Any]]) -> tuple[Path, float]:
    """The tiny base model of the demo, which has not seen what is held out."""
    texts = [row["messages"][1]["content"] for row in train]
    texts += [row[part] for row in read_rows(DATA / "aci_bench_notes.jsonl") for part in ("note", "dialogue")]
    config = BuildConfig(licence="CC BY 4.0", credit="MTS-Dialog and ACI-Bench, see CREDITS.md of the demo")
    folder, seconds = engine_run(path, config, corpus=[{"text": text} for text in texts])
    return folder.base, seconds


def demo(work: Path, base: Path, data: dict[str, list[dict[str, Any]]]) -> tuple[Path, dict[str, Any]]:
    """Train with the demo's settings, then answer the test conversations, which nothing has looked at before."""
    config = RunConfig(base_model=str(base), **DEMO_SETTINGS)
    trained, seconds = engine_run(work / "demo", config, train=data["train"], validation=data["validation"])
    prompts = [{"id": row["id"], "messages": row["messages"][:-1]} for row in data["test"]]
    settings = {"base_model": str(base), "max_question": config.max_question, "max_new_tokens": 16}
    asked = GenerateConfig(adapter=str(trained.adapter), **settings)
    answered, _ = engine_run(work / "answers", asked, prompts=prompts)
    texts = {row["id"]: row["text"].strip() for row in read_rows(answered.outputs_file)}
    n_exact = sum(texts[row["id"]] == row["messages"][-1]["content"] for row in data["test"])
    evaluations = json.loads(trained.result_file.read_text())["evaluations"]
    losses = [evaluation["loss"] for evaluation in evaluations]
    found = {
        "cpu_seconds": round(seconds, 1),
        "losses": [round(loss, 3) for loss in losses],
        "loss_fall": round(1 - losses[-1] / losses[0], 3),
        "validation_exact_match": [evaluation["exact_match"] for evaluation in evaluations],
        "test_exact": n_exact,
        "test_n": len(data["test"]),
    }
    return trained.adapter, found


class Rows(Dataset[dict[str, list[int]]]):
    """The engine's own encoding as the library's trainer wants it, so that both learn the same tokens."""

    def __init__(self, items: list[Conversation]) -> None:
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, place: int) -> dict[str, list[int]]:
        item = self.items[place]
        marks = zip(item.tokens, item.is_learnt, strict=True)
        return {"input_ids": item.tokens, "labels": [token if mark else LIBRARY_IGNORES for token, mark in marks]}


def padded(rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """A batch padded at the end, as the library's collators make it."""
    longest = max(len(row["input_ids"]) for row in rows)

    def filled(name: str, filler: int) -> torch.Tensor:
        return torch.tensor([row[name] + [filler] * (longest - len(row[name])) for row in rows])

    mask = torch.tensor([[1] * len(row["labels"]) + [0] * (longest - len(row["labels"])) for row in rows])
    return {"input_ids": filled("input_ids", 0), "labels": filled("labels", LIBRARY_IGNORES), "attention_mask": mask}


SETTINGS: dict[str, Any] = {
    "epochs": 1,
    "batch_size": 8,
    "learning_rate": 3e-3,
    "max_length": 512,
    "max_question": 400,
    "seed": 0,
}
TRL_ROW = 512
QUIET = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1"}


def library_model(base: Path) -> PeftModel:
    """The base model with the adapter that all contenders train."""
    torch.manual_seed(SETTINGS["seed"])
    lora = LoraConfig(task_type="CAUSAL_LM", r=16, lora_alpha=32, target_modules="all-linear")
    return get_peft_model(AutoModelForCausalLM.from_pretrained(base), lora)


def library_arguments(work: Path) -> dict[str, Any]:
    """What transformers and TRL are told alike."""
    return {
        "output_dir": str(work / "library"), "num_train_epochs": 1, "learning_rate": SETTINGS["learning_rate"],
        "lr_scheduler_type": "cosine", "warmup_steps": 0.03, "use_cpu": True, "report_to": [], "save_strategy": "no",
        "logging_strategy": "no", "disable_tqdm": True, "weight_decay": 0.0, "max_grad_norm": 1.0,
        "seed": SETTINGS["seed"],
    }  # fmt: skip


def by_trainer(work: Path, base: Path, items: list[Conversation], *, sampling: str) -> tuple[PeftModel, float]:
    """transformers' Trainer with PEFT: the trained model, and processor seconds."""
    model = library_model(base)
    arguments = TrainingArguments(
        **library_arguments(work), per_device_train_batch_size=8, train_sampling_strategy=sampling,
        remove_unused_columns=False,
    )  # fmt: skip
    trainer = Trainer(model=model, args=arguments, train_dataset=Rows(items), data_collator=padded)
    return model, spent(trainer.train)


def by_trl(work: Path, base: Path, items: list[Conversation], *, is_packed: bool) -> tuple[PeftModel, float]:
    """TRL's SFTTrainer on the same tokens, padded at batch size 8, or packed into rows of 512 tokens, three at once."""
    from datasets import Dataset as Table
    from trl import SFTConfig, SFTTrainer

    rows = [{"input_ids": item.tokens, "completion_mask": [int(mark) for mark in item.is_learnt]} for item in items]
    arguments = SFTConfig(
        **library_arguments(work), per_device_train_batch_size=3 if is_packed else 8, packing=is_packed,
        max_length=TRL_ROW, completion_only_loss=True, gradient_checkpointing=False, bf16=False,
    )  # fmt: skip
    model = library_model(base)
    trainer = SFTTrainer(
        model=model, args=arguments, train_dataset=Table.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(base),
    )  # fmt: skip
    return model, spent(trainer.train)


class TimedLog(EventLog):
    """Notes the processor time at which the model is loaded and training begins, as where `train` is called."""

    began = 0.0

    def write(self, kind: str, **values: Any) -> None:
        if kind == "start":
            self.began = time.process_time()
        super().write(kind, **values)


def by_engine(work: Path, base: Path, rows: list[dict[str, Any]]) -> tuple[PeftModel, float]:
    """The engine from the loaded model to the written adapter, with two evaluations of two rows and checkpoints."""
    config = RunConfig(base_model=str(base), **SETTINGS)
    folder = prepare_run_folder(work / "speed", config, MACHINE, train=rows, validation=rows[:2])
    log = TimedLog(folder)
    run(folder, log, Stop())
    seconds = time.process_time() - log.began
    log.close()
    model = AutoModelForCausalLM.from_pretrained(base)
    return PeftModel.from_pretrained(model, folder.adapter), seconds


CONTENDERS = {
    "engine": by_engine,
    "trainer_padded_8": lambda work, base, items: by_trainer(work, base, items, sampling="random"),
    "trainer_group_by_length": lambda work, base, items: by_trainer(work, base, items, sampling="group_by_length"),
    "trl_padded_8": lambda work, base, items: by_trl(work, base, items, is_packed=False),
    "trl_packed": lambda work, base, items: by_trl(work, base, items, is_packed=True),
}


def held_out_loss(model: PeftModel, items: list[Conversation]) -> float:
    """Nats per learnt token of conversations that no contender has seen."""
    model.eval()
    causal = model.get_base_model()
    with torch.no_grad():
        total = sum(float(loss_sum(causal, Batch([item], causal.device, is_packed=False))) for item in items)
    return total / sum(item.n_learnt for item in items)


def contend(name: str, base: Path, n_rows: int) -> dict[str, Any]:
    """One contender in this process: useful tokens per processor second, held-out loss, and peak memory in MB."""
    data = parts()
    rows = data["train"][:n_rows]
    tokenizer = AutoTokenizer.from_pretrained(base)
    limits = {"max_length": SETTINGS["max_length"], "max_question": SETTINGS["max_question"]}
    items = encode_conversations(rows, tokenizer, **limits)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        model, seconds = CONTENDERS[name](Path(folder), base, rows if name == "engine" else items)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    loss = held_out_loss(model, encode_conversations(data["validation"], tokenizer, **limits))
    tokens = sum(len(item.tokens) for item in items)
    return {"tokens_per_cpu_second": round(tokens / seconds), "held_out_loss": round(loss, 4), "peak_mb": round(peak)}


def compared(base: Path, n_rows: int, trl: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Every contender, each time in a process of its own, and how many times as fast the engine is as each.

    Speed is the median over the seeds; loss is their mean, with its standard error from two seeds on.
    """
    found = {}
    for name in CONTENDERS:
        python = trl if name.startswith("trl") else sys.executable
        if python:
            each = [_contended(python, name, base, n_rows, seed) for seed in seeds]
            losses = [one["held_out_loss"] for one in each]
            found[name] = {
                "tokens_per_cpu_second": round(median(one["tokens_per_cpu_second"] for one in each)),
                "held_out_loss": round(mean(losses), 4),
                "loss_se": round(stdev(losses) / len(losses) ** 0.5, 4) if len(losses) > 1 else None,
                "peak_mb": max(one["peak_mb"] for one in each),
            }
    own = found["engine"]["tokens_per_cpu_second"]
    return {
        name: {**each, "engine_times": round(own / each["tokens_per_cpu_second"], 2)} for name, each in found.items()
    }


def _contended(python: str, name: str, base: Path, n_rows: int, seed: int) -> dict[str, Any]:
    command = [python, __file__, "--contender", name, "--base", str(base), "--speed-rows", str(n_rows)]
    output = subprocess.run(
        [*command, "--seeds", str(seed)], check=True, stdout=subprocess.PIPE, text=True, env=os.environ | QUIET
    ).stdout
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, help="base model folder; built first when not given")
    parser.add_argument("--speed-rows", type=int, default=320, help="conversations in each speed measurement")
    parser.add_argument("--trl", default="", help="interpreter of an environment that has trl and datasets as well")
    parser.add_argument("--only-training", action="store_true", help="compare the trainers and nothing else")
    parser.add_argument("--contender", choices=sorted(CONTENDERS), help="one trainer in this process; for itself")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of first values and data order")
    arguments = parser.parse_args()
    if arguments.contender:
        SETTINGS["seed"] = arguments.seeds[0]
        print(json.dumps(contend(arguments.contender, arguments.base, arguments.speed_rows)))
        return
    data = parts()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        measured: dict[str, Any] = {"torch": torch.__version__, "threads": 1, "rows": arguments.speed_rows}
        base = arguments.base
        if base is None:
            base, seconds = built_base(work / "base", data["train"])
            measured["build_base_cpu_seconds"] = round(seconds, 1)
        measured["training"] = compared(base, arguments.speed_rows, arguments.trl, arguments.seeds)
        if not arguments.only_training:
            _, measured["demo"] = demo(work, base, data)
        print(json.dumps(measured))


if __name__ == "__main__":
    main()

"""The task "build-base": a small Llama with its own tokenizer, made from a corpus alone, seeded and resumable."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from training.engine.base_model import inspect_base_model
from training.engine.checkpoint import Checkpoints
from training.engine.config import BuildConfig, MachineConfig
from training.engine.files import read_rows, replace_json, replace_text, sha256_of_file
from training.engine.folder import EventLog, RunFolder
from training.engine.loop import Loop, Work, scheduled
from training.engine.machine import open_device, surroundings
from training.engine.outcome import BadInput, Interrupted
from training.engine.stop import Stop

PAD, END, SYSTEM, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"
CONTROL = (PAD, END, SYSTEM, USER, ASSISTANT)
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
WARMUP_SHARE = 0.03
HELD_OUT = 32


def build_base(folder: RunFolder, config: BuildConfig, machine: MachineConfig, log: EventLog, stop: Stop) -> None:
    """Write `base/` and `result.json`. Raises BadInput when the corpus is too small, and Interrupted."""
    device = open_device(machine)
    texts = _corpus(folder)
    tokenizer = _tokenizer(texts, config)
    windows, held_out = _windows(texts, tokenizer, config)
    torch.manual_seed(config.seed)
    model = _model(config, tokenizer).to(device)  # type: ignore[arg-type]
    training = PreTraining(model, windows.to(device), held_out.to(device), config, stop)
    identity = sha256(f"{config.digest()}/{sha256_of_file(folder.data('corpus'))}".encode()).hexdigest()
    loop = Loop(training.work(), Checkpoints(folder.checkpoints, identity), log, stop, machine)
    log.write(
        "start",
        task="build-base",
        step=loop.progress.step,
        steps=config.steps,
        device=str(device),
        resumed=loop.progress.attempt > 1,
        n_parameters=sum(value.numel() for value in model.parameters()),
        corpus_tokens=windows.numel() + held_out.numel(),
    )
    progress = loop.run()
    _write(folder.base, model, tokenizer, config)
    facts = inspect_base_model(folder.base)
    result = {
        "task": "build-base",
        "base_digest": facts.digest,
        "n_parameters": facts.n_parameters,
        "config": config.identity(),
        "corpus_digest": sha256_of_file(folder.data("corpus")),
        "evaluations": progress.evaluations,
        "tokens": progress.tokens,
        "seconds": progress.seconds,
        "attempts": progress.attempt,
        **surroundings(device),
    }
    replace_json(folder.result_file, result)
    log.write("result", **result)


class PreTraining:
    """Next-token training on windows of running text."""

    def __init__(
        self, model: LlamaForCausalLM, windows: torch.Tensor, held_out: torch.Tensor, config: BuildConfig, stop: Stop
    ) -> None:
        self.model, self.windows, self.held_out, self.config, self.stop = model, windows, held_out, config, stop
        self.rows = max(1, config.step_tokens // config.window)
        self.order = self._order()

    def work(self) -> Work:
        """The updates, with an evaluation at the start, at each quarter and at the end."""
        config, parameters = self.config, dict(self.model.named_parameters())
        matrices = [value for value in parameters.values() if value.ndim == 2]
        vectors = [value for value in parameters.values() if value.ndim != 2]
        groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
        return Work(
            parameters=parameters,
            optimizer=torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95), fused=True),
            device=self.model.device,
            learning_rate=scheduled(
                config.learning_rate, steps=config.steps, warmup_share=WARMUP_SHARE, schedule="cosine"
            ),
            tokens_of=[self.rows * config.window] * config.steps,
            steps_per_epoch=max(1, len(self.windows) // self.rows),
            backward=self.backward,
            evaluate=self.evaluate,
            evaluate_at=frozenset(config.steps * quarter // 4 for quarter in range(5)),
        )

    def backward(self, step: int) -> tuple[float, int]:
        """Add the gradients of one update."""
        if self.stop.asked:
            raise Interrupted
        rows = self.windows[self.order[step * self.rows : (step + 1) * self.rows]]
        loss = self._loss(rows)
        loss.backward()
        n_learnt = rows.shape[0] * (rows.shape[1] - 1)
        return float(loss.detach()) * n_learnt, n_learnt

    @torch.no_grad()
    def evaluate(self, _step: int) -> dict[str, Any]:
        """Mean loss per token of the held-out windows."""
        losses = []
        for rows in self.held_out.split(self.rows):
            if self.stop.asked:
                raise Interrupted
            losses.append(self._loss(rows) * len(rows))
        return {"loss": float(torch.stack(losses).sum()) / len(self.held_out), "n": len(self.held_out)}

    def _loss(self, rows: torch.Tensor) -> torch.Tensor:
        logits = self.model(input_ids=rows[:, :-1], use_cache=False).logits
        return functional.cross_entropy(logits.flatten(0, 1).float(), rows[:, 1:].flatten())

    def _order(self) -> list[int]:
        """Row numbers of all updates: the windows in a new order for each pass."""
        needed, order, epoch = self.rows * self.config.steps, list[int](), 0
        while len(order) < needed:
            rows = list(range(len(self.windows)))
            Random(f"{self.config.seed}/{epoch}").shuffle(rows)
            order += rows
            epoch += 1
        return order


def _corpus(folder: RunFolder) -> list[str]:
    texts = [str(row.get("text", "")).strip() for row in read_rows(folder.data("corpus"))]
    texts = [text for text in texts if text]
    if not texts:
        raise BadInput("The corpus holds no text.", 'Give data/corpus.jsonl rows of the form {"text": "..."}.')
    return texts


def _tokenizer(texts: Sequence[str], config: BuildConfig) -> PreTrainedTokenizerFast:
    """A byte-level BPE whose control tokens are in the vocabulary from the start, so that they are trained."""
    tokenizer = Tokenizer(models.BPE())
    pieces = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(pieces)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocabulary,
        special_tokens=list(CONTROL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=END,
        extra_special_tokens=[SYSTEM, USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        model_max_length=config.context,
        clean_up_tokenization_spaces=False,
    )


def _windows(
    texts: Sequence[str], tokenizer: PreTrainedTokenizerFast, config: BuildConfig
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of token ids, shape (rows, window + 1), for training and evaluation: shuffled texts, laid end to end.

    Each text is laid out as a turn of the user that the assistant continues, cut at a random place, so that the
    control tokens of the chat template are learnt from the first update on.
    """
    random = Random(config.seed)
    order = list(texts)
    random.shuffle(order)
    end, user, assistant = (tokenizer.added_tokens_encoder[token] for token in (END, USER, ASSISTANT))
    stream: list[int] = []
    for text in order:
        tokens = tokenizer.encode(text, add_special_tokens=False)
        cut = random.randrange(len(tokens))
        stream += [user, *tokens[:cut], end, assistant, *tokens[cut:], end]
    width = config.window + 1
    n_rows = len(stream) // width
    if n_rows < 2 * HELD_OUT:
        raise BadInput(
            f"The corpus has {len(stream)} tokens; at least {2 * HELD_OUT * width} are needed.", "Add more text."
        )
    rows = torch.tensor(stream[: n_rows * width]).view(n_rows, width)
    return rows[HELD_OUT:], rows[:HELD_OUT]


def _model(config: BuildConfig, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.hidden,
            intermediate_size=config.mlp,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            max_position_embeddings=config.context,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _write(path: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, config: BuildConfig) -> None:
    model.save_pretrained(path, safe_serialization=True)
    tokenizer.save_pretrained(path)
    replace_text(path / "LICENSE", f"{config.licence}\n\nMade from: {config.credit}\n")
    card = (
        f"---\nlicense: {config.licence}\n---\n\nA tiny language model, built from a small corpus to show and test the "
        f"training line. It is not fit for clinical use.\n\nCorpus: {config.credit}\n"
    )
    replace_text(path / "README.md", card)

"""The configurations of the engine's three tasks and of the machine; importable without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from types import MappingProxyType
from typing import Any, ClassVar

from training.engine.settings import (
    Settings,
    as_in,
    digest,
    filled,
    flag,
    number,
    one_of,
    setting,
    text,
    whole,
)

ALL_LINEAR = "all-linear"
PRESETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "attention": ("q_proj", "k_proj", "v_proj", "qkv_proj", "o_proj"),
        "mlp": ("gate_proj", "up_proj", "gate_up_proj", "down_proj"),
    }
)
"""Groups of module names as the Llama family and its relatives call them; a model has some of each group."""
SEED_LIMIT = 2**31 - 1
LORA, FULL = "lora", "full"
OF_ADAPTERS = ("rank", "alpha", "dropout", "target_modules", "rslora", "dora", "four_bit")
"""Settings that only an adapter has."""


def _target_modules(value: Any) -> str:
    names = (value,) if isinstance(value, str) else value
    is_names = isinstance(names, tuple | list) and names and all(isinstance(n, str) and n.strip() for n in names)
    if not is_names or (isinstance(value, str) and value not in (ALL_LINEAR, *PRESETS)):
        return 'Give "all-linear", "attention" or "mlp", or a list of module names such as q_proj and v_proj.'
    return ""


@dataclass(frozen=True)
class OnBaseModel(Settings):
    """What every task that opens a base model has in common."""

    not_identity: ClassVar[frozenset[str]] = frozenset({"base_model", "adapter"})

    base_model: str = setting(label="Base model", help_text="Folder of the base model on this host.", check=filled)
    base_digest: str = setting(
        "", label="Base model digest", check=digest,
        help_text="SHA-256 of the base model; refused when the folder no longer matches it.",
    )  # fmt: skip
    max_question: int = setting(
        0, label="Longest question", check=whole(0, 1_048_576),
        help_text="In tokens; of longer questions the middle is left out, in training and in use. 0 leaves all whole.",
    )  # fmt: skip


@dataclass(frozen=True)
class Seeded(OnBaseModel):
    """What learning and answering have in common beyond that: the precision of the base model, and the seed."""

    precision: str = setting(
        "float32", label="Precision", check=one_of("float32", "bfloat16"),
        help_text="Number format of the base model: bfloat16 on graphics cards, float32 on processors.",
    )  # fmt: skip
    seed: int = setting(
        42, label="Seed", check=whole(0, SEED_LIMIT),
        help_text="Fixes every random choice: same seed, same result.",
    )  # fmt: skip


@dataclass(frozen=True)
class TuningConfig(Seeded):
    """What supervised fine-tuning and preference tuning have in common. Raises BadInput on a value out of range."""

    dataset_digest: str = setting(
        "", label="Dataset digest", check=digest,
        help_text="SHA-256 of the training and validation files; the run is refused when they no longer match it.",
    )  # fmt: skip
    epochs: int = setting(
        3, label="Epochs", check=whole(1, 100), help_text="How many times each conversation is learnt from.",
    )  # fmt: skip
    learning_rate: float = setting(
        2e-4, label="Learning rate", check=number(0, 1, above_low=True),
        help_text="Peak step size. 2e-4 suits LoRA on models of billions of parameters; tiny models need more.",
    )  # fmt: skip
    batch_size: int = setting(
        8, label="Batch size", check=whole(1, 4096), help_text="Conversations computed at once.",
    )  # fmt: skip
    accumulation: int = setting(
        1, label="Accumulation", check=whole(1, 4096),
        help_text="Batches added up before each update; batch size times accumulation is what counts for the result.",
    )  # fmt: skip
    max_length: int = setting(
        2048, label="Longest conversation", check=whole(16, 1_048_576),
        help_text="In tokens. Longer conversations are cut at the end; the run is refused if that cuts a whole answer.",
    )  # fmt: skip
    warmup_share: float = setting(
        0.03, label="Warm-up", check=number(0, 0.5),
        help_text="Share of the updates over which the learning rate rises from 0 to its peak.",
    )  # fmt: skip
    schedule: str = setting(
        "cosine", label="Schedule", check=one_of("cosine", "linear", "constant"),
        help_text="How the learning rate falls after the warm-up.",
    )  # fmt: skip
    evaluations_per_epoch: int = setting(
        1, label="Evaluations in an epoch", check=whole(1, 100),
        help_text="How often the held-out loss is measured; once more before the first update.",
    )  # fmt: skip
    patience: int = setting(
        0, label="Patience", check=whole(0, 1000),
        help_text="Ends the run after so many evaluations without a lower held-out loss. 0 trains all epochs.",
    )  # fmt: skip
    keep_best: bool = setting(
        True, label="Keep the best", check=flag,
        help_text="The adapter is that of the evaluation with the lowest held-out loss, not that of the last update.",
    )  # fmt: skip


@dataclass(frozen=True)
class RunConfig(TuningConfig):
    """Everything that changes the result of supervised fine-tuning. Raises BadInput on a value out of range."""

    seed: int = as_in(
        Seeded, "seed", 42,
        help_text="Fixes the adapter's first values, the order of the data and dropout; same seed, same adapter.",
    )  # fmt: skip
    technique: str = setting(
        LORA, label="Method", check=one_of(LORA, FULL),
        help_text="lora trains a small adapter beside the base model; full trains every weight of a small base model, "
        "with many times the memory.",
    )  # fmt: skip
    rank: int = setting(
        16, label="Rank", check=whole(1, 512),
        help_text="Size of the adapter. More can learn more and takes more memory; 16 suits most tasks.",
    )  # fmt: skip
    alpha: int = setting(
        32, label="Alpha", check=whole(1, 4096),
        help_text="Strength of the adapter: its output is multiplied by alpha / rank. Twice the rank is usual.",
    )  # fmt: skip
    dropout: float = setting(
        0.0, label="Dropout", check=number(0, 0.9),
        help_text="Share of adapter inputs dropped at random. 0 is usual; 0.05 helps small datasets a little.",
    )  # fmt: skip
    target_modules: str | tuple[str, ...] = setting(
        ALL_LINEAR, label="Target modules", check=_target_modules,
        help_text='Which layers get an adapter: "all-linear" (recommended), "attention", "mlp", '
        "or names such as q_proj, v_proj.",
    )  # fmt: skip
    rslora: bool = setting(
        False, label="Rank-stabilised (rsLoRA)", check=flag,
        help_text="Multiplies by alpha / square root of the rank instead; ranks above 32 learn better with it.",
    )  # fmt: skip
    dora: bool = setting(
        False, label="Size and direction apart (DoRA)", check=flag,
        help_text="Learns more like full fine-tuning at low ranks; slower, and needs more memory.",
    )  # fmt: skip
    four_bit: bool = setting(
        False, label="Base model in 4 bits (QLoRA)", check=flag,
        help_text="A quarter of the memory for the base model. Needs a graphics card and bitsandbytes on the worker.",
    )  # fmt: skip
    scored_answers: int = setting(
        0, label="Scored answers", check=whole(0, 10_000),
        help_text="How many validation conversations are answered at each evaluation, to show the exact match.",
    )  # fmt: skip

    @classmethod
    def problems(cls, values: Mapping[str, Any]) -> dict[str, str]:
        """As for every configuration, and full fine-tuning takes no setting of an adapter: it would do nothing."""
        found = super().problems(values)
        if values.get("technique") == FULL:
            usual = {name: getattr(cls, name) for name in OF_ADAPTERS}
            found |= {
                name: f"Full fine-tuning has no adapter; leave this {f'at {value}' if value is not False else 'off'}."
                for name, value in usual.items()
                if values.get(name, value) != value
            }
        return found


@dataclass(frozen=True, kw_only=True)
class PreferenceConfig(TuningConfig):
    """Everything that changes the result of direct preference optimisation (DPO), which goes on from an adapter.

    Rank, alpha, dropout and target modules are those of the adapter. Raises BadInput on a value out of range.
    """

    adapter: str = setting(
        label="Adapter", check=filled, help_text="Folder of the adapter to go on from; it is also the reference."
    )
    adapter_digest: str = setting(
        "", label="Adapter digest", check=digest,
        help_text="SHA-256 of the adapter; refused when the folder no longer matches it.",
    )  # fmt: skip
    beta: float = setting(
        0.1, label="Beta", check=number(0, 10, above_low=True),
        help_text="How strongly the adapter is held to what it answered before; 0.1 is usual.",
    )  # fmt: skip
    epochs: int = as_in(TuningConfig, "epochs", 1, help_text="How many times each pair is learnt from.")
    learning_rate: float = as_in(
        TuningConfig, "learning_rate", 5e-6,
        help_text="Peak step size, well below that of the training before. Tiny models need more.",
    )  # fmt: skip
    batch_size: int = as_in(TuningConfig, "batch_size", 8, help_text="Pairs computed at once.")


@dataclass(frozen=True)
class MachineConfig(Settings):
    """How the work is laid onto this machine; changes speed and memory, never what is computed beyond rounding."""

    device: str = setting(
        "auto", label="Device", check=one_of("auto", "cpu", "cuda"),
        help_text="auto takes a graphics card when there is one.",
    )  # fmt: skip
    threads: int = setting(
        1, label="Threads", check=whole(1, 1024),
        help_text="Processor threads. One is fastest for tiny models and on busy machines.",
    )  # fmt: skip
    micro_batch_tokens: int = setting(
        0, label="Tokens at once", check=whole(0, 16_777_216),
        help_text="Splits batches that hold more tokens than this, to save memory; 0 never splits.",
    )  # fmt: skip
    packing: str = setting(
        "auto", label="Packing", check=one_of("auto", "on", "off"),
        help_text="Lay conversations end to end instead of padding them; auto does it where the base model can.",
    )  # fmt: skip
    recompute_activations: bool = setting(
        False, label="Recompute activations", check=flag,
        help_text="Saves much memory and costs about a fifth of the speed.",
    )  # fmt: skip
    checkpoint_seconds: float = setting(
        60.0, label="Seconds between checkpoints", check=number(0, 86_400),
        help_text="The most work that a killed process can lose; 0 saves after every update.",
    )  # fmt: skip
    memory_limit: int = setting(
        0, label="Memory limit", check=whole(0, 2**50),
        help_text="Bytes that a run may use beyond the loaded base model; 0 takes what is free.",
    )  # fmt: skip
    processes: int = setting(
        1, label="Processes", check=whole(1, 64),
        help_text="How many processes of this host share every update, one for each graphics card.",
    )  # fmt: skip
    sharded: bool = setting(
        False, label="Base model in parts (FSDP)", check=flag,
        help_text="Each process holds its part of the base model alone, for models that fit no single card.",
    )  # fmt: skip
    compiled: bool = setting(
        False, label="Compile (torch.compile)", check=flag,
        help_text="Compiles the model during the first updates, which takes minutes and pays in long runs.",
    )  # fmt: skip
    liger: bool = setting(
        False, label="Liger kernels", check=flag,
        help_text="Faster layers that save memory. Needs a graphics card and liger-kernel on the worker.",
    )  # fmt: skip

    @classmethod
    def problems(cls, values: Mapping[str, Any]) -> dict[str, str]:
        """As for every configuration, and only several processes can share a base model."""
        found = super().problems(values)
        if values.get("sharded") is True and values.get("processes", 1) == 1:
            found["sharded"] = "One process has nobody to share the base model with; give two processes or more."
        return found


def _folder_names(value: Any) -> str:
    names = value if isinstance(value, tuple | list) else ()
    fits = names and all(isinstance(name, str) and name == PurePath(name).name for name in names)
    return "" if fits else "Name folders beside that of the group."


@dataclass(frozen=True)
class GenerateConfig(Seeded):
    """Everything that changes the answers of one batch inference. Raises BadInput on a value out of range."""

    not_identity: ClassVar[frozenset[str]] = OnBaseModel.not_identity | {"server"}

    adapter: str = setting(
        "", label="Adapter", help_text="Folder of the adapter; empty for the base model alone.", check=text
    )  # fmt: skip
    adapter_digest: str = as_in(PreferenceConfig, "adapter_digest", "")
    max_new_tokens: int = setting(
        256, label="Longest answer", check=whole(1, 131_072), help_text="In tokens; a longer answer is cut there.",
    )  # fmt: skip
    temperature: float = setting(
        0.0, label="Temperature", check=number(0, 5),
        help_text="0 always takes the likeliest token; higher values vary more.",
    )  # fmt: skip
    seed: int = as_in(Seeded, "seed", 42, help_text="Fixes the random choices above temperature 0.")
    batch_tokens: int = setting(
        16_384, label="Tokens at once", check=whole(16, 16_777_216),
        help_text="Room for prompts and answers computed together; less saves memory.",
    )  # fmt: skip
    is_structured: bool = setting(
        False, label="Hold answers to their form", check=flag,
        help_text="Nothing but a well-formed answer can be written: a label of the schema, codes one a line, entities "
        "whose words stand in the note.",
    )  # fmt: skip
    keep_logprobs: bool = setting(
        False, label="Keep log-probabilities", check=flag,
        help_text="How probable the model found each token of its answer, to see whether it knows when it is wrong.",
    )  # fmt: skip
    served_as: str = setting(
        "", label="Served as", check=text,
        help_text="Name under which a server on the network has the model; empty computes on this machine.",
    )  # fmt: skip
    server: str = setting(
        "", label="Server", check=text, help_text="Address of that server, such as http://10.0.0.5:8000.",
    )  # fmt: skip


@dataclass(frozen=True)
class GroupConfig(Settings):
    """Folders of the task "generate" that share a base model. Raises BadInput when there are none."""

    folders: tuple[str, ...] = setting(
        label="Folders", help_text="Names of the folders, which lie beside that of the group.", check=_folder_names
    )


@dataclass(frozen=True, kw_only=True)
class MergeConfig(OnBaseModel):
    """An adapter merged into its base model, in full precision, and saved. Raises BadInput on a value out of range."""

    adapter: str = as_in(PreferenceConfig, "adapter", help_text="Folder of the adapter.")
    adapter_digest: str = as_in(PreferenceConfig, "adapter_digest", "")
    saved_as: str = setting(
        "float32", label="Saved as", check=one_of("float32", "bfloat16", "float16"),
        help_text="Number format of the merged model; merging itself is done in float32.",
    )  # fmt: skip
    max_new_tokens: int = setting(
        32, label="Compared tokens", check=whole(1, 4096), help_text="Length of the answers that are compared.",
    )  # fmt: skip


@dataclass(frozen=True)
class BuildConfig(Settings):
    """A small Llama and its tokenizer, made from a text corpus alone. The defaults give about 2 million parameters."""

    licence: str = setting(
        label="Licence", help_text="Licence of the corpus, which is also the licence of the model.", check=filled
    )
    credit: str = setting(
        label="Credit", help_text="Who made the corpus and where it is from; kept beside the model.", check=filled
    )
    vocabulary: int = setting(
        2048, label="Vocabulary", help_text="Tokens of the byte-level BPE tokenizer.", check=whole(300, 65_536)
    )
    hidden: int = setting(192, label="Width", help_text="Size of the hidden state.", check=whole(8, 1024))
    layers: int = setting(4, label="Layers", help_text="Decoder layers.", check=whole(1, 32))
    heads: int = setting(6, label="Heads", help_text="Attention heads.", check=whole(1, 64))
    kv_heads: int = setting(2, label="Key heads", help_text="Key and value heads.", check=whole(1, 64))
    mlp: int = setting(512, label="MLP width", help_text="Inner width of each layer.", check=whole(8, 8192))
    context: int = setting(2048, label="Context", help_text="Longest conversation in tokens.", check=whole(64, 131_072))
    steps: int = setting(1600, label="Updates", help_text="Updates of pre-training.", check=whole(1, 100_000))
    step_tokens: int = setting(512, label="Tokens per update", help_text="In tokens.", check=whole(64, 1_048_576))
    window: int = setting(256, label="Window", help_text="Length of a training row in tokens.", check=whole(16, 8192))
    learning_rate: float = setting(
        4e-3, label="Learning rate", help_text="Peak step size.", check=number(0, 1, above_low=True)
    )
    seed: int = setting(42, label="Seed", help_text="Fixes first values and data order.", check=whole(0, SEED_LIMIT))

    @classmethod
    def problems(cls, values: Mapping[str, Any]) -> dict[str, str]:
        """As for every configuration, and the shapes must divide."""
        found = super().problems(values)
        hidden, heads, kv_heads = (values.get(name, getattr(cls, name)) for name in ("hidden", "heads", "kv_heads"))
        if not found and (hidden % (2 * heads) or heads % kv_heads):
            found["heads"] = "The width must be divisible by twice the heads, and the heads by the key heads."
        return found


@dataclass(frozen=True)
class TokeniseConfig(Settings):
    """How a dataset is laid out by the tokenizer of a base model; its settings mean what they mean in a training."""

    not_identity: ClassVar[frozenset[str]] = frozenset({"base_model"})

    base_model: str = as_in(OnBaseModel, "base_model")
    max_length: int = as_in(
        TuningConfig, "max_length", TuningConfig.max_length,
        help_text="In tokens. Longer conversations are cut at the end.",
    )  # fmt: skip
    max_question: int = as_in(OnBaseModel, "max_question", OnBaseModel.max_question)


TASKS: Mapping[str, type[Settings]] = MappingProxyType(
    {
        "train": RunConfig,
        "prefer": PreferenceConfig,
        "generate": GenerateConfig,
        "generate-group": GroupConfig,
        "merge": MergeConfig,
        "build-base": BuildConfig,
        "tokenise": TokeniseConfig,
    }
)

DEMO_SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "learning_rate": 2e-3,
        "rank": 16,
        "alpha": 32,
        "epochs": 3,
        "batch_size": 4,
        "max_length": 512,
        "max_question": 160,
        "scored_answers": 100,
    }
)
"""RunConfig values with which the tiny base model learns the section task in about a minute on one core."""

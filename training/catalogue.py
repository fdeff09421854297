"""Base models that hospitals ask for, as metadata only: shape, licence, what to mind, and what they need by our own
estimate. Nothing is downloaded; pure.

Shapes are those of the publishers' config.json; the numbers of parameters follow from them (a test adds them up).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from training.engine.config import RunConfig
from training.engine.estimate import BYTES, Shape, training_memory

TOKENS = 2048
"""Length of the conversation for which memory is told, in tokens."""


@dataclass(frozen=True)
class CatalogueModel:
    """One model: who publishes it under which name and licence, its shape, and what a hospital must mind."""

    name: str
    publisher: str
    source: str
    licence: str
    shape: Shape
    context: int
    mind: tuple[str, ...]


LLAMA = (
    "Accept the licence on the publisher's page first, and keep its text and the notice beside the weights.",
    "What you give away must say “Built with Llama”, and a model made from it must begin its name with “Llama”.",
    "The acceptable use policy forbids unlicensed professional practice, medicine among it: clinicians decide.",
)
APACHE = "Apache-2.0 lets you use and pass it on; keep the licence and its notices beside the weights."
GENERAL = "Made for general use: nothing is known of its safety in care until your clinicians have rated its answers."
CATALOGUE = (
    CatalogueModel(
        "Llama 3.2 3B Instruct", "Meta", "meta-llama/Llama-3.2-3B-Instruct", "llama3.2",
        Shape(3_212_749_824, 28, 3072, 8192, 1024, 128_256), 131_072, (*LLAMA, GENERAL),
    ),
    CatalogueModel(
        "Llama 3.1 8B Instruct", "Meta", "meta-llama/Llama-3.1-8B-Instruct", "llama3.1",
        Shape(8_030_261_248, 32, 4096, 14_336, 1024, 128_256), 131_072, (*LLAMA, GENERAL),
    ),
    CatalogueModel(
        "Llama 3.3 70B Instruct", "Meta", "meta-llama/Llama-3.3-70B-Instruct", "llama3.3",
        Shape(70_553_706_496, 80, 8192, 28_672, 1024, 128_256), 131_072,
        (*LLAMA, GENERAL, "One card does not hold it in bfloat16: train it in 4 bits (QLoRA), or on several cards."),
    ),
    CatalogueModel(
        "Mistral 7B Instruct v0.3", "Mistral AI", "mistralai/Mistral-7B-Instruct-v0.3", "apache-2.0",
        Shape(7_248_023_552, 32, 4096, 14_336, 1024, 32_768), 32_768,
        (APACHE, GENERAL, "Its folder holds the weights twice: leave consolidated.safetensors out of the copy."),
    ),
    CatalogueModel(
        "BioMistral 7B", "Avignon and Nantes Universities", "BioMistral/BioMistral-7B", "apache-2.0",
        Shape(7_241_732_096, 32, 4096, 14_336, 1024, 32_000), 32_768,
        (
            APACHE,
            "Its authors call it a research tool and advise against any professional medical use: only your own "
            "evaluation can say more.",
            "Published as a pickle (pytorch_model.bin), which is refused here: convert it to safetensors on another "
            "machine first.",
            "Learned from PubMed Central articles, mostly English, not from clinical notes.",
        ),
    ),
    CatalogueModel(
        "Gemma 2 9B Instruct", "Google", "google/gemma-2-9b-it", "gemma",
        Shape(9_241_705_984, 42, 3584, 14_336, 2048, 256_000), 8192,
        (
            "Accept the Gemma terms first; they and the prohibited use policy go along with whatever you make from it.",
            "Its chat template knows no system message: put the instruction into the question.",
            GENERAL,
        ),
    ),
    CatalogueModel(
        "Qwen2.5 7B Instruct", "Alibaba Cloud", "Qwen/Qwen2.5-7B-Instruct", "apache-2.0",
        Shape(7_615_616_512, 28, 3584, 18_944, 512, 152_064), 32_768,
        (APACHE, GENERAL, "Other sizes of the family (3B, 72B) have another licence: read the one beside the weights."),
    ),
    CatalogueModel(
        "Qwen3 8B", "Alibaba Cloud", "Qwen/Qwen3-8B", "apache-2.0",
        Shape(8_190_735_360, 36, 4096, 12_288, 1024, 151_936), 40_960,
        (APACHE, GENERAL, "It may write down its reasoning before the answer; your answers should show it how not to."),
    ),
)  # fmt: skip


def memory_needs(shape: Shape) -> Mapping[str, int]:
    """Bytes by use: the least for LoRA and QLoRA of rank 16 on one conversation of 2,048 tokens at a time with
    activations recomputed, for answering one such question, and for merging an adapter, which is done in float32.

    The estimate of the engine, without what Python and the libraries take.
    """
    config: dict[str, Any] = RunConfig(base_model="-").to_json() | {"precision": "bfloat16"}
    n_trainable = shape.n_trainable(config["rank"], config["target_modules"])
    training = training_memory(
        shape, config, n_tokens=TOKENS, n_trainable=n_trainable, is_recomputed=True, is_on_card=True
    )
    weights = shape.weights(config)
    cache = 2 * shape.layers * shape.kv_width * TOKENS * BYTES["bfloat16"]
    return MappingProxyType(
        {
            "LoRA": weights + training,
            "QLoRA": shape.weights(config | {"four_bit": True}) + training,
            "Answers": weights + cache,
            "Merging": shape.n_parameters * BYTES["float32"],
        }
    )

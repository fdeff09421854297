"""What is computed faster is what is computed plainly: light layers, the narrowed end, attention without a mask or
without what was padded."""

import inspect
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch.nn import functional
from torch.nn.attention import varlen
from transformers import AttentionInterface, AutoModelForCausalLM, AutoTokenizer
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from tests.pure.engine.conftest import conversations
from training.engine import answers as answers_module
from training.engine import attention, layers
from training.engine.answers import Answer, Decoding, Prompt, answers
from training.engine.attention import (
    PARTS,
    PLAIN,
    VARLEN,
    attention_in_parts,
    attention_in_spans,
    packed_attention,
    varlen_attention,
)
from training.engine.data import Conversation, encode_conversations
from training.engine.lora import LightLinear, lighten
from training.engine.loss import Batch, loss_sum
from training.engine.stop import Stop

CPU = torch.device("cpu")
# PEFT 0.21 still asks transformers 5.23 under the old name.
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")


@pytest.fixture(scope="module")
def items(tiny_base: Path) -> list[Conversation]:
    return encode_conversations(conversations(24), AutoTokenizer.from_pretrained(tiny_base), max_length=64)


def adapted(tiny_base: Path, **settings: Any) -> PeftModel:
    """A tiny model with an adapter whose output is not zero."""
    torch.manual_seed(0)
    lora = LoraConfig(
        **({"r": 4, "lora_alpha": 8, "target_modules": "all-linear", "task_type": "CAUSAL_LM"} | settings)
    )
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_base), lora)
    for name, value in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.05)
    return model.train()


def learnt(model: PeftModel, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss, and the gradients of everything that is trained in one row."""
    loss = loss_sum(model.get_base_model(), batch)
    trained = [value for value in model.parameters() if value.requires_grad]
    return loss.detach(), torch.cat([value.flatten() for value in torch.autograd.grad(loss, trained)])


@pytest.mark.parametrize("n_items", [1, 24], ids=["few positions", "many positions"])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_light_layers_compute_what_pefts_own_do(
    tiny_base: Path, items: list[Conversation], n_items: int, precision: torch.dtype
) -> None:
    model, batch = adapted(tiny_base), Batch(items[:n_items], CPU, is_packed=False)
    model.get_base_model().to(precision)
    for name, value in model.named_parameters():
        value.data = value.data.float() if "lora" in name else value.data
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        loss, gradients = learnt(model, batch)
        lighten(model)
        light_loss, light_gradients = learnt(model, batch)

    exact = precision == torch.float32
    torch.testing.assert_close(light_loss, loss, rtol=1e-5 if exact else 2e-2, atol=0)
    assert float((light_gradients - gradients).norm() / gradients.norm()) < (1e-5 if exact else 3e-2)


def test_a_layer_with_dropout_merged_or_switched_off_is_left_to_peft(tiny_base: Path) -> None:
    dropping, plain = adapted(tiny_base, lora_dropout=0.5), adapted(tiny_base)
    for model in (dropping, plain):
        lighten(model)
    states = torch.randn(2, 3, 32)
    layer, other = (
        next(each for each in model.modules() if isinstance(each, LightLinear)) for model in (dropping, plain)
    )

    assert not torch.equal(layer(states), layer(states)), "what is dropped is drawn anew"
    layer.eval()
    torch.testing.assert_close(layer(states), layer(states), rtol=0, atol=0)
    with plain.disable_adapter():
        torch.testing.assert_close(other(states), other.base_layer(states), rtol=0, atol=0)
    beside = other(states)
    other.merge()
    torch.testing.assert_close(other(states), beside, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("is_packed", [True, False])
def test_what_follows_the_last_attention_is_needed_at_learnt_positions_alone(
    tiny_base: Path, items: list[Conversation], monkeypatch: pytest.MonkeyPatch, is_packed: bool
) -> None:
    model, batch = adapted(tiny_base), Batch(items, CPU, is_packed=is_packed)
    assert len(layers._end(model.get_base_model().model)) == 4
    loss, gradients = learnt(model, batch)

    monkeypatch.setattr(layers, "_end", lambda backbone: [])
    whole_loss, whole_gradients = learnt(model, batch)

    torch.testing.assert_close(loss, whole_loss, rtol=1e-6, atol=0)
    torch.testing.assert_close(gradients, whole_gradients, rtol=1e-4, atol=1e-6)


def within_each(
    query: Any, key: Any, value: Any, begins: Any, _: Any, longest: int, __: int, *,
    window_size: tuple[int, int], enable_gqa: bool, scale: float,
) -> torch.Tensor:  # fmt: skip
    """What torch's kernel computes, which has no version for processors."""
    assert window_size == (-1, 0)
    assert longest == int(begins.diff().max())
    parts = [
        functional.scaled_dot_product_attention(
            *(each[a:b].transpose(0, 1)[None] for each in (query, key, value)), is_causal=True, enable_gqa=enable_gqa,
            scale=scale,
        )[0].transpose(0, 1)
        for a, b in pairwise(begins)
    ]  # fmt: skip
    return torch.cat(parts)


def test_attention_without_a_mask_stays_within_each_conversation(
    tiny_base: Path, items: list[Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = adapted(tiny_base)
    expected = learnt(model, Batch(items, CPU, is_packed=True))
    known = set(inspect.signature(varlen.varlen_attn).parameters)
    assert {"window_size", "enable_gqa", "scale"} <= known, "torch's kernel is called by these names"
    monkeypatch.setattr(varlen, "varlen_attn", within_each)
    AttentionInterface.register(VARLEN, varlen_attention)
    base = model.get_base_model()
    base.set_attn_implementation(VARLEN)

    found = learnt(model, Batch(items, CPU, is_packed=True))
    alone = learnt(model, Batch(items[:1], CPU, is_packed=False))
    with attention_in_spans(base):
        plain_alone = learnt(model, Batch(items[:1], CPU, is_packed=False))

    assert base.config._attn_implementation == VARLEN
    for one, other in ((found, expected), (alone, plain_alone)):
        torch.testing.assert_close(one[0], other[0], rtol=1e-5, atol=0)
        torch.testing.assert_close(one[1], other[1], rtol=1e-3, atol=1e-5)


def test_torchs_kernel_is_for_cards_in_bfloat16() -> None:
    card = torch.device("cuda")

    assert packed_attention(card, "bfloat16") == VARLEN
    assert packed_attention(card, "float32") == PARTS
    assert packed_attention(CPU, "bfloat16") == PARTS


def test_attention_in_parts_is_what_a_block_mask_gives(tiny_base: Path, items: list[Conversation]) -> None:
    model, batch = adapted(tiny_base), Batch(items, CPU, is_packed=True)
    expected = learnt(model, batch)

    model.get_base_model().set_attn_implementation(packed_attention(CPU, "float32"))
    found = learnt(model, batch)

    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=0)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-3, atol=1e-5)


def test_a_sliding_window_ends_what_is_seen_of_ones_own_conversation() -> None:
    torch.manual_seed(0)
    sizes, window = [7, 2], 3
    query, key, value = torch.randn(1, 4, 9, 8), torch.randn(1, 2, 9, 8), torch.randn(1, 2, 9, 8)
    begins = torch.tensor([0, 7, 9], dtype=torch.int32)

    found, _ = attention_in_parts(
        torch.nn.Module(), query, key, value, None, cu_seq_lens_q=begins, sliding_window=window
    )

    ahead = torch.arange(9)[:, None] - torch.arange(9)
    owner = torch.repeat_interleave(torch.arange(2), torch.tensor(sizes))
    seen = (ahead >= 0) & (ahead < window) & (owner[:, None] == owner)
    expected = functional.scaled_dot_product_attention(query, key, value, attn_mask=seen, enable_gqa=True)
    torch.testing.assert_close(found.transpose(1, 2), expected, rtol=1e-5, atol=1e-6)


def test_what_was_padded_before_short_prompts_is_passed_over(tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_base, attn_implementation=PLAIN).eval()
    prompts = [Prompt(str(n), [5 + (n * k) % 200 for k in range(3 + 5 * n)]) for n in range(12)]
    decoding = Decoding(frozenset(range(60, 90)), max_new_tokens=8, context=512, batch_tokens=4096, keep_logprobs=True)
    widths: list[int] = []

    def noted(module: Any, query: Any, key: Any, *rest: Any, **options: Any) -> Any:
        if query.shape[2] == 1:
            widths.append(key.shape[2])
        return sdpa_attention_forward(module, query, key, *rest, **options)

    def answered() -> dict[str, Answer]:
        return {answer.id: answer for answer in answers(model, prompts, decoding, Stop())}

    monkeypatch.setattr(attention, "sdpa_attention_forward", noted)
    monkeypatch.setattr(answers_module, "SPAN_ROWS", 4)
    found, seen = answered(), sorted(widths)
    monkeypatch.setattr(answers_module, "_is_roomy", lambda cache: False)
    expected = answered()

    assert len({len(answer.tokens) for answer in found.values()}) > 1, "some leave before the others, and rows move"
    assert seen[0] < 30 < 60 < seen[-1]
    for name, answer in found.items():
        assert (answer.tokens, answer.finish) == (expected[name].tokens, expected[name].finish)
        assert answer.logprobs == pytest.approx(expected[name].logprobs, abs=1e-5)
    assert model.config._attn_implementation == PLAIN

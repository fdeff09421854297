"""The loss is the model's own, whatever way the conversations are laid out."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AttentionInterface, AutoModelForCausalLM, AutoTokenizer
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from tests.pure.engine.conftest import conversations
from training.engine import loss as loss_module
from training.engine.data import Conversation, encode_conversations
from training.engine.loss import Batch, log_likelihoods, loss_sum, refuse_unusual_head
from training.engine.outcome import BadInput

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Any:
    """The tiny base model in training mode, as updates see it."""
    return AutoModelForCausalLM.from_pretrained(tiny_base).train()


@pytest.fixture(scope="module")
def items(tiny_base: Path) -> list[Conversation]:
    """Conversations of mixed lengths."""
    return encode_conversations(conversations(12), AutoTokenizer.from_pretrained(tiny_base), max_length=64)


def gradients(model: Any, loss: torch.Tensor) -> torch.Tensor:
    """All gradients of a loss in one row."""
    found = torch.autograd.grad(loss, list(model.parameters()))
    return torch.cat([value.flatten() for value in found])


def test_packed_padded_and_one_by_one_agree_in_loss_and_gradient(model: Any, items: list[Conversation]) -> None:
    alone = torch.stack([loss_sum(model, Batch([item], CPU, is_packed=False)) for item in items]).sum()
    padded = loss_sum(model, Batch(items, CPU, is_packed=False))
    packed = loss_sum(model, Batch(items, CPU, is_packed=True))

    n_learnt = sum(item.n_learnt for item in items)
    torch.testing.assert_close(padded / n_learnt, alone / n_learnt, rtol=0, atol=1e-5)
    torch.testing.assert_close(packed / n_learnt, alone / n_learnt, rtol=0, atol=1e-5)
    torch.testing.assert_close(gradients(model, packed), gradients(model, alone), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("is_packed", [True, False])
def test_the_likelihood_of_each_conversation_is_its_own(model: Any, items: list[Conversation], is_packed: bool) -> None:
    together = log_likelihoods(model, Batch(items, CPU, is_packed=is_packed))

    alone = [-loss_sum(model, Batch([item], CPU, is_packed=False)) for item in items]
    torch.testing.assert_close(together, torch.stack(alone), rtol=1e-5, atol=1e-4)


def test_a_packed_conversation_does_not_see_its_neighbour(model: Any, items: list[Conversation]) -> None:
    first, second, other = items[:3]

    together = [loss_sum(model, Batch([item, second], CPU, is_packed=True)) for item in (first, other)]
    alone = [loss_sum(model, Batch([item], CPU, is_packed=False)) for item in (first, other)]

    torch.testing.assert_close(together[0] - together[1], alone[0] - alone[1], rtol=1e-4, atol=1e-4)


def test_the_loss_is_that_of_the_model_itself(model: Any, items: list[Conversation]) -> None:
    refuse_unusual_head(model, items[0], CPU, is_packed=False)


def test_a_model_that_changes_what_its_head_says_is_refused(
    model: Any, items: list[Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = model.forward
    monkeypatch.setattr(model, "forward", lambda **values: _doubled(own(**values)))

    with pytest.raises(BadInput, match="LlamaForCausalLM changes the head's output"):
        refuse_unusual_head(model, items[0], CPU, is_packed=False)


def test_a_base_model_with_damaged_weights_is_refused(tiny_base: Path, items: list[Conversation]) -> None:
    damaged = AutoModelForCausalLM.from_pretrained(tiny_base)
    torch.nn.init.constant_(damaged.model.norm.weight, float("inf"))

    with pytest.raises(BadInput, match="weights are damaged"):
        refuse_unusual_head(damaged, items[0], CPU, is_packed=False)


def test_a_model_that_mixes_packed_conversations_is_refused(tiny_base: Path, items: list[Conversation]) -> None:
    mixing = AutoModelForCausalLM.from_pretrained(tiny_base)
    refuse_unusual_head(mixing, items[0], CPU, is_packed=True)

    def over_the_whole_row(module: Any, *tensors: Any, **options: Any) -> Any:
        return sdpa_attention_forward(module, *tensors, **options)

    AttentionInterface.register("whole row", over_the_whole_row)
    mixing.set_attn_implementation("whole row")

    with pytest.raises(BadInput, match="does not keep conversations apart"):
        refuse_unusual_head(mixing, items[0], CPU, is_packed=True)


def _doubled(output: Any) -> Any:
    output.loss = output.loss * 2
    return output


def test_chunks_change_nothing(model: Any, items: list[Conversation], monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Batch(items, CPU, is_packed=False)
    whole = loss_sum(model, batch)
    expected = gradients(model, whole)

    monkeypatch.setattr(loss_module, "CHUNK", 4)
    chunked = loss_sum(model, batch)

    torch.testing.assert_close(chunked, whole)
    torch.testing.assert_close(gradients(model, chunked), expected, rtol=1e-4, atol=1e-5)

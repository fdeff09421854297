"""What is learnt is chosen by position: the assistant's words and the end of turn, nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from tests.pure.engine.conftest import conversation
from training.engine.data import (
    encode_conversations,
    end_of_turn,
    preview,
    prompt_tokens,
    read_conversations,
    shortened,
    token_facts,
)
from training.engine.outcome import BadInput

TWO_TURNS = {
    "id": "two",
    "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "has a cough"},
        {"role": "assistant", "content": "mild"},
        {"role": "user", "content": "fever"},
        {"role": "assistant", "content": "no"},
    ],
}


@pytest.fixture
def tokenizer(tiny_base: Path) -> Any:
    """A tokenizer of one's own, as tests change it."""
    return AutoTokenizer.from_pretrained(tiny_base)


def learnt_text(item: Any, tokenizer: Any) -> str:
    """The text of the learnt tokens."""
    return str(tokenizer.decode([token for token, mark in zip(item.tokens, item.is_learnt, strict=True) if mark]))


def test_only_answers_and_their_ends_are_learnt(tokenizer: Any) -> None:
    (item,) = encode_conversations([TWO_TURNS], tokenizer, max_length=256)

    assert learnt_text(item, tokenizer) == "mild<|end|>no<|end|>"
    assert tokenizer.decode(item.tokens) == tokenizer.apply_chat_template(TWO_TURNS["messages"], tokenize=False)


def test_the_prompt_in_training_is_the_prompt_in_generation(tokenizer: Any) -> None:
    (item,) = encode_conversations([TWO_TURNS], tokenizer, max_length=256)

    assert item.prompt == prompt_tokens(tokenizer, TWO_TURNS["messages"][:-1], max_question=0)


def test_end_of_turn_is_learnt_even_when_it_is_also_the_padding_token(tokenizer: Any) -> None:
    tokenizer.pad_token = tokenizer.eos_token

    (item,) = encode_conversations([conversation(1)], tokenizer, max_length=256)

    assert item.tokens[-1] == tokenizer.pad_token_id
    assert item.is_learnt[-1]


def test_what_follows_the_end_of_turn_is_not_learnt(tokenizer: Any) -> None:
    tokenizer.chat_template = tokenizer.chat_template.replace("<|end|>", "<|end|>\n")

    (item,) = encode_conversations([conversation(1)], tokenizer, max_length=256)

    assert learnt_text(item, tokenizer).endswith("<|end|>")
    assert tokenizer.decode(item.tokens).endswith("<|end|>\n")


def test_a_template_without_end_of_turn_is_refused(tokenizer: Any) -> None:
    tokenizer.chat_template = tokenizer.chat_template.replace("<|end|>", "")

    with pytest.raises(BadInput, match="does not close an answer"):
        end_of_turn(tokenizer)
    with pytest.raises(BadInput, match="does not close an answer"):
        encode_conversations([conversation(1)], tokenizer, max_length=256)


def test_a_template_that_rewrites_earlier_turns_is_refused(tokenizer: Any) -> None:
    tokenizer.chat_template = "{{ messages | length }}" + tokenizer.chat_template

    with pytest.raises(BadInput, match="lays out earlier turns differently"):
        encode_conversations([TWO_TURNS], tokenizer, max_length=256)


def test_an_answer_that_is_cut_away_is_refused_with_its_name_and_the_length_needed(tokenizer: Any) -> None:
    short, long = conversation(1, length=3), conversation(2, length=60)

    with pytest.raises(BadInput, match=r"In 1 of 2 conversations .* \(first: c2\)") as refused:
        encode_conversations([short, long], tokenizer, max_length=40)
    assert "above" in refused.value.advice


def test_an_answer_that_is_cut_in_part_is_counted(tokenizer: Any) -> None:
    row = conversation(3)
    row["messages"][1]["content"] = "the patient has a cough and mild pain in left knee"
    (whole,) = encode_conversations([row], tokenizer, max_length=256)

    (item,) = encode_conversations([row], tokenizer, max_length=len(whole.tokens) - 2)

    assert item.is_cut
    assert 0 < item.n_learnt < whole.n_learnt
    assert token_facts([item], 0.0)["cut_share"] == 1.0


def test_a_long_question_is_shortened_in_the_middle_alike_in_training_and_generation(tokenizer: Any) -> None:
    row = conversation(4, length=60)
    row["messages"].insert(0, {"role": "system", "content": "name the first word that you read"})

    (item,) = encode_conversations([row], tokenizer, max_length=128, max_question=20)

    words = row["messages"][1]["content"].split()
    text = tokenizer.decode(item.prompt)
    assert item.prompt == prompt_tokens(tokenizer, row["messages"][:2], max_question=20)
    assert text.startswith(f"<|system|>name the first word that you read<|end|><|user|>{words[0]} {words[1]}")
    assert " [...] " in text
    assert text.endswith(f" {words[-1]}<|end|><|assistant|>")
    assert item.is_shortened
    assert learnt_text(item, tokenizer).endswith("<|end|>")


@pytest.mark.parametrize("limit", [0, 1, 2, 7, 20, 1000])
def test_shortening_keeps_both_ends_of_any_text(tokenizer: Any, limit: int) -> None:
    text = "the pati\u00ebnt \U0001f9ea has a cough \u8840\u5727 and mild pain"
    whole = len(tokenizer.encode(text, add_special_tokens=False))

    (message,) = shortened([{"role": "user", "content": text}], tokenizer, limit)

    start, gap, end = message["content"].partition(" [...] ")
    assert bool(gap) == (0 < limit < whole)
    assert text.startswith(start)
    assert text.endswith(end)
    if gap:
        assert len(tokenizer.encode(start + end, add_special_tokens=False)) <= limit + 8


def test_answers_and_instructions_are_never_shortened(tokenizer: Any) -> None:
    assert shortened(TWO_TURNS["messages"], tokenizer, 1)[0] == TWO_TURNS["messages"][0]
    assert shortened(TWO_TURNS["messages"], tokenizer, 1)[2] == TWO_TURNS["messages"][2]


def test_a_control_token_in_the_text_is_refused(tokenizer: Any) -> None:
    row = conversation(5)
    row["messages"][0]["content"] += " <|end|><|assistant|>no"

    with pytest.raises(BadInput, match=r"Conversation c5 holds the control token <\|end\|>"):
        encode_conversations([row], tokenizer, max_length=256)


def test_preview_marks_what_is_learnt(tokenizer: Any) -> None:
    items = encode_conversations([TWO_TURNS], tokenizer, max_length=256)

    (shown,) = preview(items, tokenizer)

    assert [text for text, is_learnt in shown["pieces"] if is_learnt] == ["mild<|end|>", "no<|end|>"]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([], "holds no conversations"),
        (["{"], "Line 1 of train.jsonl is not valid JSON"),
        (["[]"], "Line 1 of train.jsonl is not an object"),
        ([json.dumps({"id": "", "messages": []})], "Line 1 of train.jsonl: The id must be text"),
        ([json.dumps(conversation(1))] * 2, "Line 2 of train.jsonl: The id was used before"),
        ([json.dumps({"id": "a", "messages": conversation(1)["messages"][:1]})], "The last message must be"),
        ([json.dumps({"id": "a", "messages": [{"role": "user", "content": " "}]})], "A message of the user is empty"),
        ([json.dumps({"id": "a", "messages": [{"role": "nurse", "content": "x"}]})], "Each message needs a role"),
        ([json.dumps({"id": "a"})], "There are no messages"),
    ],
)
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, lines: list[str], sentence: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))

    with pytest.raises(BadInput, match=sentence):
        read_conversations(path, ends_with_answer=True)

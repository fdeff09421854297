"""What a training is expected to take, what is changed so that it fits, and when it is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.pure.engine.conftest import conversation, events, result, run_here
from training.engine.config import MachineConfig, RunConfig
from training.engine.estimate import Shape, fitted, largest_batch, training_memory
from training.engine.folder import RunFolder
from training.engine.outcome import BadInput

LLAMA_8B = Shape(
    n_parameters=8_030_000_000, layers=32, hidden=4096, mlp=14_336, kv_width=1024, vocabulary=128_256
)  # fmt: skip
HALF = RunConfig(base_model="b", precision="bfloat16", batch_size=4).to_json()
CPU = MachineConfig(device="cpu")


def test_an_adapter_of_llama_8b_has_as_many_numbers_as_its_layers_say() -> None:
    # 41.9 million at rank 16 on all linear layers, as every report of such a training prints.
    assert LLAMA_8B.n_trainable(16, "all-linear") == 41_943_040
    assert LLAMA_8B.n_trainable(16, "attention") + LLAMA_8B.n_trainable(16, "mlp") == 41_943_040
    assert LLAMA_8B.n_trainable(8, ("q_proj", "v_proj")) == 3_407_872


def test_the_base_model_counts_by_its_precision() -> None:
    assert LLAMA_8B.weights(HALF) == 16_060_000_000
    assert LLAMA_8B.weights({**HALF, "four_bit": True}) < 5e9


def test_sixteen_thousand_tokens_of_llama_8b_take_about_95_gigabytes_and_far_less_recomputed() -> None:
    n_trainable = LLAMA_8B.n_trainable(16, "all-linear")
    kept, recomputed = (
        training_memory(
            LLAMA_8B, HALF, n_tokens=16_384, n_trainable=n_trainable, is_recomputed=is_recomputed, is_on_card=True
        )
        for is_recomputed in (False, True)
    )

    assert 90e9 < kept < 105e9
    assert recomputed < kept / 8


@pytest.mark.parametrize(
    ("hidden", "layers", "n_tokens", "living", "resident"),
    [
        (256, 2, 2048, 99.5, 154.5), (256, 4, 512, 61.9, 79.4), (256, 8, 2048, 377.1, 554.0),
        (512, 2, 512, 55.6, 87.4), (512, 2, 4096, 329.0, 533.9), (512, 4, 4096, 666.6, 1073.0),
        (512, 2, 8192, 613.4, 1065.5), (512, 8, 2048, 725.2, 1049.5), (1024, 4, 2048, 693.2, 1054.3),
    ],
)  # fmt: skip
def test_the_estimate_is_near_what_was_measured(
    hidden: int, layers: int, n_tokens: int, living: float, resident: float
) -> None:
    """Megabytes that two updates took beside the loaded model on a processor (float32, rank 16 on all linear layers),
    with every block of memory mapped alone, so that nothing but what lives counts, and as malloc does it by itself."""
    shape = Shape(0, layers, hidden, mlp=hidden * 7 // 2, kv_width=hidden // 4, vocabulary=2048)
    config, n_trainable = RunConfig(base_model="b").to_json(), shape.n_trainable(16, "all-linear")

    for is_on_card, measured in ((True, living), (False, resident)):
        foretold = training_memory(
            shape, config, n_tokens=n_tokens, n_trainable=n_trainable, is_recomputed=False, is_on_card=is_on_card
        )
        # Within a tenth, and at most a twentieth or what the libraries load while they compute (7 MB) too little.
        assert min(-0.05 * measured, -7) < foretold / 1e6 - measured < 0.1 * measured


def test_the_largest_batch_is_of_the_longest_rows_within_the_limit() -> None:
    lengths = [10, 40, 30, 20]

    assert largest_batch(lengths, batch_size=2, token_limit=0, is_packed=False) == 80
    assert largest_batch(lengths, batch_size=2, token_limit=0, is_packed=True) == 70
    assert largest_batch(lengths, batch_size=9, token_limit=64, is_packed=True) == 64
    assert largest_batch(lengths, batch_size=9, token_limit=16, is_packed=True) == 40, "one row is never split"


def fit(free: int | None, lengths: list[int]) -> Any:
    n_trainable = LLAMA_8B.n_trainable(16, "all-linear")
    return fitted(LLAMA_8B, HALF, CPU, lengths, n_trainable=n_trainable, free=free, is_packed=False, is_on_card=True)


def test_what_fits_and_what_nobody_can_know_stays_as_it_was_asked_for() -> None:
    for free in (None, 10**12):
        assert fit(free, [2000] * 8)[::2] == (CPU, [])


def test_smaller_batches_come_first_then_recomputing_then_a_refusal() -> None:
    split, recomputed = fit(31 * 10**9, [2000] * 8), fit(8 * 10**9, [2000] * 8)

    assert (split.machine.micro_batch_tokens, split.machine.recompute_activations) == (4096, False)
    assert "31.0 GB are free" in split.adjusted[0]
    assert "at most 4,096 tokens" in split.adjusted[1]
    assert recomputed.machine.recompute_activations
    assert "a fifth of the speed" in recomputed.adjusted[-1]
    assert recomputed.memory <= 0.9 * 8e9
    with pytest.raises(BadInput, match=r"even with one conversation at a time, and 2\.0 GB are free") as refused:
        fit(2 * 10**9, [2000] * 8)
    assert "longest conversation" in refused.value.advice


def test_a_run_that_would_not_fit_is_adjusted_and_says_so_or_is_refused(
    make_training: Callable[..., RunFolder],
) -> None:
    rows = {"train": [conversation(n, length=40) for n in range(32)], "batch_size": 32, "epochs": 1, "max_length": 256}
    plain = make_training("plain", **rows)
    tight = make_training("tight", machine=MachineConfig(device="cpu", memory_limit=2_500_000), **rows)
    run_here(plain)
    run_here(tight)

    assert result(plain)["estimate"]["adjusted"] == []
    (start,) = events(tight, "start")
    assert "Batches are computed in parts" in start["estimate"]["adjusted"][1]
    assert result(tight)["evaluations"][-1]["loss"] == pytest.approx(result(plain)["evaluations"][-1]["loss"], rel=1e-4)
    assert result(tight)["estimate"]["memory"] > 0
    assert json.loads(tight.run_file.read_text())["machine"]["micro_batch_tokens"] == 0
    with pytest.raises(BadInput, match="even with one conversation at a time"):
        run_here(make_training("none", machine=MachineConfig(device="cpu", memory_limit=100_000), **rows))


def test_training_a_model_whole_takes_sixteen_bytes_a_weight() -> None:
    whole = RunConfig(base_model="b", technique="full").to_json()
    n = LLAMA_8B.n_trained(whole)

    beside = training_memory(LLAMA_8B, whole, n_tokens=1, n_trainable=n, is_recomputed=False, is_on_card=True)

    assert n == LLAMA_8B.n_parameters
    assert LLAMA_8B.weights(whole) == 4 * n
    assert 12 * n < beside < 12 * n + 1e9
    half = {**whole, "precision": "bfloat16"}
    assert LLAMA_8B.weights(half) == 4 * n
    assert training_memory(LLAMA_8B, half, n_tokens=1, n_trainable=n, is_recomputed=False, is_on_card=True) > 14 * n

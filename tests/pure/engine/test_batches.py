"""Every conversation is used once per epoch, and batches stay within their limits."""

from hypothesis import given
from hypothesis import strategies as some

from training.engine.batches import batches, padding_share, update_plan

lengths_of = some.lists(some.integers(1, 300), min_size=1, max_size=80)


@given(lengths=lengths_of, rows=some.integers(1, 9), epochs=some.integers(1, 3), seed=some.integers(0, 99))
def test_each_epoch_uses_every_row_exactly_once(lengths: list[int], rows: int, epochs: int, seed: int) -> None:
    plan = update_plan(len(lengths), rows_per_update=rows, epochs=epochs, seed=seed)

    per_epoch = len(plan) // epochs
    for epoch in range(epochs):
        used = [row for update in plan[epoch * per_epoch : (epoch + 1) * per_epoch] for row in update]
        assert sorted(used) == list(range(len(lengths)))
    assert all(0 < len(update) <= rows for update in plan)
    assert plan == update_plan(len(lengths), rows_per_update=rows, epochs=epochs, seed=seed)


def test_another_seed_or_epoch_is_another_order() -> None:
    first, second = (update_plan(64, rows_per_update=4, epochs=2, seed=seed) for seed in (1, 2))

    assert first != second
    assert first[:16] != first[16:]


@given(lengths=lengths_of, size=some.integers(1, 9), limit=some.sampled_from([0, 200, 500]), is_packed=some.booleans())
def test_batches_hold_every_row_once_within_both_limits(
    lengths: list[int], size: int, limit: int, is_packed: bool
) -> None:
    found = list(batches(range(len(lengths)), lengths, batch_size=size, token_limit=limit, is_packed=is_packed))

    assert sorted(row for batch in found for row in batch) == list(range(len(lengths)))
    for batch in found:
        longest, total = max(lengths[row] for row in batch), sum(lengths[row] for row in batch)
        computed = total if is_packed else longest * len(batch)
        assert len(batch) <= size
        assert not limit or computed <= limit or len(batch) == 1


def test_long_and_short_rows_are_learnt_together_and_padded_apart() -> None:
    lengths = [10] * 64 + [500] * 64

    plan = update_plan(len(lengths), rows_per_update=8, epochs=1, seed=0)

    mixed = [rows for rows in plan if len({lengths[row] for row in rows}) == 2]
    assert len(mixed) == len(plan) == 16
    assert padding_share(plan, lengths, batch_size=8) == 0
    cut = [list(batches(rows, lengths, batch_size=8, token_limit=0, is_packed=False)) for rows in plan]
    assert all(len(found) == 2 for found in cut)

"""Which conversations make up each update, and how an update is cut into batches; pure and seeded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

COST_OF_A_BATCH = 64
"""Positions that take about as long as it takes to begin one more batch, on a processor."""


def update_plan(n_rows: int, *, rows_per_update: int, epochs: int, seed: int) -> list[list[int]]:
    """Row numbers of each update, over all epochs. Every row is in every epoch exactly once, in an order drawn anew.

    Long and short rows are mixed: updates of rows of similar length would be cheaper to pad, but a short training
    learns less from them (bench/README.md has the figures), and packed rows are not padded at all.
    """
    plan: list[list[int]] = []
    for epoch in range(epochs):
        random = Random(f"{seed}/{epoch}")
        order = list(range(n_rows))
        random.shuffle(order)
        plan += [order[start : start + rows_per_update] for start in range(0, n_rows, rows_per_update)]
    return plan


def batches(
    rows: Sequence[int], lengths: Sequence[int], *, batch_size: int, token_limit: int, is_packed: bool
) -> Iterator[list[int]]:
    """Cut rows, longest first, into batches of at most `batch_size` rows and `token_limit` tokens (0: no limit).

    Tokens are counted as computed: the sum of lengths when packed, else rows times the longest. A single row that is
    over the limit is a batch of its own. Padded batches end early where the rows to come are so much shorter that
    padding them would cost more than another batch does.
    """
    batch: list[int] = []
    n_tokens = 0
    for place, row in enumerate(longest_first := sorted(rows, key=lambda row: -lengths[row])):
        cost = lengths[row] if is_packed or not batch else lengths[batch[0]]
        n_to_come = min(batch_size - len(batch), len(longest_first) - place)
        is_far = not is_packed and (cost - lengths[row]) * n_to_come > COST_OF_A_BATCH
        is_full = len(batch) == batch_size or (token_limit and n_tokens + cost > token_limit)
        if batch and (is_full or is_far):
            yield batch
            batch, n_tokens, cost = [], 0, lengths[row]
        batch.append(row)
        n_tokens += cost
    if batch:
        yield batch


def padding_share(plan: Sequence[Sequence[int]], lengths: Sequence[int], *, batch_size: int) -> float:
    """Share of computed positions that are padding when the plan's batches are padded to their longest row."""
    computed = used = 0
    for rows in plan:
        for batch in batches(rows, lengths, batch_size=batch_size, token_limit=0, is_packed=False):
            computed += len(batch) * lengths[batch[0]]
            used += sum(lengths[row] for row in batch)
    return 1 - used / computed if computed else 0.0

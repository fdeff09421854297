"""Who gets what: the draw depends on the seed and on nothing else."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from annotation.allocation import n_required, sample, slots

SEEDS = st.integers(0, 2**31 - 1)


@given(st.integers(0, 60), st.integers(0, 80), SEEDS)
def test_a_larger_sample_only_grows_at_its_end(n: int, n_rows: int, seed: int) -> None:
    rows = list(range(n_rows))
    drawn = sample(rows, n, seed)

    assert drawn == sample(rows, n, seed)
    assert sample(rows, n + 5, seed)[: len(drawn)] == drawn
    assert len(set(drawn)) == len(drawn) == min(n, n_rows)
    assert rows == list(range(n_rows))


@given(st.integers(0, 200), st.integers(1, 5), st.integers(0, 100), SEEDS)
def test_coverage_says_how_many_items_are_shared(n_items: int, overlap: int, coverage: int, seed: int) -> None:
    required = n_required(n_items, overlap=overlap, coverage=coverage, seed=seed)

    assert required == n_required(n_items, overlap=overlap, coverage=coverage, seed=seed)
    assert len(required) == n_items
    assert set(required) <= {1, overlap}
    if overlap > 1:
        n_shared = required.count(overlap)
        assert n_items * coverage / 100 <= n_shared < n_items * coverage / 100 + 1


@given(st.integers(1, 100), st.integers(2, 5), SEEDS)
def test_changing_the_overlap_keeps_the_same_items_shared(n_items: int, overlap: int, seed: int) -> None:
    shared = [n > 1 for n in n_required(n_items, overlap=overlap, coverage=40, seed=seed)]

    assert shared == [n > 1 for n in n_required(n_items, overlap=2, coverage=40, seed=seed)]


@given(st.lists(st.integers(1, 5), max_size=60))
def test_every_place_is_made_once_and_first_places_come_first(required: list[int]) -> None:
    made = slots(required)

    assert [slot.position for slot in made] == list(range(sum(required)))
    assert Counter(slot.item for slot in made) == Counter(dict(enumerate(required)))
    assert len({(slot.item, slot.slot) for slot in made}) == len(made)
    assert [slot.slot for slot in made] == sorted(slot.slot for slot in made)


def test_two_seeds_give_two_orders() -> None:
    assert sample(range(50), 50, 1) != sample(range(50), 50, 2)

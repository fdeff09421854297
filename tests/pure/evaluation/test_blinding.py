"""Which outputs are rated and in which order: seeded, balanced, and without a trace of the systems."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from evaluation.blinding import drawn_sample, neutral_labels, rater_order

ARMS = ("adapter", "base")


def pairs(n: int, arms: tuple[str, ...] = ARMS) -> dict[int, dict[str, str]]:
    return {unit: {arm: f"{unit}-{arm}" for arm in arms} for unit in range(n)}


@given(n=st.integers(0, 40), k=st.integers(1, 4), seed=st.integers(0, 2**31), rater=st.integers(1, 10**6))
def test_every_rater_sees_every_output_exactly_once(n: int, k: int, seed: int, rater: int) -> None:
    outputs = pairs(n, tuple(f"arm{i}" for i in range(k)))

    order = rater_order(outputs, rater=rater, seed=seed)

    assert sorted(order) == sorted(output for answers in outputs.values() for output in answers.values())


@given(n=st.integers(2, 40), seed=st.integers(0, 2**31))
def test_two_answers_to_one_note_lie_a_whole_pass_apart(n: int, seed: int) -> None:
    order = rater_order(pairs(n), rater=1, seed=seed)

    for unit in range(n):
        places = [place for place, output in enumerate(order) if output.startswith(f"{unit}-")]
        assert places[1] - places[0] == n


@given(n=st.integers(1, 40), seed=st.integers(0, 2**31))
def test_each_pass_holds_the_arms_in_equal_numbers(n: int, seed: int) -> None:
    order = rater_order(pairs(n), rater=1, seed=seed)

    first_pass = Counter(output.partition("-")[2] for output in order[:n])
    assert abs(first_pass["adapter"] - first_pass["base"]) <= 1


def test_the_arm_cannot_be_told_from_the_place_or_the_neighbour() -> None:
    n, rounds = 20, 400
    at_place, same_as_before = Counter(), 0
    for seed in range(rounds):
        arms = [output.partition("-")[2] for output in rater_order(pairs(n), rater=1, seed=seed)]
        at_place.update(place for place, arm in enumerate(arms[:n]) if arm == "adapter")
        same_as_before += sum(a == b for a, b in pairwise(arms[:n]))

    # 400 fair draws: 200 expected, standard deviation 10; five of them leave no doubt.
    assert all(150 < at_place[place] < 250 for place in range(n))
    assert 0.42 < same_as_before / (rounds * (n - 1)) < 0.53


def test_same_seed_same_order_and_each_rater_an_order_of_their_own() -> None:
    outputs = pairs(12)

    assert rater_order(outputs, rater=1, seed=7) == rater_order(outputs, rater=1, seed=7)
    assert rater_order(outputs, rater=1, seed=7) != rater_order(outputs, rater=2, seed=7)
    assert rater_order(outputs, rater=1, seed=7) != rater_order(outputs, rater=1, seed=8)


def test_an_output_that_an_arm_lacks_is_simply_not_there() -> None:
    outputs = {1: {"a": "1a", "b": "1b"}, 2: {"a": "2a"}}

    assert sorted(rater_order(outputs, rater=1, seed=1)) == ["1a", "1b", "2a"]


@given(size=st.integers(0, 60), seed=st.integers(0, 2**31))
def test_no_second_note_of_a_patient_before_every_patient_gave_one(size: int, seed: int) -> None:
    units = {note: note % 7 for note in range(40)}

    drawn = drawn_sample(units, size, seed=seed)

    per_patient = Counter(units[note] for note in drawn)
    assert len(drawn) == len(set(drawn)) == min(size, 40)
    assert max(per_patient.values(), default=0) - min((per_patient[p] for p in range(7)), default=0) <= 1 or size >= 35


def test_the_sample_is_that_of_its_seed_and_otherwise_fair() -> None:
    units = {note: note for note in range(10)}

    drawn = Counter(note for seed in range(500) for note in drawn_sample(units, 3, seed=seed))

    assert drawn_sample(units, 3, seed=4) == drawn_sample(units, 3, seed=4)
    # 150 expected of each, standard deviation 10.
    assert all(100 < drawn[note] < 200 for note in units)


def test_neutral_labels_name_everybody_once_and_hide_who_is_who() -> None:
    labels = neutral_labels([11, 12, 13], seed=1)

    assert sorted(labels.values()) == ["Rater 1", "Rater 2", "Rater 3"]
    assert len({tuple(neutral_labels([11, 12, 13], seed=seed).items()) for seed in range(40)}) == 6

"""Texts that are nearly the same, so that a model is never tested on what it has read; pure."""

from collections.abc import Callable, Sequence

WORDS = 3
"""Words in a shingle: long enough that medical phrases alone make no two notes alike."""
ALIKE = 0.8
"""The share of shingles in common (Jaccard) from which two texts are nearly the same."""
FEWEST_WORDS = 30
"""Shorter texts resemble each other by nature and are not compared."""
PERMUTATIONS = 128
SEED = 1
# Candidates are looked for below the threshold and then compared exactly, so that few pairs are missed.
CANDIDATES_FROM = 0.5


def near_duplicates(
    texts: Sequence[str], *, beat: Callable[[int], None] = lambda n_done: None
) -> list[tuple[int, int]]:
    """Pairs of positions whose texts share at least `ALIKE` of their word trigrams, the lower position first.

    Case, punctuation and white space do not matter. Candidates come from MinHash with banding (Broder 1997; Indyk and
    Motwani 1998) and are then compared exactly: no pair is named that is not alike, and a pair at the threshold is
    missed with a chance below 1 %. Texts with fewer than `FEWEST_WORDS` words
    are alike to nothing. Memory: the shingles of all texts;
    `beat` is told after each text how many are read.
    """
    # Here, because it brings scipy along, and few processes ever look for duplicates.
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=CANDIDATES_FROM, num_perm=PERMUTATIONS)
    shingles, sketches = [shingles_of(text) for text in texts], []
    for position, found in enumerate(shingles):
        sketch = MinHash(num_perm=PERMUTATIONS, seed=SEED)
        sketch.update_batch(sorted(found))
        sketches.append(sketch)
        if found:
            index.insert(position, sketch)
        beat(position + 1)
    return sorted(
        (position, other)
        for position, sketch in enumerate(sketches)
        if shingles[position]
        for other in index.query(sketch)
        if position < other and jaccard(shingles[position], shingles[other]) >= ALIKE
    )


def shingles_of(text: str) -> frozenset[bytes]:
    """The distinct word trigrams of a text; none when it has fewer than `FEWEST_WORDS` words."""
    words = ["".join(filter(str.isalnum, word)) for word in text.casefold().split()]
    words = [word for word in words if word]
    starts = range(len(words) - WORDS + 1) if len(words) >= FEWEST_WORDS else ()
    return frozenset(" ".join(words[start : start + WORDS]).encode() for start in starts)


def jaccard(first: frozenset[bytes], second: frozenset[bytes]) -> float:
    """Shingles in common over all shingles of two texts; 0 where neither has one."""
    return len(first & second) / len(first | second) if first or second else 0.0

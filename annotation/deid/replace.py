"""Replacing identifiers: the text that leaves quarantine, where its spans lie, and the map between both texts."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import replace as changed

from annotation.deid.spans import Span


@dataclass(frozen=True)
class Replaced:
    """A text with its identifiers replaced.

    `spans` are the replacements in `text`, one for one and in the order of `originals`, the spans of the original.
    """

    text: str
    spans: tuple[Span, ...]
    originals: tuple[Span, ...]

    def to_result(self, offset: int) -> int:
        """Where offset `offset` of the original lies in `text`; inside an identifier: the start of its replacement."""
        return _carry(offset, self.originals, self.spans)

    def to_original(self, offset: int) -> int:
        """Where offset `offset` of `text` lies in the original; inside a replacement: the start of the identifier."""
        return _carry(offset, self.spans, self.originals)


def replace(text: str, spans: Iterable[Span]) -> Replaced:
    """`text` with each span replaced by its label in square brackets, such as [NAME].

    The spans must be disjoint and inside the text, in any order; ValueError otherwise, and nothing is replaced.
    """
    originals = tuple(sorted(spans))
    parts: list[str] = []
    placed: list[Span] = []
    done = length = 0
    for span in originals:
        if span.start < done or span.end > len(text):
            raise ValueError(
                f"Span {span.start}-{span.end} overlaps another or leaves the text of {len(text)} characters."
            )
        tag = f"[{span.label}]"
        length += span.start - done
        parts += [text[done : span.start], tag]
        placed.append(changed(span, start=length, end=length + len(tag)))
        length += len(tag)
        done = span.end
    parts.append(text[done:])
    return Replaced("".join(parts), tuple(placed), originals)


def _carry(offset: int, here: tuple[Span, ...], there: tuple[Span, ...]) -> int:
    position = bisect_right(here, offset, key=lambda span: span.start) - 1
    if position < 0:
        return offset
    if offset < here[position].end:
        return there[position].start
    return there[position].end + offset - here[position].end

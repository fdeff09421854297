"""Examples written as text with their identifiers between << and >>."""

from annotation.deid import Span


def unmarked(example: str) -> tuple[str, list[tuple[int, int]]]:
    """The text of an example and the offsets of what it marks."""
    text = ""
    marks = []
    for number, part in enumerate(example.replace(">>", "<<").split("<<")):
        if number % 2:
            marks.append((len(text), len(text) + len(part)))
        text += part
    return text, marks


def letters(text: str, spans: list[tuple[int, int]]) -> str:
    """`text` with every letter and digit outside the spans as a dot: what a reader of the spans alone would see."""
    inside = {place for start, end in spans for place in range(start, end)}
    return "".join(
        character if place in inside or not character.isalnum() else "." for place, character in enumerate(text)
    )


def offsets(spans: list[Span]) -> list[tuple[int, int]]:
    return [(span.start, span.end) for span in spans]

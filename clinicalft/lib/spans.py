"""Character offsets: counted in Unicode code points everywhere on the server, in UTF-16 units only inside a browser."""


class SpanError(ValueError):
    """A span does not fit its text; the message is one sentence that never contains the text."""


def normalise_newlines(text: str) -> str:
    """`text` with CRLF and lone CR turned into LF: done once, at import; offsets then never depend on the platform."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def quote(text: str, start: int, end: int) -> str:
    """The characters from `start` up to and without `end`. Raises SpanError unless 0 <= start < end <= length."""
    if not 0 <= start < end <= len(text):
        raise SpanError(
            f"Span {start}-{end} does not lie in a text of {len(text)} characters; "
            "offsets are code points from 0, end exclusive."
        )
    return text[start:end]


def check_quote(text: str, start: int, end: int, expected: str) -> None:
    """Raises SpanError unless `text[start:end]` is exactly `expected`."""
    if quote(text, start, end) != expected:
        raise SpanError(
            f"The quoted text of span {start}-{end} is not what stands there; the text or the offsets have changed."
        )


def utf16_length(text: str) -> int:
    """Length of `text` as JavaScript counts it: two units for each code point above U+FFFF."""
    return len(text) + sum(character > "\uffff" for character in text)


def to_utf16(text: str, offset: int) -> int:
    """The UTF-16 offset of code-point offset `offset`. Raises SpanError when it lies outside the text."""
    if not 0 <= offset <= len(text):
        raise SpanError(f"Offset {offset} does not lie in a text of {len(text)} characters.")
    return utf16_length(text[:offset])


def from_utf16(text: str, offset: int) -> int:
    """The code-point offset of UTF-16 offset `offset`. Raises SpanError outside the text or inside a surrogate pair."""
    units = 0
    for position in range(len(text) + 1):
        if units == offset:
            return position
        if position < len(text):
            units += 2 if text[position] > "\uffff" else 1
    raise SpanError(f"UTF-16 offset {offset} lies outside the text or inside a character.")

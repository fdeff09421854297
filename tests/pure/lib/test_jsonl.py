import io

import pytest

from clinicalft.lib.jsonl import JsonlError, dump_line, parse_line, read


def test_objects_come_with_their_line_numbers_and_blank_lines_count():
    stream = io.BytesIO(b'\xef\xbb\xbf{"a": 1}\n\n  \n{"b": "\xc3\xa4"}\r\n')

    assert list(read(stream)) == [(1, {"a": 1}), (4, {"b": "ä"})]


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b'{"text": "caf\xe9"}', "not UTF-8 at byte 14"),
        (b'{"text": "x"', "not valid JSON at column"),
        (b'{"a": 1} {"b": 2}', "not valid JSON at column 10"),
        (b'{"a": NaN}', "holds NaN"),
        (b'{"a": -Infinity}', "holds -Infinity"),
        (b'{"a": 1, "a": 2}', "same key twice"),
        (b'{"x": {"a": 1, "a": 2}}', "same key twice"),
        (b'{"a": "\\ud83d"}', "lone surrogate"),
        (b"[1, 2]", "holds a list where an object"),
        (b"3", "holds a number"),
        (b"true", "holds true or false"),
        (b'"text"', "holds a text"),
        (b"null", "holds null"),
        (b"[" * 200_000, "nested too deeply"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
    ],
)
def test_a_faulty_line_is_named_with_its_number(raw, sentence):
    with pytest.raises(JsonlError, match=sentence) as fault:
        parse_line(raw, 7)

    assert fault.value.line == 7
    assert str(fault.value).startswith("Line 7: ")


def test_a_fault_never_shows_the_content():
    with pytest.raises(JsonlError) as fault:
        parse_line(b'{"text": "Martha Collins has', 1)

    assert "Martha" not in str(fault.value)


def test_a_dumped_line_reads_back_as_it_was():
    value = {"text": 'a\n"b"\u2028 🙂', "n": 1.5}

    line = dump_line(value)

    assert line.count("\n") == 1
    assert parse_line(line.encode(), 1) == value


def test_nan_is_never_written():
    with pytest.raises(ValueError):
        dump_line({"a": float("nan")})

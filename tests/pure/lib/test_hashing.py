import hashlib
import math

import pytest

from clinicalft.lib.hashing import canonical_json, sha256_file, sha256_json, sha256_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None, "ä🙂"]}, '{"a":[true,null,"ä🙂"],"b":1}'),
        ({"a": {"d": 0.1, "c": -0.0}}, '{"a":{"c":-0.0,"d":0.1}}'),
        ((1, 2), "[1,2]"),
        ({"quote": 'a"b\\c\n'}, '{"quote":"a\\"b\\\\c\\n"}'),
    ],
)
def test_canonical_json_is_one_text_for_one_value(value, text):
    assert canonical_json(value) == text


@pytest.mark.parametrize("value", [math.nan, {"a": math.inf}, {1: "a"}, [{"a": {None: 1}}], "\ud800", {"a": object()}])
def test_values_without_one_agreed_form_are_refused(value):
    with pytest.raises((ValueError, TypeError)):
        canonical_json(value)


def test_the_order_of_keys_does_not_change_the_hash_but_any_value_does():
    assert sha256_json({"a": 1, "b": 2}) == sha256_json({"b": 2, "a": 1})
    assert sha256_json({"a": 1, "b": 2}) != sha256_json({"a": 1, "b": 3})


def test_hashes_of_text_and_file_are_plain_sha256(tmp_path):
    content = "ä" * 1_500_000
    path = tmp_path / "note.txt"
    path.write_text(content, encoding="utf-8")

    expected = hashlib.sha256(content.encode()).hexdigest()

    assert sha256_text(content) == sha256_file(path) == expected
    assert sha256_text("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

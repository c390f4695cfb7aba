"""What is taken for a JSON object, and what is refused, by which name."""

from __future__ import annotations

import json

import pytest

from jobrunner.api.json_body import DEEPEST_NESTING, parse_object
from jobrunner.errors import InvalidRequest


def nested(levels: int) -> bytes:
    """An object of this many levels, itself included."""
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def test_an_object_is_taken_as_it_is() -> None:
    assert parse_object(' {"a": [1, -2.5, "é\\u00e9\\ud83d\\ude00"], "b": {}} '.encode()) == {
        "a": [1, -2.5, "éé😀"],
        "b": {},
    }


def test_the_deepest_nesting_that_is_allowed_is_taken() -> None:
    assert parse_object(nested(DEEPEST_NESTING))


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert len(parse_object(json.dumps({"a": [[]] * 5000}).encode())["a"]) == 5000


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"{", "is not JSON"),
        (b"{'a': 1}", "is not JSON"),
        (b'{"a": 1} x', "is not JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "is not JSON"),
        (b'{"a": "\n"}', "is not JSON"),
        (b"[]", "must be a JSON object"),
        (b'"a"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'{"a": "\xff"}', "must be UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "must be UTF-8"),
        (b'{"a": NaN}', "NaN is no number"),
        (b'{"a": -Infinity}', "-Infinity is no number"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "5000 digits"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": ["x", {"\\uDFFF": 1}]}', "surrogate"),
        (b'{"a": "\\ude00\\ud83d"}', "surrogate"),
        (nested(DEEPEST_NESTING + 1), "nested deeper"),
        (b'{"a":' * 50_000, "nested deeper"),
        (b"[" * 100_000, "nested deeper"),
    ],
)
def test_what_is_no_json_object_is_refused_as_body(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_object(body)
    (fault,) = refused.value.faults
    assert fault.field == "body"
    assert reason in fault.reason


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"image": "a", "image": "b"}', "image"),
        (b'{"envs": {"A": "1", "B": "2", "\\u0041": "3"}}', "A"),
        (b'{"a": [{"x": 1, "x": 1}]}', "x"),
        (b'{"\\ud800": 1, "\\ud800": 2}', "\\ud800"),
    ],
)
def test_a_key_that_is_given_twice_is_named(body: bytes, key: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_object(body)
    (fault,) = refused.value.faults
    assert (fault.field, fault.reason) == (key, "is given more than once")

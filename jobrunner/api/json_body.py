"""From the bytes of a body to a JSON object, strictly: what two readers could understand differently is refused."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, NoReturn

from jobrunner.errors import Fault, InvalidRequest

DEEPEST_NESTING = 64
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body. Raises InvalidRequest, naming the key where there is one to name."""
    text = _decode(body)
    if not text.strip():
        _refuse("must be a JSON object, and is empty")
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_float, parse_int=_int
        )
    except json.JSONDecodeError as error:
        _refuse(f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})")
    except RecursionError:
        _refuse_nesting()
    if not isinstance(value, dict):
        _refuse("must be a JSON object")
    _check_nesting(text, value)
    _check_characters(text, value)
    return value


def _decode(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(f"must be UTF-8, and is not at byte {error.start}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) < len(pairs):
        given = Counter(key for key, _ in pairs)
        twice = next(key for key, times in given.items() if times > 1)
        raise InvalidRequest(Fault(_printable(twice), "is given more than once"))
    return keys


def _refuse_constant(name: str) -> NoReturn:
    _refuse(f"is not JSON: {name} is no number")


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        _refuse(f"has a number that is too large: {text[:20]}")
    return value


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:  # more digits than Python converts
        _refuse(f"has a number of {len(text)} digits, which is too large")


def _check_nesting(text: str, value: Any) -> None:
    if text.count("{") + text.count("[") <= DEEPEST_NESTING:
        return
    level = [value]
    for _ in range(DEEPEST_NESTING):
        level = [child for parent in level for child in _children(parent)]
    if level:
        _refuse_nesting()


def _children(parent: Any) -> list[Any]:
    inner = parent.values() if isinstance(parent, dict) else parent
    return [child for child in inner if isinstance(child, dict | list)]


def _check_characters(text: str, value: Any) -> None:
    """Half a surrogate pair can be written as an escape, but is no character: nothing could store or show it."""
    if not _SURROGATE_ESCAPE.search(text):
        return
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        _refuse("has half of a surrogate pair (\\ud800 to \\udfff), which is no character")


def _printable(key: str) -> str:
    return key.encode("utf-8", "backslashreplace").decode()


def _refuse_nesting() -> NoReturn:
    _refuse(f"is nested deeper than {DEEPEST_NESTING} levels")


def _refuse(reason: str) -> NoReturn:
    raise InvalidRequest(Fault("body", reason))

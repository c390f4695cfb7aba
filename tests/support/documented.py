"""Compares an answer with the example that a document gives of it.

All keys of the example must be there, at every level; values must have its types; and they must be its values, but for
what differs from call to call: instants, UUIDs, ids of containers, and the address at the beginning of URLs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

DOCUMENTED_ADDRESS = "http://localhost:10000"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ISO_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}"
_CONTAINER_ID = r"[0-9a-f]{64}"
_VARYING = re.compile(f"({_UUID})|({_ISO_TIME})|({_CONTAINER_ID})")
_DAY_SECONDS = 24 * 3600


def differences(example: Any, answer: Any, address: str, but: Mapping[str, Any] | None = None) -> list[str]:
    """In what the answer differs from the example, in words; nothing: []. The API is at `address`.

    `but`: what is to stand at some paths instead of the example's value, such as {"job.executions.*.exitCode": 3}.
    """
    return list(_differences(example, answer, address, "", but or {}))


def more_keys(example: Any, answer: Any) -> set[str]:
    """The paths of the keys that the answer has and the example has not."""
    return set(_more_keys(example, answer, ""))


def _differences(example: Any, answer: Any, address: str, path: str, but: Mapping[str, Any]) -> Iterator[str]:
    if path in but:
        if answer != but[path]:
            yield f"{path}: is {answer!r} and not {but[path]!r}"
    elif type(example) is not type(answer):
        yield f"{path}: {answer!r} is no {type(example).__name__}, as {example!r} is"
    elif isinstance(example, dict):
        yield from _differing_keys(example, answer, address, path, but)
    elif isinstance(example, list) and example and answer:
        for item in answer:  # the first item of an example stands for all
            yield from _differences(example[0], item, address, _below(path, "*"), but)
    elif not _is_like(example, answer, address):
        yield f"{path}: {answer!r} is not like {example!r}"


def _differing_keys(
    example: dict[str, Any], answer: dict[str, Any], address: str, path: str, but: Mapping[str, Any]
) -> Iterator[str]:
    for key, value in example.items():
        if key in answer:
            yield from _differences(value, answer[key], address, _below(path, key), but)
        else:
            yield f"{_below(path, key)}: is not there"


def _more_keys(example: Any, answer: Any, path: str) -> Iterator[str]:
    if isinstance(example, dict) and isinstance(answer, dict):
        for key, value in answer.items():
            if key in example:
                yield from _more_keys(example[key], value, _below(path, key))
            else:
                yield _below(path, key)
    elif isinstance(example, list) and example and isinstance(answer, list):
        for item in answer:
            yield from _more_keys(example[0], item, _below(path, "*"))


def _is_like(example: Any, answer: Any, address: str) -> bool:
    if isinstance(example, str):
        return re.fullmatch(_pattern(example, address), answer) is not None
    if isinstance(example, float):  # the document has no floats but UNIX times
        return abs(answer - time.time()) < _DAY_SECONDS
    return bool(example == answer)


def _pattern(example: str, address: str) -> str:
    """A regular expression for the texts that are like this one."""
    text = example.replace(DOCUMENTED_ADDRESS, address)
    pattern, end = "", 0
    for match in _VARYING.finditer(text):
        kind = (_UUID, _ISO_TIME, _CONTAINER_ID)[(match.lastindex or 1) - 1]
        pattern, end = pattern + re.escape(text[end : match.start()]) + kind, match.end()
    return pattern + re.escape(text[end:])


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key

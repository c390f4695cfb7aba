"""The small result that a program can leave: JSON in a file."""

from __future__ import annotations

import json
from typing import Any

RESULT_BYTES = 64 * 1024
DEEPEST_RESULT = 64  # levels of nesting


def parse_result(content: bytes) -> str:
    """The result in a file, as JSON text without needless space. Raises ValueError, in words that follow "it ..."."""
    if len(content) > RESULT_BYTES:
        raise ValueError(f"has more than {RESULT_BYTES} bytes")
    try:
        value = json.loads(content.decode("utf-8"))
        _check_depth(value)
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        text.encode()  # half of a surrogate pair can be written as an escape, and is no character
    except (ValueError, RecursionError) as error:  # of which UnicodeError and JSONDecodeError are kinds
        raise ValueError(f"is no JSON that can be kept ({str(error)[:200] or 'nested too deep'})") from None
    return text


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST_RESULT + 1):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
        ]
    if level:
        raise ValueError(f"nested deeper than {DEEPEST_RESULT} levels")

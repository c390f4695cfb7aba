"""Sizes of memory and disk, as people write them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

from jobrunner.domain.specification import WholeNumber

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([bkmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def _size(value: Any) -> Any:
    """Bytes from a number, or from text such as 512m (of 1024s, as Docker has them)."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if not match:
        raise ValueError("must be a number of bytes, or a size such as '512m' or '1.5g'")
    return int(float(match[1]) * _UNITS[match[2].lower()])


ByteSize = Annotated[WholeNumber, BeforeValidator(_size, json_schema_input_type=int | str)]


def size_in_words(size_bytes: int) -> str:
    """`512m`, `1.5g`: the largest unit of which there is at least one."""
    for unit in ("t", "g", "m", "k"):
        if abs(size_bytes) >= _UNITS[unit]:
            return f"{size_bytes / _UNITS[unit]:.4g}{unit}"
    return str(size_bytes)

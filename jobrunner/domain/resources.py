"""What executions need of a node and what nodes have: amounts that are added, compared and shown.

A slot is room for one container; every execution needs one. What is not asked for is 0: it is neither reserved nor
limited.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from jobrunner.domain.specification import Number, Specification, WholeNumber

MILLIS = 1000  # of a cpu
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([bkmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
SMALLEST_MEMORY_BYTES = 6 * 1024**2  # the Docker Engine takes no less
SMALLEST_STORAGE_BYTES = 1024**2
LARGEST_BYTES = 2**50


@dataclass(frozen=True)
class Resources:
    """Amounts of everything that is shared out on a node."""

    slots: int = 0
    cpu_millis: int = 0
    memory_bytes: int = 0
    gpus: int = 0
    storage_bytes: int = 0

    def __add__(self, other: Resources) -> Resources:
        """Both together."""
        return Resources(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: Resources) -> Resources:
        """What is left; below 0 where there was not so much."""
        return Resources(*(mine - theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    def lacks(self, needs: Resources) -> list[str]:
        """The names of the amounts that `needs` has more of; what is not needed is never lacking."""
        return [
            amount.name
            for amount in fields(self)
            if getattr(needs, amount.name) > max(0, getattr(self, amount.name)) and getattr(needs, amount.name) > 0
        ]

    def to_text(self) -> str:
        """All amounts in order, parted by spaces, as messages carry them."""
        return " ".join(map(str, astuple(self)))

    @classmethod
    def from_text(cls, text: str) -> Resources:
        """The reverse of `to_text`."""
        return cls(*map(int, text.split()))


NOTHING = Resources()
ONE_SLOT = Resources(slots=1)


def total(amounts: Iterable[Resources]) -> Resources:
    """All together."""
    return sum(amounts, NOTHING)


WORDS: dict[str, tuple[str, Callable[[int], str]]] = {  # each amount: the key of a specification, and how to say one
    "slots": ("slots", str),
    "cpu_millis": ("cpu", lambda amount: f"{amount / MILLIS:g}"),
    "memory_bytes": ("memory", lambda amount: size_in_words(amount)),
    "gpus": ("gpu", str),
    "storage_bytes": ("storage", lambda amount: size_in_words(amount)),
}


def size_in_words(size_bytes: int) -> str:
    """`512m`, `1.5g`: the largest unit of which there is at least one."""
    for unit in ("t", "g", "m", "k"):
        if abs(size_bytes) >= _UNITS[unit]:
            return f"{size_bytes / _UNITS[unit]:.4g}{unit}"
    return str(size_bytes)


def _size(value: Any) -> Any:
    """Bytes from a number, or from text such as 512m (of 1024s, as Docker has them)."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if not match:
        raise ValueError("must be a number of bytes, or a size such as '512m' or '1.5g'")
    return int(float(match[1]) * _UNITS[match[2].lower()])


_Size = BeforeValidator(_size, json_schema_input_type=int | str)


class ResourceRequest(Specification):
    """What an execution gets of its node: reserved there, and the limit of its container."""

    cpu: Annotated[float, Number, Field(ge=0.01, le=1024)] | None = None
    memory: Annotated[WholeNumber, _Size, Field(ge=SMALLEST_MEMORY_BYTES, le=LARGEST_BYTES)] | None = None
    gpu: Annotated[WholeNumber, Field(ge=0, le=1024)] = 0
    storage: Annotated[WholeNumber, _Size, Field(ge=SMALLEST_STORAGE_BYTES, le=LARGEST_BYTES)] | None = None

    @property
    def needs(self) -> Resources:
        """As amounts, with the slot that every execution needs."""
        return Resources(
            slots=1,
            cpu_millis=round((self.cpu or 0) * MILLIS),
            memory_bytes=self.memory or 0,
            gpus=self.gpu,
            storage_bytes=self.storage or 0,
        )

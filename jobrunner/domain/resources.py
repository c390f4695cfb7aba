"""What executions need of a node and what nodes have: amounts that are added, compared and shown.

A slot is room for one container; every execution needs one. What is not asked for is 0: it is neither reserved nor
limited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields
from typing import Annotated

from pydantic import Field

from jobrunner.domain.sizes import ByteSize, size_in_words
from jobrunner.domain.specification import Number, Specification, WholeNumber

MILLIS = 1000  # of a cpu
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
    "memory_bytes": ("memory", size_in_words),
    "gpus": ("gpu", str),
    "storage_bytes": ("storage", size_in_words),
}


class ResourceRequest(Specification):
    """What an execution gets of its node: reserved there, and the limit of its container."""

    cpu: Annotated[float, Number, Field(ge=0.01, le=1024)] | None = None
    memory: Annotated[ByteSize, Field(ge=SMALLEST_MEMORY_BYTES, le=LARGEST_BYTES)] | None = None
    gpu: Annotated[WholeNumber, Field(ge=0, le=1024)] = 0
    storage: Annotated[ByteSize, Field(ge=SMALLEST_STORAGE_BYTES, le=LARGEST_BYTES)] | None = None

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

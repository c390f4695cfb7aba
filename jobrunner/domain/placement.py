"""Where an execution may run, how soon beside others, and how many of its kind at once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from jobrunner.domain.resources import ONE_SLOT, Resources
from jobrunner.domain.specification import Specification, Text, WholeNumber

DEFAULT_POOL = "default"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Priority(StrEnum):
    """Who goes first. The farm has a time by which each step lets a job go before others; so none waits for ever."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("must be 1 to 64 letters, digits, '_', '.' or '-', starting with a letter or digit")
    return value


Name = Annotated[Text, AfterValidator(_name)]
Label = Annotated[Text, StringConstraints(max_length=255)]


class Placement(Specification):
    """The node, the pool, and the labels of the nodes that an execution may run on."""

    node: Name | None = None
    pool: Name | None = None
    constraints: Annotated[dict[Name, Label], Field(max_length=20)] = Field(default_factory=dict)


class Concurrency(Specification):
    """At most `most` executions of a group run at once in the farm, of whatever jobs they are."""

    group: Annotated[Text, StringConstraints(min_length=1, max_length=255)]
    most: Annotated[WholeNumber, Field(ge=1, le=100_000)]


@dataclass(frozen=True, order=True)
class Limit:
    """At most `most` executions that have this limit run at once in the farm. `name` is the same for all of them."""

    name: str
    most: int


@dataclass(frozen=True)
class Demand:
    """All that decides which node may take an execution, and when. Executions of one demand wait in one lane."""

    needs: Resources = ONE_SLOT
    priority: Priority = Priority.NORMAL
    pool: str = DEFAULT_POOL
    node: str | None = None
    constraints: Mapping[str, str] = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()
    volumes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The same text for equal demands."""
        return json.dumps(
            {
                "needs": self.needs.to_text(),
                "priority": self.priority,
                "pool": self.pool,
                "node": self.node or "",
                "constraints": dict(self.constraints),
                "limits": [[limit.name, limit.most] for limit in self.limits],
                "volumes": self.volumes,
            },
            sort_keys=True,
        )

    @property
    def digest(self) -> str:
        """A short name for it."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]


PLAIN = Demand()


@dataclass(frozen=True)
class Waiting:
    """An execution that waits for a node: what it demands, and since when (None: from now on)."""

    execution_id: str
    demand: Demand = PLAIN
    since: datetime | None = None


def matches(constraints: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a node of these labels fulfils the constraints."""
    return all(labels.get(name) == value for name, value in constraints.items())

"""Arrays: many executions of one job, each with an index, or with values of a matrix; and how they stand together."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from jobrunner.domain.envs import EnvName, EnvValue
from jobrunner.domain.specification import Specification, WholeNumber
from jobrunner.domain.states import State

LARGEST = 10_000
MOST_AT_ONCE = 1_000
INDEX_ENV = "JOBRUNNER_ARRAY_INDEX"


def _not_empty(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("must not be empty")
    return values


class Array(Specification):
    """How many executions, or of which values; and how many of them may run at the same time."""

    count: Annotated[WholeNumber, Field(ge=1, le=LARGEST)] | None = None
    matrix: (
        Annotated[dict[EnvName, Annotated[tuple[EnvValue, ...], AfterValidator(_not_empty)]], Field(max_length=20)]
        | None
    ) = Field(None, repr=False)
    most_at_once: Annotated[WholeNumber, Field(ge=1, le=MOST_AT_ONCE)] = MOST_AT_ONCE

    @model_validator(mode="after")
    def _has_a_size(self) -> Array:
        if (self.count is None) == (not self.matrix):
            raise ValueError("must have either count or matrix")
        if self.size > LARGEST:
            raise ValueError(f"matrix has {self.size} combinations; at most {LARGEST} are allowed")
        return self

    @property
    def size(self) -> int:
        """How many executions it has."""
        return self.count or math.prod(len(values) for values in (self.matrix or {}).values())

    def envs(self, index: int) -> dict[str, str]:
        """The environment variables of this index, counted from 0; the last key of a matrix changes fastest."""
        chosen, rest = {}, index
        for name, values in reversed((self.matrix or {}).items()):
            rest, position = divmod(rest, len(values))
            chosen[name] = values[position]
        return {**chosen, INDEX_ENV: str(index)}


def array_execution_id(job_id: str, index: int) -> str:
    """The id of the first attempt of this index: always the same."""
    return str(uuid.uuid5(uuid.UUID(job_id), f"array {index}"))


def own_turn(execution_id: str) -> str:
    """The turn of an execution that has got it from no other one."""
    return f"own:{execution_id}"


class ArrayState(StrEnum):
    """How an array stands as a whole."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True)
class ArraySummary:
    """How many of an array's executions, each with all its attempts, stand how."""

    waiting: int
    running: int
    done: int
    failed: int
    stopped: int

    @property
    def ended(self) -> int:
        """How many have ended for good."""
        return self.done + self.failed + self.stopped

    @property
    def state(self) -> ArrayState:
        """Of the whole: it runs from the first start to the last end; what has failed counts more than a stop."""
        if self.waiting or self.running:
            is_begun = self.running or self.done or self.failed
            return ArrayState.RUNNING if is_begun else ArrayState.WAITING
        if self.failed:
            return ArrayState.FAILED
        return ArrayState.STOPPED if self.stopped else ArrayState.DONE


_FAILED = (State.FAILED, State.TIMEDOUT, State.LOST, State.EXPIRED)


def summarize(counts: Mapping[State, int]) -> ArraySummary:
    """From how many are in each state, those that were tried again left out."""

    def of(*states: State) -> int:
        return sum(counts.get(state, 0) for state in states)

    return ArraySummary(
        waiting=of(State.SCHEDULED, State.ENQUEUED),
        running=of(State.PULLING, State.RUNNING),
        done=of(State.DONE),
        failed=of(*_FAILED),
        stopped=of(State.STOPPED),
    )

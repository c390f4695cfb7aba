"""Whether an execution is tried again, and when: the policy of a job, and the decisions. No I/O."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import AfterValidator, Field, model_validator

from jobrunner.domain.outcomes import SIGKILL_EXIT_CODE, Cause, Outcome
from jobrunner.domain.specification import Number, Specification, WholeNumber
from jobrunner.domain.states import State

if TYPE_CHECKING:
    from jobrunner.domain.executions import Execution

T = TypeVar("T")

LONGEST_DELAY_SECONDS = 30 * 24 * 3600
LARGEST_FACTOR = 1000
TRIED_AGAIN = frozenset({State.FAILED, State.TIMEDOUT, State.LOST})


@dataclass(frozen=True)
class BackOff:
    """How long to wait before the next attempt: `first`, then `factor` times as long each time, up to `longest`.

    Each wait is made longer or shorter by up to the fraction `jitter` of it.
    """

    first_seconds: float
    factor: float
    longest_seconds: float
    jitter: float = 0.0

    def delay(self, attempt: int, spread: float = 0.5) -> timedelta:
        """The wait after attempt number `attempt` (counted from 1) has failed.

        `spread`, from 0 to 1, says where between the shortest and the longest that the jitter allows.
        """
        delay_seconds = min(self.first_seconds, self.longest_seconds)
        for _ in range(attempt - 1):  # a power would overflow where a product is only cut
            delay_seconds = min(delay_seconds * self.factor, self.longest_seconds)
        return timedelta(seconds=delay_seconds * (1 + self.jitter * (2 * spread - 1)))


class RetryOn(StrEnum):
    """What a retry policy can name: the ways in which an attempt can fail."""

    EXIT_CODE = "exitCode"
    OUT_OF_MEMORY = "outOfMemory"
    KILLED = "killed"
    TIMEOUT = "timeout"
    LOST = "lost"
    IMAGE_PULL = "imagePull"
    IMAGE_NOT_FOUND = "imageNotFound"
    IMAGE_REFUSED = "imageRefused"
    COMMAND_NOT_FOUND = "commandNotFound"
    COMMAND_NOT_EXECUTABLE = "commandNotExecutable"
    CONTAINER_REJECTED = "containerRejected"
    ENGINE_DISK_FULL = "engineDiskFull"
    INPUT_MISSING = "inputMissing"
    OUTPUT_MISSING = "outputMissing"


NAMED_BY: dict[Cause, RetryOn] = {
    Cause.EXIT_CODE: RetryOn.EXIT_CODE,
    Cause.OUT_OF_MEMORY: RetryOn.OUT_OF_MEMORY,
    Cause.KILLED: RetryOn.KILLED,
    Cause.TIMEOUT: RetryOn.TIMEOUT,
    Cause.NODE_LOST: RetryOn.LOST,
    Cause.NODE_DRAINED: RetryOn.LOST,
    Cause.CONTAINER_VANISHED: RetryOn.LOST,
    Cause.IMAGE_PULL_FAILED: RetryOn.IMAGE_PULL,
    Cause.IMAGE_NOT_FOUND: RetryOn.IMAGE_NOT_FOUND,
    Cause.IMAGE_REFUSED: RetryOn.IMAGE_REFUSED,
    Cause.COMMAND_NOT_FOUND: RetryOn.COMMAND_NOT_FOUND,
    Cause.COMMAND_NOT_EXECUTABLE: RetryOn.COMMAND_NOT_EXECUTABLE,
    Cause.CONTAINER_REJECTED: RetryOn.CONTAINER_REJECTED,
    Cause.ENGINE_DISK_FULL: RetryOn.ENGINE_DISK_FULL,
    Cause.INPUT_MISSING: RetryOn.INPUT_MISSING,
    Cause.OUTPUT_MISSING: RetryOn.OUTPUT_MISSING,
}

BY_DEFAULT = tuple(word for word in RetryOn if word is not RetryOn.IMAGE_REFUSED)


def _exit_code(value: int) -> int:
    if value == SIGKILL_EXIT_CODE:
        raise ValueError(f"{value} is a death by SIGKILL, which `on` names: killed, outOfMemory")
    return value


def _not_empty(values: tuple[T, ...]) -> tuple[T, ...]:
    if not values:
        raise ValueError("must not be empty")
    return values


DelaySeconds = Annotated[float, Number, Field(ge=0, le=LONGEST_DELAY_SECONDS)]
ExitCode = Annotated[WholeNumber, Field(ge=1, le=255), AfterValidator(_exit_code)]


class RetryPolicy(Specification):
    """When a job is tried again, and on what. What is None is as the farm's settings say.

    Where it does not say on what: on all but a refused login. That is refused again, and a registry may lock an account
    which tries and tries.
    """

    first_delay_seconds: DelaySeconds | None = None
    factor: Annotated[float, Number, Field(ge=1, le=LARGEST_FACTOR)] | None = None
    longest_delay_seconds: DelaySeconds | None = None
    jitter: Annotated[float, Number, Field(ge=0, le=1)] | None = None
    on: Annotated[tuple[RetryOn, ...], Field(max_length=100), AfterValidator(_not_empty)] = BY_DEFAULT
    exit_codes: Annotated[tuple[ExitCode, ...], Field(max_length=255), AfterValidator(_not_empty)] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> RetryPolicy:
        first, longest = self.first_delay_seconds, self.longest_delay_seconds
        if first is not None and longest is not None and first > longest:
            raise ValueError("firstDelaySeconds must not be above longestDelaySeconds")
        if self.exit_codes is not None and RetryOn.EXIT_CODE not in self.on:
            raise ValueError(f"exitCodes narrows {RetryOn.EXIT_CODE.value!r}, which `on` does not have")
        return self

    def back_off(self, farm: BackOff) -> BackOff:
        """The waits between attempts. `farm`: those of a job that says nothing."""
        first_seconds = _given(self.first_delay_seconds, farm.first_seconds)
        return BackOff(
            first_seconds,
            _given(self.factor, farm.factor),
            # A job that asks for a longer first wait than the farm's longest gets it.
            _given(self.longest_delay_seconds, max(first_seconds, farm.longest_seconds)),
            _given(self.jitter, farm.jitter),
        )

    def covers(self, outcome: Outcome) -> bool:
        """Whether what ended like this is tried again."""
        if outcome.cause is Cause.EXIT_CODE and self.exit_codes is not None:
            return outcome.exit_code in self.exit_codes
        return NAMED_BY.get(outcome.cause) in self.on


def _given(value: float | None, default: float) -> float:
    return default if value is None else value


def wants_retry(execution: Execution, outcome: Outcome) -> bool:
    """Whether the job asks for another attempt after this ending. Never after a stop or an expiration."""
    policy = execution.spec.retry_policy or RetryPolicy()
    return (
        outcome.state in TRIED_AGAIN
        and execution.attempt <= execution.spec.retries
        and execution.stop_requested_at is None
        and policy.covers(outcome)
    )


def retry_due_at(execution: Execution, ended_at: datetime, farm: BackOff) -> datetime:
    """When the attempt after this one is due: always the same for the same execution, its jitter too."""
    policy = execution.spec.retry_policy or RetryPolicy()
    spread = uuid.UUID(execution.id).int / 2**128  # ids are random
    return ended_at + policy.back_off(farm).delay(execution.attempt, spread)

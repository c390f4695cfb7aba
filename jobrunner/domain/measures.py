"""What is counted and measured of a farm, as plain values, and how ended executions are counted. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from jobrunner.domain.outcomes import Cause
from jobrunner.domain.states import State

START_DELAY_BOUNDS_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
DURATION_BOUNDS_SECONDS = (0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 1800, 3600, 14400, 86400)

ENDS: Mapping[State, tuple[Cause, ...]] = {  # what to show a total of before there is one, too
    State.DONE: (Cause.SUCCESS,),
    State.FAILED: (
        *(Cause.EXIT_CODE, Cause.OUT_OF_MEMORY, Cause.KILLED, Cause.CONTAINER_REJECTED),
        *(Cause.IMAGE_NOT_FOUND, Cause.IMAGE_PULL_FAILED, Cause.IMAGE_REFUSED),
        *(Cause.COMMAND_NOT_FOUND, Cause.COMMAND_NOT_EXECUTABLE, Cause.INPUT_MISSING, Cause.OUTPUT_MISSING),
    ),
    State.TIMEDOUT: (Cause.TIMEOUT,),
    State.STOPPED: (Cause.STOPPED, Cause.DEPENDENCY_FAILED),
    State.EXPIRED: (Cause.EXPIRED, Cause.MISFIRED, Cause.OVERLAPPED, Cause.PAUSED),
    State.LOST: (Cause.NODE_LOST, Cause.NODE_DRAINED, Cause.CONTAINER_VANISHED),
}


@dataclass(frozen=True)
class Distribution:
    """How many lengths of time there were, each under the upper bound (in seconds) that it fell below, and their sum.

    What is kept under a bound that is not in use any more still counts, below all bounds that are greater.
    """

    counts: Mapping[float, int] = field(default_factory=dict)
    sum_seconds: float = 0.0

    @classmethod
    def of(cls, lengths: Iterable[timedelta], bounds: tuple[float, ...]) -> Distribution:
        """The distribution of these; one below 0 (two machines' clocks differ) is 0."""
        seconds = [max(0.0, length.total_seconds()) for length in lengths]
        all_bounds = (*bounds, math.inf)
        return cls(Counter(all_bounds[bisect_left(bounds, one)] for one in seconds), sum(seconds))

    def below(self, bound: float) -> int:
        """How many were at most so long."""
        return sum(count for upper, count in self.counts.items() if upper <= bound)


@dataclass(frozen=True)
class EndedRun:
    """What is counted of an execution that has ended. `started_at`: of its container, if there was one."""

    state: State
    cause: Cause | None
    enqueued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True)
class EndedTotals:
    """How executions have ended, how long they waited in the queue before they started, and how long they ran."""

    ended: Mapping[tuple[State, Cause | None], int] = field(default_factory=dict)
    start_delay: Distribution = field(default_factory=Distribution)
    duration: Distribution = field(default_factory=Distribution)


def count(runs: Iterable[EndedRun]) -> EndedTotals:
    """These executions, counted."""
    all_runs = list(runs)
    delays = [run.started_at - run.enqueued_at for run in all_runs if run.started_at and run.enqueued_at]
    lengths = [run.finished_at - run.started_at for run in all_runs if run.started_at and run.finished_at]
    return EndedTotals(
        Counter((run.state, run.cause) for run in all_runs),
        Distribution.of(delays, START_DELAY_BOUNDS_SECONDS),
        Distribution.of(lengths, DURATION_BOUNDS_SECONDS),
    )


@dataclass(frozen=True)
class WaitingForTime:
    """Executions that wait for their time: all, those that are late, and when the most overdue of these was due."""

    count: int
    late: int
    due_at: datetime | None


@dataclass(frozen=True)
class DeliveryCounts:
    """How many deliveries are owed (made or not yet), and given up; since when the oldest is owed."""

    owed: int
    given_up: int
    oldest_owed_at: datetime | None


@dataclass(frozen=True)
class DutyRuns:
    """What a duty, such as that of a janitor, has done so far, in all processes together."""

    runs: int = 0
    failures: int = 0
    repairs: int = 0
    seconds: float = 0.0
    last_success_at: datetime | None = None


@dataclass(frozen=True)
class Activity:
    """What processes have done: each duty by name, and tries to deliver by what came of them."""

    duties: Mapping[str, DutyRuns] = field(default_factory=dict)
    delivery_attempts: Mapping[str, int] = field(default_factory=dict)

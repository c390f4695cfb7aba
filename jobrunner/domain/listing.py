"""What lists can be asked for, and where in a list one is. Lists are sorted by creation, the newest first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Generic, TypeVar
from uuid import UUID

from jobrunner.domain.executions import Job
from jobrunner.domain.schedules import LATEST_INSTANT, due_at
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State

T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = re.compile(r"(?P<milliseconds>[0-9]{1,14})_(?P<id>[0-9a-f-]{36})")


@dataclass(frozen=True)
class Position:
    """A place in a list: right after the item of this instant of creation and this id, whether it is there or not."""

    created_at: datetime
    id: str

    def __str__(self) -> str:
        """The cursor: what a caller gives back to go on from here."""
        return f"{(self.created_at - _EPOCH) // timedelta(milliseconds=1)}_{self.id}"

    @classmethod
    def parse(cls, cursor: str) -> Position:
        """The place that a cursor names. Raises ValueError."""
        match = _CURSOR.fullmatch(cursor)
        if match is None:
            raise ValueError("must be what a nextUrl has there")
        return cls(_EPOCH + timedelta(milliseconds=int(match["milliseconds"])), str(UUID(match["id"])))


@dataclass(frozen=True)
class Slice(Generic[T]):
    """Some items of a list, and where to go on; `following` is None at the end of the list.

    What a slice costs is bounded, whatever it is chosen by. So it may have fewer items than were asked for, even none,
    though the list goes on.
    """

    items: tuple[T, ...]
    following: Position | None


class JobState(StrEnum):
    """What a job is to its schedule: it will start by itself, its schedule is paused, or it was stopped."""

    SCHEDULED = "scheduled"
    PAUSED = "paused"
    STOPPED = "stopped"


@dataclass(frozen=True)
class ExecutionFilter:
    """Which executions are wanted: those to which all of this applies. `labels`: terms of `label_terms`, all of them.

    `since` is the first instant of creation that counts, `until` the first one that does not any more.
    """

    states: Sequence[State] = ()
    task_id: str | None = None
    job_id: str | None = None
    node: str | None = None
    labels: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    visible: str | None = None  # a pattern that the ids of their tasks must match


@dataclass(frozen=True)
class JobFilter:
    """Which jobs are wanted, in the same way. `state` is what they are at the instant `at`."""

    task_id: str | None = None
    state: JobState | None = None
    at: datetime = _EPOCH
    labels: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    visible: str | None = None  # a pattern that the ids of their tasks must match


def scheduled_until(spec: JobSpec, now: datetime) -> datetime | None:
    """Until when a job that is taken in now may start by itself: the end of its cron, or its one time; None: never."""
    if spec.cron is not None:
        return spec.expires_at or LATEST_INSTANT
    return due_at(spec, now)


def is_scheduled(job: Job, now: datetime) -> bool:
    """Whether a job will start by itself."""
    is_held = job.stopped_at is not None or job.paused_at is not None
    return not is_held and job.scheduled_until is not None and job.scheduled_until > now

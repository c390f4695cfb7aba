"""How long what has ended is kept: what a job may say of it, and when that has to be looked at. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from jobrunner.domain.specification import Specification, WholeNumber

LOOK_AGAIN_AFTER = timedelta(days=1)  # at what was to go and had to stay, such as the last execution of a job

Age = Annotated[WholeNumber, Field(ge=1, le=10**9)]


class Retention(Specification):
    """What a job says: ages count from the end of an execution, in seconds; the lower of its and the farm's holds.

    `keep_last`: how many of its ended executions are kept.
    """

    keep_seconds: Age | None = None
    keep_last: Annotated[WholeNumber, Field(ge=1, le=10_000)] | None = None
    keep_output_seconds: Age | None = None

    def output_due_at(self, finished_at: datetime) -> datetime | None:
        """When the output is to go."""
        return _after(finished_at, self.keep_output_seconds)

    def due_at(self, finished_at: datetime) -> datetime | None:
        """When the whole execution is to go."""
        return _after(finished_at, self.keep_seconds)

    def first_look_at(self, finished_at: datetime) -> datetime | None:
        """When it is to be looked at what has ended for the first time; None: never, the job says nothing."""
        of_number = finished_at if self.keep_last is not None else None
        looks = (of_number, self.output_due_at(finished_at), self.due_at(finished_at))
        return min(filter(None, looks), default=None)

    def next_look_at(self, finished_at: datetime, now: datetime) -> datetime | None:
        """When it is to be looked at next what has been looked at now; None: not any more, all was done in time."""
        looks = (self.output_due_at(finished_at), self.due_at(finished_at))
        return min((look for look in looks if look is not None and look > now), default=None)


def _after(finished_at: datetime, seconds: int | None) -> datetime | None:
    return None if seconds is None else finished_at + timedelta(seconds=seconds)


def age(days: float) -> timedelta | None:
    """A farm's setting as an age; None where it is 0, for ever."""
    return timedelta(days=days) if days else None

"""The ticks of a cron that come late: which of them still run, and which instant the schedule goes on from.

A tick that is fired later than the window after it was due was missed: nobody was there to fire it. What becomes of
those is the policy's to say; what is late but within the window runs in any case. All this is pure, and its work is
bounded by the policy and the window, not by how long nobody was there.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

from croniter import croniter
from pydantic import Field

from jobrunner.domain.schedules import next_instant
from jobrunner.domain.specification import Specification, WholeNumber

if TYPE_CHECKING:
    from jobrunner.domain.specs import JobSpec

A_SECOND = timedelta(seconds=1)  # the shortest time between two instants of a cron


class MisfirePolicy(StrEnum):
    """What becomes of the ticks that were missed: none runs, one for all, or all of them up to a number."""

    SKIP = "skip"
    RUN_ONCE = "runOnce"
    RUN_ALL = "runAll"


class Misfire(Specification):
    """The key `misfire` of a job. `window_seconds`: None for the farm's own; `most` is that of runAll."""

    policy: MisfirePolicy = MisfirePolicy.RUN_ONCE
    window_seconds: Annotated[WholeNumber, Field(ge=0, le=86400)] | None = None
    most: Annotated[WholeNumber, Field(ge=1, le=1000)] = 100


@dataclass(frozen=True)
class Verdict:
    """Whether a tick runs, and the instant of the tick that is to be made after it."""

    runs: bool
    following: datetime


@dataclass(frozen=True)
class Ticks:
    """The ticks of one job's cron. `window`: how late one may be fired."""

    job_id: str
    spec: JobSpec
    window: timedelta

    def due_at(self, instant: datetime) -> datetime:
        """When the tick of an instant is to be fired: then, or later by the job's jitter.

        The delay is the same whoever works it out, and shorter than the time to the next instant: ticks keep in order.
        """
        if not self.spec.jitter_seconds:
            return instant
        gap = self.following(instant) - instant
        longest_ms = min(timedelta(seconds=self.spec.jitter_seconds), gap) // timedelta(milliseconds=1)
        drawn = hashlib.sha256(f"{self.job_id} {instant.astimezone(UTC).isoformat()}".encode()).digest()
        return instant + timedelta(milliseconds=int.from_bytes(drawn) % longest_ms)

    def following(self, instant: datetime) -> datetime:
        """The instant that comes after this one."""
        assert self.spec.cron is not None
        return next_instant(self.spec.cron, self.spec.timezone, instant)

    def judge(self, instant: datetime, as_of: datetime) -> Verdict:
        """What becomes of the tick of an instant that is fired at `as_of`."""
        edge = as_of - self.window
        if self.due_at(instant) >= edge:
            return Verdict(True, self.following(instant))
        missed = self._last_missed(instant, edge)
        if self.spec.missed.policy is MisfirePolicy.SKIP:
            return Verdict(False, self.following(missed[-1]))
        if instant == missed[0]:
            return Verdict(True, self.following(instant))
        return Verdict(False, missed[0])

    def _last_missed(self, first: datetime, edge: datetime) -> list[datetime]:
        """The last instants from `first` on that were due before `edge`, as many of them as the policy may run."""
        missed = self.spec.missed
        most = missed.most if missed.policy is MisfirePolicy.RUN_ALL else 1
        found = self._last_instants(first, edge, most + 1)  # the delay may have kept one of them: the last
        return [instant for instant in found if self.due_at(instant) < edge][-most:]

    def _last_instants(self, first: datetime, until: datetime, most: int) -> list[datetime]:
        """The last instants from `first` to `until`, at most so many: found backwards from the end, not from `first`.

        The way back is on the wall clock, where an hour may be missing. So it only says where to begin to look.
        """
        zone = ZoneInfo(self.spec.timezone)
        clock = croniter(self.spec.cron, until.astimezone(zone).replace(tzinfo=None))
        steps = most
        while True:
            begin = self._back(clock, steps, first, zone)
            found: deque[datetime] = deque(maxlen=most)
            instant = self.following(begin - A_SECOND)
            while instant <= until:
                found.append(instant)
                instant = self.following(instant)
            if len(found) == most or begin == first:
                return list(found)
            steps *= 2

    def _back(self, clock: croniter, steps: int, first: datetime, zone: ZoneInfo) -> datetime:
        for _ in range(steps):
            before: datetime = clock.get_prev(datetime)
            begin = before.replace(tzinfo=zone).astimezone(UTC)
            if begin <= first:
                return first
        return begin

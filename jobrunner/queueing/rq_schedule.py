"""The alarm clock of the farm, in rq-scheduler: at its time, an execution is fired.

What rq-scheduler 0.14 does between reading an entry and removing it is not safe against a kill -9 nor against two
schedulers. So only its records are used (a job hash, and its place in a sorted set). What rings is fired, which is
idempotent, and only then is its alarm removed (jobrunner.worker.ringing). MongoDB has the truth, and a janitor fires
what has no alarm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from redis import Redis
from rq.job import Job
from rq.scripts import acquire_or_refresh_lock, release_lock
from rq_scheduler import Scheduler

from jobrunner.domain.ports.clock import Clock
from jobrunner.queueing import names
from jobrunner.queueing.connection import translating_errors


class RqTriggers:
    """The Triggers port. `clock`: by which it is due."""

    def __init__(self, connection: Redis, farm_id: str, clock: Clock) -> None:
        self._redis, self.clock = connection, clock
        self._key, self._leader_key = names.alarms_key(farm_id), names.leader_key(farm_id)
        self._scheduler = Scheduler(names.shared_queue(farm_id), connection=connection)

    def at(self, execution_id: str, due_at: datetime) -> None:
        """See to it that the execution is fired at this instant, and not before."""
        self.at_all({execution_id: due_at})

    def at_all(self, due: Mapping[str, datetime]) -> None:
        """The same for many, in one step.

        The records are those of rq-scheduler's enqueue_at, which takes a step each, and cuts times to whole seconds.
        """
        with translating_errors(), self._redis.pipeline() as pipeline:
            for execution_id, due_at in due.items():
                alarm = self._scheduler._create_job(
                    names.RUN_EXECUTION, args=(execution_id,), id=names.alarm(execution_id), timeout=60, commit=False
                )
                alarm.save(pipeline=pipeline)
                pipeline.zadd(self._key, {alarm.id: due_at.timestamp()})
            pipeline.execute()

    def cancel(self, execution_id: str) -> None:
        """Forget its alarm, if there is one."""
        self.settle({execution_id: None})

    def without_alarm(self, execution_ids: Sequence[str]) -> list[str]:
        """Those of these executions that have no alarm."""
        if not execution_ids:
            return []
        with translating_errors():
            due = self._redis.zmscore(self._key, [names.alarm(execution_id) for execution_id in execution_ids])
        return [execution_id for execution_id, at in zip(execution_ids, due, strict=True) if at is None]

    def lead_age_seconds(self) -> float | None:
        """How long ago the scheduler that leads has last said so; None: none leads."""
        with translating_errors():
            left_milliseconds = self._redis.pttl(self._leader_key)
        return max(0.0, Leadership.TTL_SECONDS - left_milliseconds / 1000) if left_milliseconds >= 0 else None

    def due(self, limit: int) -> list[str]:
        """The executions whose alarms are to ring now, the longest due first."""
        with translating_errors():
            alarms = self._redis.zrangebyscore(self._key, 0, self.clock.now().timestamp(), 0, limit)
        return [alarm.decode().removeprefix(names.alarm("")) for alarm in alarms]

    def settle(self, fired: Mapping[str, datetime | None]) -> None:
        """Remove the alarms of executions that were fired; those that are to ring again ring at that time."""
        with translating_errors(), self._redis.pipeline() as pipeline:
            for execution_id, again_at in fired.items():
                alarm = names.alarm(execution_id)
                if again_at is None:
                    pipeline.zrem(self._key, alarm)
                    pipeline.delete(Job.key_for(alarm))
                else:
                    pipeline.zadd(self._key, {alarm: again_at.timestamp()}, xx=True)
            pipeline.execute()


class Leadership:
    """Which of several schedulers leads: a lock in Redis with an owner, refreshed, that expires by itself."""

    TTL_SECONDS = 10

    def __init__(self, connection: Redis, farm_id: str, owner: str) -> None:
        self._redis, self._key, self._owner = connection, names.leader_key(farm_id), owner

    def hold(self) -> bool:
        """Take or refresh the lead; whether it is ours for the next TTL_SECONDS."""
        with translating_errors():
            return acquire_or_refresh_lock(self._redis, self._key, self._owner, self.TTL_SECONDS) != "taken"

    def release(self) -> None:
        """Give up the lead, if it is ours."""
        with translating_errors():
            release_lock(self._redis, self._key, self._owner)

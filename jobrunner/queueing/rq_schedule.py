"""The alarm clock of the farm, in rq-scheduler: at its time, an execution is fired.

What rq-scheduler 0.14 does between reading an entry and removing it is not safe against a kill -9 nor against two
schedulers. So only its records are used (a job hash, and its place in a sorted set); the pass over what is due is
here: fire, which is idempotent, then remove. MongoDB has the truth, and a janitor fires what has no alarm.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from redis import Redis
from rq.job import Job
from rq.scripts import acquire_or_refresh_lock, release_lock
from rq_scheduler import Scheduler

from jobrunner.errors import ServiceUnavailable
from jobrunner.queueing import names
from jobrunner.queueing.connection import translating_errors

BATCH = 200
NEARLY_A_SECOND = timedelta(microseconds=999_999)

log = structlog.get_logger(__name__)


class RqTriggers:
    """The Triggers port."""

    def __init__(self, connection: Redis, farm_id: str) -> None:
        self._redis = connection
        self._key = names.alarms_key(farm_id)
        self._scheduler = Scheduler(names.shared_queue(farm_id), connection=connection)
        self._scheduler.scheduled_jobs_key = self._key

    def at(self, execution_id: str, due_at: datetime) -> None:
        """See to it that the execution is fired at this instant, and not before.

        rq-scheduler cuts times to whole seconds. So its own time is a little late; then comes the exact one.
        """
        alarm = names.alarm(execution_id)
        with translating_errors():
            self._scheduler.enqueue_at(
                due_at + NEARLY_A_SECOND, names.RUN_EXECUTION, execution_id, job_id=alarm, timeout=60
            )
            self._redis.zadd(self._key, {alarm: due_at.timestamp()}, xx=True)

    def cancel(self, execution_id: str) -> None:
        """Forget its alarm, if there is one."""
        self._remove(names.alarm(execution_id))

    def ring(self, fire: Callable[[str], None], keep_on: Callable[[], bool]) -> int:
        """Fire all that is due, a batch at a time, while `keep_on()`; how many those were.

        An alarm is removed once its execution was fired without an error; one that fails rings again at the next pass,
        and keeps no other from ringing. Raises ServiceUnavailable, of what `fire` needs too: then all ring again.
        """
        rung = 0
        failed: set[str] = set()
        while due := [alarm for alarm in self._due(BATCH + len(failed)) if alarm not in failed]:
            for alarm in due:
                if not keep_on():
                    return rung
                try:
                    fire(alarm.removeprefix(names.alarm("")))
                except ServiceUnavailable:
                    raise
                except Exception:
                    log.exception("alarm_failed", alarm=alarm)
                    failed.add(alarm)
                else:
                    self._remove(alarm)
                    rung += 1
        return rung

    def _due(self, limit: int) -> list[str]:
        with translating_errors():
            return [alarm.decode() for alarm in self._redis.zrangebyscore(self._key, 0, time.time(), 0, limit)]

    def _remove(self, alarm: str) -> None:
        with translating_errors(), self._redis.pipeline() as pipeline:
            pipeline.zrem(self._key, alarm)
            pipeline.delete(Job.key_for(alarm))
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

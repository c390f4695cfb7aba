"""The queue of executions, in RQ. A message is an RQ job whose id and only argument are the execution's id."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from redis import Redis
from redis.client import Pipeline
from rq import Queue
from rq.command import send_command
from rq.job import Job

from jobrunner.domain.placement import PLAIN, Demand, Priority, Waiting
from jobrunner.queueing import names
from jobrunner.queueing.connection import translating_errors
from jobrunner.queueing.lanes import LIMIT_SECONDS, Lane, known_lanes, oldest_waiting
from jobrunner.queueing.living_messages import living_messages

NO_TIMEOUT = -1  # deadlines are the executions' own
RESULT_SECONDS = 300  # how long RQ shows a message that is done with
FAILURE_SECONDS = 24 * 3600


class RqQueue:
    """The ExecutionQueue port."""

    def __init__(self, connection: Redis, farm_id: str) -> None:
        self._redis = connection
        self._farm_id = farm_id

    def push(
        self,
        execution_id: str,
        demand: Demand = PLAIN,
        *,
        waiting_since: datetime | None = None,
        node: str | None = None,
        at_front: bool = False,
    ) -> str:
        """Put a message for the execution in its lane, or on the queue of one node; returns the message's id.

        The message, its place in the queue and the wake-up of an idle node are one transaction.
        """
        waiting = Waiting(execution_id, demand, waiting_since)
        with translating_errors(), self._redis.pipeline() as pipeline:
            pipeline.multi()
            if node is None:
                self._put_in_lane(pipeline, waiting, at_front=at_front)
            else:
                queue = Queue(names.node_queue(self._farm_id, node), connection=self._redis)
                pipeline.lrem(queue.key, 0, execution_id)  # a node may be told again what it has been told
                pipeline.hdel(Job.key_for(execution_id), names.LANE)
                self._put(pipeline, queue, waiting, at_front=at_front)
            pipeline.publish(names.wake_channel(self._farm_id), "")
            pipeline.execute()
        return execution_id

    def push_all(self, waiting: Iterable[Waiting]) -> None:
        """Put a message for each in its lane, all in one transaction and one round trip."""
        with translating_errors(), self._redis.pipeline() as pipeline:
            pipeline.multi()
            for one in waiting:
                self._put_in_lane(pipeline, one)
            pipeline.publish(names.wake_channel(self._farm_id), "")
            pipeline.execute()

    def _put_in_lane(self, pipeline: Pipeline, waiting: Waiting, *, at_front: bool = False) -> None:
        for limit in waiting.demand.limits:  # it may have been counted for a worker that died before it claimed it
            pipeline.srem(names.limit_prefix(self._farm_id) + limit.name, waiting.execution_id)
        self._put(pipeline, Lane(self._farm_id, waiting.demand, self._redis), waiting, at_front=at_front)

    def _put(self, pipeline: Pipeline, queue: Queue, waiting: Waiting, *, at_front: bool = False) -> None:
        stamps: dict[str | bytes, str | int] = {
            names.NEEDS: waiting.demand.needs.to_text(),
            names.WAITING_SINCE: _since_ms(waiting),
        }
        pipeline.hset(Job.key_for(waiting.execution_id), mapping=stamps)
        job = queue.enqueue_call(
            names.RUN_EXECUTION,
            args=(waiting.execution_id,),
            job_id=waiting.execution_id,
            timeout=NO_TIMEOUT,
            result_ttl=RESULT_SECONDS,
            failure_ttl=FAILURE_SECONDS,
            description=f"execution {waiting.execution_id}",
            at_front=at_front,
            pipeline=pipeline,
        )
        pipeline.hdel(job.key, names.TAKEN_BY, names.TAKEN_AT)
        pipeline.persist(job.key)  # an earlier message of the same id may be about to be forgotten
        pipeline.lrem(queue.intermediate_queue_key, 0, waiting.execution_id)

    def withdraw(self, execution_id: str) -> None:
        """Take back the message of an execution that is not to run, if it is still waiting, or was taken just now."""
        key = Job.key_for(execution_id)
        with translating_errors():
            lane_key, queue_name = self._redis.hmget(key, names.LANE, "origin")
            with self._redis.pipeline() as pipeline:
                if lane_key is not None:
                    pipeline.lrem(lane_key, 1, execution_id)
                if queue_name is not None:  # who took it finds no message, and leaves its id where he put it
                    taken_key = Queue(queue_name.decode(), connection=self._redis).intermediate_queue_key
                    pipeline.lrem(taken_key, 0, execution_id)
                pipeline.delete(key)
                pipeline.execute()

    def has_message(self, execution_ids: list[str]) -> dict[str, bool]:
        """For each id, whether a message for it waits in a queue, or is in the hands of a worker that lives."""
        with translating_errors():
            living = living_messages(self._redis, self._farm_id, execution_ids)
        return {execution_id: execution_id in living for execution_id in execution_ids}

    def signal_stop(self, execution_id: str, node: str) -> None:
        """Send RQ's own stop command to the node's worker. Best effort: the wish itself is in the store."""
        with translating_errors():
            send_command(self._redis, names.worker(self._farm_id, node), "stop-job", job_id=execution_id)

    def note_limit(self, name: str, execution_ids: Iterable[str]) -> None:
        """Note which executions run under a limit. Those that were taken and not claimed yet are left out."""
        key, running = names.limit_prefix(self._farm_id) + name, list(execution_ids)
        with translating_errors(), self._redis.pipeline() as pipeline:
            pipeline.delete(key)
            if running:
                pipeline.sadd(key, *running)
                pipeline.expire(key, LIMIT_SECONDS)
            pipeline.execute()

    def free_limits(self, execution_id: str, names_of_limits: Iterable[str]) -> None:
        """Note that an execution does not run any more, and wake the nodes that may take another one."""
        with translating_errors(), self._redis.pipeline() as pipeline:
            for name in names_of_limits:
                pipeline.srem(names.limit_prefix(self._farm_id) + name, execution_id)
            pipeline.publish(names.wake_channel(self._farm_id), "")
            pipeline.execute()

    def lengths(self) -> dict[tuple[str, Priority], int]:
        """How many messages wait for any node, by the pool and the priority of their executions."""
        lengths: Counter[tuple[str, Priority]] = Counter()
        with translating_errors(), self._redis.pipeline(transaction=False) as pipeline:
            lanes = known_lanes(self._redis, self._farm_id)
            for lane in lanes:
                pipeline.llen(lane.key)
            for lane, length in zip(lanes, pipeline.execute(), strict=True):
                lengths[lane.pool, lane.priority] += length
        return dict(+lengths)

    def oldest(self) -> dict[tuple[str, Priority], datetime]:
        """Since when the first message of each pool and priority waits."""
        with translating_errors():
            return oldest_waiting(self._redis, self._farm_id)

    def check(self) -> None:
        """Return if Redis answers; raise QueueUnavailable, within its timeout, if not."""
        with translating_errors():
            self._redis.ping()


def _since_ms(waiting: Waiting) -> int:
    return int(1000 * (time.time() if waiting.since is None else waiting.since.timestamp()))

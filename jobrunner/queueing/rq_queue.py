"""The queue of executions, in RQ. A message is an RQ job whose id and only argument are the execution's id."""

from __future__ import annotations

from collections.abc import Iterable

from redis import Redis
from redis.client import Pipeline
from rq import Queue
from rq.command import send_command
from rq.job import Job

from jobrunner.queueing import names
from jobrunner.queueing.connection import translating_errors

NO_TIMEOUT = -1  # deadlines are the executions' own
RESULT_SECONDS = 300  # how long RQ shows a message that is done with
FAILURE_SECONDS = 24 * 3600
CLAIM_SECONDS = 30  # far longer than it takes from a message to the claim of its execution


class RqQueue:
    """The ExecutionQueue port."""

    def __init__(self, connection: Redis, farm_id: str) -> None:
        self._redis = connection
        self._farm_id = farm_id
        self._shared = Queue(names.shared_queue(farm_id), connection=connection)

    def push(self, execution_id: str, *, node: str | None = None) -> str:
        """Put a message for the execution on the shared queue, or on that of one node; returns the message's id.

        The message, its place in the queue and the wake-up of an idle node are one transaction.
        """
        queue = self._shared if node is None else Queue(names.node_queue(self._farm_id, node), connection=self._redis)
        with translating_errors(), self._redis.pipeline() as pipeline:
            if node is not None:
                self._redis.lrem(queue.key, 0, execution_id)  # a node may be told again what it has been told
            self._put(pipeline, queue, execution_id)
            pipeline.execute()
        return execution_id

    def push_all(self, execution_ids: Iterable[str]) -> None:
        """Put a message for each on the shared queue, all in one transaction."""
        with translating_errors(), self._redis.pipeline() as pipeline:
            for execution_id in execution_ids:
                self._put(pipeline, self._shared, execution_id)
            pipeline.execute()

    def _put(self, pipeline: Pipeline, queue: Queue, execution_id: str) -> None:
        job = queue.enqueue_call(
            names.RUN_EXECUTION,
            args=(execution_id,),
            job_id=execution_id,
            timeout=NO_TIMEOUT,
            result_ttl=RESULT_SECONDS,
            failure_ttl=FAILURE_SECONDS,
            description=f"execution {execution_id}",
            pipeline=pipeline,
        )
        pipeline.hdel(job.key, names.TAKEN_BY, names.TAKEN_AT)
        pipeline.persist(job.key)  # an earlier message of the same id may be about to be forgotten
        pipeline.lrem(queue.intermediate_queue_key, 0, execution_id)
        pipeline.publish(names.wake_channel(self._farm_id), "")

    def withdraw(self, execution_id: str) -> None:
        """Take back the message of an execution that is not to run, if it is still waiting."""
        with translating_errors(), self._redis.pipeline() as pipeline:
            pipeline.lrem(self._shared.key, 1, execution_id)
            pipeline.delete(Job.key_for(execution_id))
            pipeline.execute()

    def has_message(self, execution_ids: list[str]) -> dict[str, bool]:
        """For each id, whether a message for it waits in a queue, or is in the hands of a worker that lives.

        A message and its place in a queue are written together, and it is stamped in the step that takes it out. So a
        message without a stamp is in a queue. One with a stamp is as good as lost when the process that stamped it is
        dead, or has not claimed its execution for CLAIM_SECONDS: the answer to the taking may have been lost.
        """
        with translating_errors(), self._redis.pipeline(transaction=False) as pipeline:
            for execution_id in execution_ids:
                pipeline.hmget(Job.key_for(execution_id), "created_at", names.TAKEN_BY, names.TAKEN_AT)
            pipeline.time()
            *found, (now, _) = pipeline.execute()
            takers = sorted({taker for _, taker, _ in found if taker})
            for taker in takers:
                pipeline.exists(names.alive_key(taker.decode()))
            living = {taker for taker, lives in zip(takers, pipeline.execute(), strict=True) if lives}
        return {
            execution_id: created is not None
            and (taker is None or (taker in living and now - int(taken_at) < CLAIM_SECONDS))
            for execution_id, (created, taker, taken_at) in zip(execution_ids, found, strict=True)
        }

    def signal_stop(self, execution_id: str, node: str) -> None:
        """Send RQ's own stop command to the node's worker. Best effort: the wish itself is in the store."""
        with translating_errors():
            send_command(self._redis, names.worker(self._farm_id, node), "stop-job", job_id=execution_id)

    def length(self) -> int:
        """How many messages wait on the shared queue."""
        with translating_errors():
            return int(self._redis.llen(self._shared.key))

    def check(self) -> None:
        """Return if Redis answers; raise QueueUnavailable, within its timeout, if not."""
        with translating_errors():
            self._redis.ping()

"""Clear up what a dead predecessor of the same name left in Redis, before a worker starts.

What it held is known from MongoDB, and is resumed from there. Here are found the messages that it took and did not
come to claim, whose executions are still `enqueued`.
"""

from __future__ import annotations

from redis import Redis
from rq import Queue
from rq.executions import WORKER_EXECUTIONS_KEY_TEMPLATE
from rq.executions import Execution as Delivery
from rq.job import Job
from rq.utils import as_text

from jobrunner.queueing import names


def clear_up(connection: Redis, farm_id: str, node: str) -> set[str]:
    """Remove the predecessor's deliveries and what it left in intermediate queues. Returns the ids of both."""
    queues = [
        Queue(names.node_queue(farm_id, node), connection=connection),
        Queue(names.shared_queue(farm_id), connection=connection),
    ]
    return _clear_deliveries(connection, queues, names.worker(farm_id, node)) | {
        message_id for queue in queues for message_id in _clear_intermediate(connection, queue, farm_id, node)
    }


def _clear_deliveries(connection: Redis, queues: list[Queue], worker_name: str) -> set[str]:
    key = WORKER_EXECUTIONS_KEY_TEMPLATE.format(worker_name)
    composite_keys = [as_text(member) for member in connection.smembers(key)]
    deliveries = [Delivery.from_composite_key(composite_key, connection) for composite_key in composite_keys]
    with connection.pipeline() as pipeline:
        for delivery in deliveries:
            pipeline.delete(delivery.key)
            for queue in queues:
                pipeline.zrem(queue.started_job_registry.key, delivery.composite_key)
        pipeline.delete(key)
        pipeline.execute()
    return {delivery.job_id for delivery in deliveries}


def _clear_intermediate(connection: Redis, queue: Queue, farm_id: str, node: str) -> list[str]:
    left = []
    for message_id in map(as_text, connection.lrange(queue.intermediate_queue_key, 0, -1)):
        taker = connection.hget(Job.key_for(message_id), names.TAKEN_BY)
        is_ours = taker is not None and as_text(taker).startswith(incarnation_prefix(farm_id, node))
        if taker is None or is_ours:  # a message that is nobody's was withdrawn after it had been taken
            connection.lrem(queue.intermediate_queue_key, 0, message_id)
        if is_ours:
            left.append(message_id)
    return left


def incarnation_prefix(farm_id: str, node: str) -> str:
    """What the names of all processes that ever spoke for a node begin with."""
    return f"{names.worker(farm_id, node)}/"

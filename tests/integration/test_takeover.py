"""What a starting worker clears away of its dead predecessor, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from redis import Redis
from rq import Queue
from rq.executions import Execution as Delivery
from rq.job import Job

from jobrunner.domain.identifiers import new_id
from jobrunner.domain.resources import ONE_SLOT
from jobrunner.engine.farm import SystemClock
from jobrunner.engine.reservations import Reservations
from jobrunner.queueing import names
from jobrunner.queueing.connection import connect
from jobrunner.queueing.lanes import describe_node
from jobrunner.queueing.rq_queue import RqQueue
from jobrunner.settings import Settings
from jobrunner.worker.slot_worker import SlotWorker
from jobrunner.worker.take import Taker
from jobrunner.worker.takeover import clear_up, incarnation_prefix

pytestmark = pytest.mark.services


@pytest.fixture
def farm_id() -> str:
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def redis(redis_url: str, farm_id: str) -> Iterator[Redis]:
    client = connect(Settings(redis_url=redis_url))
    yield client
    for key in client.scan_iter(match=f"*{farm_id}*", count=1000):
        client.delete(key)
    client.close()


def shared(redis: Redis, farm_id: str) -> Queue:
    return Queue(names.shared_queue(farm_id), connection=redis)


def take(redis: Redis, farm_id: str, node: str) -> str:
    """Push a message, and take it as a worker of the node does."""
    message = RqQueue(redis, farm_id).push(new_id())
    described = describe_node(name=node, pools=("default",), labels={}, step_seconds=300, room_wait_seconds=30)
    taker = Taker(redis, farm_id, node, f"{incarnation_prefix(farm_id, node)}123-abc", described, SystemClock())
    assert taker.take(ONE_SLOT, ONE_SLOT) == (message, ONE_SLOT)
    return message


def run(redis: Redis, farm_id: str, node: str) -> str:
    """Take a message, and register it as RQ does when it runs."""
    message = take(redis, farm_id, node)
    job = Job.fetch(message, connection=redis)
    with redis.pipeline() as pipeline:
        Delivery.create(job, 60, pipeline, worker_name=names.worker(farm_id, node))
        pipeline.lrem(shared(redis, farm_id).intermediate_queue_key, 1, message)
        pipeline.execute()
    return message


def test_both_what_was_taken_and_what_ran_is_found_and_cleared(redis: Redis, farm_id: str) -> None:
    taken, ran = take(redis, farm_id, "one"), run(redis, farm_id, "one")
    assert clear_up(redis, farm_id, "one") == {taken, ran}
    queue = shared(redis, farm_id)
    assert redis.llen(queue.intermediate_queue_key) == 0
    assert redis.zcard(queue.started_job_registry.key) == 0
    assert clear_up(redis, farm_id, "one") == set()


@pytest.mark.parametrize("other", ["two", "on", "one2", "one.one"])
def test_what_another_node_has_is_left_to_it(redis: Redis, farm_id: str, other: str) -> None:
    taken, ran = take(redis, farm_id, other), run(redis, farm_id, other)
    assert clear_up(redis, farm_id, "one") == set()
    queue = shared(redis, farm_id)
    assert redis.lrange(queue.intermediate_queue_key, 0, -1) == [taken.encode()]
    assert redis.zcard(queue.started_job_registry.key) == 1
    assert clear_up(redis, farm_id, other) == {taken, ran}


def test_what_is_withdrawn_after_it_has_been_taken_leaves_nothing(redis: Redis, farm_id: str) -> None:
    message = take(redis, farm_id, "one")
    RqQueue(redis, farm_id).withdraw(message)
    assert redis.llen(shared(redis, farm_id).intermediate_queue_key) == 0


def test_the_id_of_a_message_that_is_not_there_any_more_is_cleared_away(redis: Redis, farm_id: str) -> None:
    message = take(redis, farm_id, "one")
    redis.delete(Job.key_for(message))  # as a Redis that lost it
    assert clear_up(redis, farm_id, "two") == set()
    assert redis.llen(shared(redis, farm_id).intermediate_queue_key) == 0


def test_a_message_that_waits_is_left_where_it_is(redis: Redis, farm_id: str) -> None:
    queue = RqQueue(redis, farm_id)
    queue.push(new_id())
    queue.push(new_id(), node="one")
    assert clear_up(redis, farm_id, "one") == set()
    assert sum(queue.lengths().values()) == 1
    assert redis.llen(Queue(names.node_queue(farm_id, "one"), connection=redis).key) == 1


def slot_worker(redis: Redis, farm_id: str, forget: Callable[[str], bool] = lambda execution_id: True) -> SlotWorker:
    return SlotWorker(
        redis,
        farm_id=farm_id,
        node="one",
        incarnation="x",
        slots=1,
        clock=SystemClock(),
        described="{}",
        reservations=Reservations(ONE_SLOT),
        ready=lambda: True,
        stop_run=lambda execution_id: None,
        hand_back=lambda execution_id: None,
        forget=forget,
        let_go=lambda: None,
        handover_seconds=1,
    )


def test_a_beat_that_comes_before_the_birth_does_not_forbid_it(redis: Redis, farm_id: str) -> None:
    worker = slot_worker(redis, farm_id)
    worker.beat_all()
    assert not redis.exists(worker.key)
    worker.register_birth()
    worker.beat_all()
    assert redis.ttl(worker.key) > 0


def test_what_nobody_beats_for_is_forgotten_and_what_is_beaten_for_is_not(redis: Redis, farm_id: str) -> None:
    """As when Redis was away when it was to be told of the end of a message."""
    abandoned, beaten_for = run(redis, farm_id, "one"), run(redis, farm_id, "one")
    started = shared(redis, farm_id).started_job_registry.key
    (member,) = [m for m in redis.zrange(started, 0, -1) if m.startswith(abandoned.encode())]
    redis.zadd(started, {member: 1})
    asked: list[str] = []
    slot_worker(redis, farm_id, lambda execution_id: asked.append(execution_id) or True).run_maintenance_tasks()
    assert asked == [abandoned]
    assert [m.split(b":")[0] for m in redis.zrange(started, 0, -1)] == [beaten_for.encode()]


def test_what_could_not_be_forgotten_is_looked_at_again(redis: Redis, farm_id: str) -> None:
    run(redis, farm_id, "one")
    started = shared(redis, farm_id).started_job_registry.key
    redis.zadd(started, dict.fromkeys(redis.zrange(started, 0, -1), 1))
    slot_worker(redis, farm_id, lambda execution_id: False).run_maintenance_tasks()
    assert redis.zcard(started) == 1

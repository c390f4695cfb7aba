"""What the queue promises (domain/ports/queue.py), on a real Redis: messages are put and taken by Lua scripts."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis
from redis.connection import AbstractConnection
from rq import Queue
from rq.job import Job

from jobrunner.domain.identifiers import new_id
from jobrunner.domain.placement import PLAIN, Demand, Priority, Waiting
from jobrunner.domain.resources import ONE_SLOT, Resources
from jobrunner.engine.farm import SystemClock
from jobrunner.errors import QueueUnavailable
from jobrunner.queueing import living_messages, names
from jobrunner.queueing.connection import connect
from jobrunner.queueing.lanes import Lane, describe_node
from jobrunner.queueing.rq_queue import RqQueue
from jobrunner.queueing.rq_schedule import RqTriggers
from jobrunner.settings import Settings
from jobrunner.worker.take import Taker
from tests.support.farm import free_port

WORKER = "worker-of-a-test/1-abc"
NOW = datetime(2026, 5, 1, tzinfo=UTC)


pytestmark = pytest.mark.services


@pytest.fixture
def connection(redis: Redis) -> Redis:
    return redis


@pytest.fixture
def queue(connection: Redis, farm_id: str) -> RqQueue:
    return RqQueue(connection, farm_id)


def waiting(connection: Redis, farm_id: str, node: str | None = None) -> list[str]:
    name = names.shared_queue(farm_id) if node is None else names.node_queue(farm_id, node)
    return [key.decode() for key in connection.lrange(Queue(name, connection=connection).key, 0, -1)]


class Worker:
    """Takes messages as the worker of a node of one slot does; what it took is done with at once."""

    def __init__(self, connection: Redis, farm_id: str, node: str = "one", incarnation: str = WORKER) -> None:
        described = describe_node(name=node, pools=("default",), labels={}, step_seconds=300, room_wait_seconds=30)
        self._taker = Taker(connection, farm_id, node, incarnation, described, SystemClock())

    def take(self) -> str | None:
        taken = self._taker.take(ONE_SLOT, ONE_SLOT)
        return taken[0] if taken else None


# --------------------------------------------------------------------------------------------------------------- push


def test_a_message_is_an_rq_job_of_the_execution_s_id(
    connection: Redis, queue: RqQueue, farm_id: str, execution_id: str
) -> None:
    assert queue.push(execution_id) == execution_id
    job = Job.fetch(execution_id, connection=connection)
    assert (job.func_name, job.args, job.timeout) == (names.RUN_EXECUTION, (execution_id,), -1)
    assert waiting(connection, farm_id) == [execution_id]
    assert sum(queue.lengths().values()) == 1


def test_a_message_for_a_node_waits_on_the_queue_of_the_node(
    connection: Redis, queue: RqQueue, farm_id: str, execution_id: str
) -> None:
    queue.push(execution_id, node="one")
    assert waiting(connection, farm_id, "one") == [execution_id]
    assert waiting(connection, farm_id) == []
    assert sum(queue.lengths().values()) == 0


def test_a_node_that_is_told_twice_has_one_message(
    connection: Redis, queue: RqQueue, farm_id: str, execution_id: str
) -> None:
    for _ in range(3):
        queue.push(execution_id, node="one")
    assert waiting(connection, farm_id, "one") == [execution_id]


def test_messages_wait_in_the_order_they_came(connection: Redis, queue: RqQueue, farm_id: str) -> None:
    ids = [queue.push(new_id()) for _ in range(5)]
    assert waiting(connection, farm_id) == ids
    connection.delete(*map(Job.key_for, ids))


def test_what_comes_late_has_the_place_of_its_age(connection: Redis, queue: RqQueue, farm_id: str) -> None:
    """As after Redis has lost what it held: what is sent again goes before what came since."""
    order = [3, 7, 1, 9, 2, 2, 8, 0, 4]
    ids = {queue.push(new_id(), waiting_since=NOW + timedelta(seconds=number)): number for number in order}
    assert [ids[message] for message in waiting(connection, farm_id)] == sorted(order)
    same = [message for message in ids if ids[message] == 2]
    assert [message for message in waiting(connection, farm_id) if message in same] == same
    connection.delete(*map(Job.key_for, ids))


def test_a_push_wakes_who_listens(connection: Redis, queue: RqQueue, farm_id: str, execution_id: str) -> None:
    listener = connection.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(names.wake_channel(farm_id))
    listener.get_message(timeout=1)
    queue.push(execution_id)
    heard = listener.get_message(timeout=2)
    listener.close()
    assert heard is not None
    assert heard["channel"].decode() == names.wake_channel(farm_id)


def test_a_message_that_is_sent_again_does_not_go_when_the_old_one_is_forgotten(
    connection: Redis, queue: RqQueue, execution_id: str
) -> None:
    queue.push(execution_id)
    connection.expire(Job.key_for(execution_id), 300)  # as RQ does when it is done with one
    queue.push(execution_id)
    assert connection.ttl(Job.key_for(execution_id)) == -1


def test_a_farm_sees_no_message_of_another_farm(connection: Redis, queue: RqQueue, execution_id: str) -> None:
    queue.push(execution_id)
    assert RqQueue(connection, "another-farm").lengths() == {}


def test_many_are_put_in_their_lanes_in_one_round_trip(
    connection: Redis, queue: RqQueue, farm_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    high, large = Demand(priority=Priority.HIGH), Demand(needs=Resources(slots=1, cpu_millis=2000))
    many = [Waiting(new_id(), demand) for demand in (PLAIN, large, high) for _ in range(20)]
    queue.push(new_id(), node="elsewhere")  # RQ asks for the version of Redis once
    sent = []
    send = AbstractConnection.send_packed_command

    def note(self: AbstractConnection, command: Any, check_health: bool = True) -> Any:
        sent.append(command)
        return send(self, command, check_health)

    with monkeypatch.context() as patch:
        patch.setattr(AbstractConnection, "send_packed_command", note)
        queue.push_all(many)
    assert len(sent) == 1
    assert queue.has_message([one.execution_id for one in many]) == {one.execution_id: True for one in many}
    for demand in (PLAIN, large, high):
        waits = connection.lrange(lane_of(farm_id, demand, connection), 0, -1)
        assert [key.decode() for key in waits] == [one.execution_id for one in many if one.demand == demand]
    worker = Worker(connection, farm_id)
    taken = [worker.take() for _ in range(41)]
    assert taken == [one.execution_id for one in (*many[40:], *many[:20])] + [None]  # `large` does not fit on it


# ---------------------------------------------------------------------------------------------- withdraw, has_message


def test_a_withdrawn_message_is_gone(connection: Redis, queue: RqQueue, farm_id: str, execution_id: str) -> None:
    queue.push(execution_id)
    queue.withdraw(execution_id)
    assert waiting(connection, farm_id) == []
    assert queue.has_message([execution_id]) == {execution_id: False}
    queue.withdraw(execution_id)


def test_a_message_that_waits_is_there_and_others_are_not(queue: RqQueue, execution_id: str) -> None:
    other = new_id()
    queue.push(execution_id)
    assert queue.has_message([execution_id, other]) == {execution_id: True, other: False}
    assert queue.has_message([]) == {}


def stamp(connection: Redis, execution_id: str, seconds_ago: int = 0) -> None:
    """As the script of the taker does."""
    taken_at = int(time.time()) - seconds_ago
    connection.hset(Job.key_for(execution_id), mapping={names.TAKEN_BY: WORKER, names.TAKEN_AT: taken_at})


def test_a_message_is_there_while_its_taker_lives(connection: Redis, queue: RqQueue, execution_id: str) -> None:
    queue.push(execution_id)
    stamp(connection, execution_id)
    assert queue.has_message([execution_id]) == {execution_id: False}
    connection.set(names.alive_key(WORKER), "", ex=5)
    assert queue.has_message([execution_id]) == {execution_id: True}
    connection.delete(names.alive_key(WORKER))
    assert queue.has_message([execution_id]) == {execution_id: False}


def test_a_message_that_a_living_taker_has_not_claimed_for_long_is_as_good_as_lost(
    connection: Redis, queue: RqQueue, execution_id: str
) -> None:
    """The answer to the taking was lost, or the taker broke off in between."""
    queue.push(execution_id)
    connection.set(names.alive_key(WORKER), "", ex=5)
    stamp(connection, execution_id, seconds_ago=living_messages.CLAIM_SECONDS - 5)
    assert queue.has_message([execution_id]) == {execution_id: True}
    stamp(connection, execution_id, seconds_ago=living_messages.CLAIM_SECONDS + 1)
    assert queue.has_message([execution_id]) == {execution_id: False}
    queue.push(execution_id)
    assert queue.has_message([execution_id]) == {execution_id: True}
    connection.delete(names.alive_key(WORKER))


def lane_of(farm_id: str, demand: Demand, connection: Redis) -> str:
    return Lane(farm_id, demand, connection).lane_key


@pytest.mark.parametrize("demand", [PLAIN, Demand(priority=Priority.LOW)])
def test_a_message_whose_lane_was_lost_is_not_there(
    connection: Redis, queue: RqQueue, farm_id: str, demand: Demand
) -> None:
    """As when Redis evicts the list, and keeps what is younger."""
    old, young = new_id(), new_id()
    queue.push(old, demand)
    connection.delete(lane_of(farm_id, demand, connection))
    assert queue.has_message([old]) == {old: False}
    queue.push(young, demand)
    assert queue.has_message([old, young]) == {old: False, young: True}
    queue.push(old, demand)
    assert queue.has_message([old, young]) == {old: True, young: True}
    take = Worker(connection, farm_id).take
    assert [take(), take(), take()] == [young, old, None]


def test_messages_in_a_lane_that_nobody_knows_of_any_more_are_not_there(
    connection: Redis, queue: RqQueue, farm_id: str, execution_id: str
) -> None:
    queue.push(execution_id)
    connection.delete(names.lanes_key(farm_id))
    assert Worker(connection, farm_id).take() is None
    assert queue.has_message([execution_id]) == {execution_id: False}
    queue.push(execution_id)
    assert queue.has_message([execution_id]) == {execution_id: True}
    assert waiting(connection, farm_id) == [execution_id]
    assert Worker(connection, farm_id).take() == execution_id


def test_a_lane_that_was_empty_meanwhile_has_what_came_since(connection: Redis, queue: RqQueue, farm_id: str) -> None:
    worker = Worker(connection, farm_id)
    for _ in range(3):
        message = queue.push(new_id())
        assert queue.has_message([message]) == {message: True}
        assert worker.take() == message
        assert worker.take() is None  # and the lane is forgotten


def test_what_is_on_the_queue_of_a_node_is_there_although_its_lane_is_not(queue: RqQueue, execution_id: str) -> None:
    queue.push(execution_id)
    queue.push(execution_id, node="one")
    assert queue.has_message([execution_id]) == {execution_id: True}


def test_what_is_taken_while_its_lane_ends_is_not_held_for_lost(
    connection: Redis, queue: RqQueue, farm_id: str, execution_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.push(execution_id)
    connection.set(names.alive_key(WORKER), "", ex=5)
    look = living_messages._without_list

    def take_first(*arguments: Any) -> set[str]:
        assert Worker(connection, farm_id).take() == execution_id
        return look(*arguments)

    monkeypatch.setattr(living_messages, "_without_list", take_first)
    assert queue.has_message([execution_id]) == {execution_id: True}
    connection.delete(names.alive_key(WORKER))


def test_without_its_redis_everything_is_unavailable_within_the_time_limit(execution_id: str) -> None:
    nowhere = connect(Settings(redis_url=f"redis://:hunter2@127.0.0.1:{free_port()}/0", redis_timeout_seconds=0.5))
    queue, triggers = RqQueue(nowhere, "f"), RqTriggers(nowhere, "f", SystemClock())
    since = time.monotonic()
    for ask in (
        queue.check,
        queue.lengths,
        lambda: queue.push(execution_id),
        lambda: queue.withdraw(execution_id),
        lambda: queue.has_message([execution_id]),
        lambda: queue.signal_stop(execution_id, "one"),
        lambda: triggers.at(execution_id, datetime.now(UTC)),
        lambda: triggers.cancel(execution_id),
        lambda: triggers.due(1),
        lambda: triggers.settle({execution_id: None}),
        lambda: triggers.without_alarm([execution_id]),
    ):
        with pytest.raises(QueueUnavailable) as caught:
            ask()
        assert "hunter2" not in str(caught.value)
    assert time.monotonic() - since < 5


# ------------------------------------------------------------------------------------------------------------- taking


def test_a_node_takes_its_own_messages_before_those_for_all(redis: Redis, farm_id: str) -> None:
    queue = RqQueue(redis, farm_id)
    shared, own = queue.push(new_id()), queue.push(new_id(), node="one")
    queue.push(new_id(), node="two")
    take = Worker(redis, farm_id).take
    assert [take(), take()] == [own, shared]
    assert take() is None


def test_what_is_taken_is_in_the_intermediate_queue_with_a_stamp(redis: Redis, farm_id: str) -> None:
    message = RqQueue(redis, farm_id).push(new_id())
    assert Worker(redis, farm_id).take() == message
    shared = Queue(names.shared_queue(farm_id), connection=redis)
    assert redis.lrange(shared.intermediate_queue_key, 0, -1) == [message.encode()]
    taken_by, taken_at = redis.hmget(Job.key_for(message), names.TAKEN_BY, names.TAKEN_AT)
    assert taken_by == WORKER.encode()
    assert abs(int(taken_at) - time.time()) < 5


def test_what_is_sent_again_has_no_stamp_and_is_in_no_hands(redis: Redis, farm_id: str) -> None:
    queue = RqQueue(redis, farm_id)
    message = queue.push(new_id())
    Worker(redis, farm_id).take()
    queue.push(message)
    shared = Queue(names.shared_queue(farm_id), connection=redis)
    assert redis.lrange(shared.intermediate_queue_key, 0, -1) == []
    assert redis.hmget(Job.key_for(message), names.TAKEN_BY, names.TAKEN_AT) == [None, None]
    assert queue.has_message([message]) == {message: True}


def test_a_message_that_was_withdrawn_is_passed_over(redis: Redis, farm_id: str) -> None:
    queue = RqQueue(redis, farm_id)
    withdrawn, message = queue.push(new_id()), queue.push(new_id())
    redis.delete(Job.key_for(withdrawn))
    assert Worker(redis, farm_id).take() == message


def test_many_takers_take_each_message_once(redis: Redis, farm_id: str) -> None:
    queue = RqQueue(redis, farm_id)
    messages = [queue.push(new_id()) for _ in range(200)]
    takers = [Worker(redis, farm_id, f"n{number}", f"w{number}") for number in range(8)]

    def take_all(mine: Worker) -> list[str]:
        got = []
        while taken := mine.take():
            got.append(taken)
        return got

    with ThreadPoolExecutor(8) as threads:
        taken = [message for got in threads.map(take_all, takers) for message in got]
    assert sorted(taken) == sorted(messages)


def test_the_script_is_loaded_again_when_redis_has_forgotten_it(redis: Redis, farm_id: str) -> None:
    queue = RqQueue(redis, farm_id)
    mine = Worker(redis, farm_id)
    assert mine.take() is None
    redis.script_flush()
    queue.push(new_id())
    assert mine.take() is not None

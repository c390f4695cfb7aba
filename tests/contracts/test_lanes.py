"""Which message a node takes: what fits, where it may run, who goes first, and how many at once. On a real Redis."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis
from rq import Queue

from jobrunner.domain.identifiers import new_id
from jobrunner.domain.placement import PLAIN, Demand, Limit, Priority, Waiting
from jobrunner.domain.ports.clock import Clock
from jobrunner.domain.resources import Resources
from jobrunner.engine.farm import SystemClock
from jobrunner.queueing import names
from jobrunner.queueing.lanes import LIMIT_SECONDS, describe_node, known_lanes
from jobrunner.queueing.rq_queue import RqQueue
from jobrunner.worker import take
from jobrunner.worker.take import Taker

pytestmark = pytest.mark.services

ALL = Resources(slots=100, cpu_millis=100_000, memory_bytes=2**40, gpus=8, storage_bytes=2**45)
STEP_SECONDS = 60.0
ROOM_WAIT_SECONDS = 30.0


class Node:
    """A node that takes messages, and what it has."""

    def __init__(
        self, redis: Redis, farm_id: str, name: str = "one", clock: Clock | None = None, **described: Any
    ) -> None:
        chosen: dict[str, Any] = {
            "pools": ("default",),
            "labels": {},
            "step_seconds": STEP_SECONDS,
            "room_wait_seconds": ROOM_WAIT_SECONDS,
        }
        node = describe_node(name=name, **chosen | described)
        self._taker = Taker(redis, farm_id, name, f"{name}/1", node, clock or SystemClock())

    def take(self, free: Resources = ALL, capacity: Resources = ALL, **options: Any) -> str | None:
        taken = self._taker.take(free, capacity, **options)
        return taken[0] if taken else None


@dataclass(frozen=True)
class ClockBehind:
    """A farm's clock that is behind that of Redis."""

    behind: timedelta

    def now(self) -> datetime:
        return datetime.now(UTC) - self.behind


@pytest.fixture(autouse=True, params=[take.MOST_LOOKS, 5], ids=["", "a few lanes at a time"])
def looks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take, "MOST_LOOKS", request.param)


@pytest.fixture
def queue(redis: Redis, farm_id: str) -> RqQueue:
    return RqQueue(redis, farm_id)


@pytest.fixture
def node(redis: Redis, farm_id: str) -> Node:
    return Node(redis, farm_id)


def push(queue: RqQueue, seconds_ago: float = 0, **demand: Any) -> str:
    since = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return queue.push(new_id(), Demand(**demand), waiting_since=since)


def cpu(cpus: float) -> Resources:
    return Resources(slots=1, cpu_millis=round(1000 * cpus))


def room_for(cpus: float, slots: int = 10) -> Resources:
    return Resources(slots=slots, cpu_millis=round(1000 * cpus))


def test_the_first_that_fits_is_taken_and_one_that_does_not_is_passed_by(queue: RqQueue, node: Node) -> None:
    large, small = push(queue, 2, needs=cpu(2)), push(queue, 1, needs=cpu(0.5))
    assert node.take(room_for(1)) == small
    assert node.take(room_for(1)) is None
    assert node.take(room_for(2)) == large


@pytest.mark.parametrize("lacking", ["slots", "cpu_millis", "memory_bytes", "gpus", "storage_bytes"])
def test_nothing_is_taken_that_is_larger_than_what_is_free(queue: RqQueue, node: Node, lacking: str) -> None:
    message = push(queue, needs=Resources(1, 1, 1, 1, 1))
    free = Resources(1, 1, 1, 1, 1)
    assert node.take(Resources(**{**vars(free), lacking: 0})) is None
    assert node.take(free) == message


def test_a_job_that_asks_for_nothing_fits_where_only_a_slot_is_free(queue: RqQueue, node: Node) -> None:
    message = push(queue)
    assert node.take(Resources(slots=1, cpu_millis=-500, memory_bytes=-1)) == message


def test_what_was_taken_says_what_it_needs(queue: RqQueue, redis: Redis, farm_id: str) -> None:
    needs = Resources(1, 250, 2**40, 2, 7)
    message = push(queue, needs=needs)
    described = describe_node(name="one", pools=("default",), labels={}, step_seconds=1, room_wait_seconds=1)
    assert Taker(redis, farm_id, "one", "x", described, SystemClock()).take(ALL, ALL) == (message, needs)


def test_what_a_node_holds_is_taken_whatever_is_free_and_although_it_takes_nothing_new(
    queue: RqQueue, node: Node
) -> None:
    own = queue.push(new_id(), Demand(needs=cpu(4)), node="one")
    push(queue)
    assert node.take(Resources(), is_open=False) == own
    assert node.take(ALL, is_open=False) is None


# -------------------------------------------------------------------------------------------------------- placement


def test_a_message_goes_only_to_nodes_of_its_pool(queue: RqQueue, node: Node, redis: Redis, farm_id: str) -> None:
    message = push(queue, pool="render")
    assert node.take() is None
    assert Node(redis, farm_id, "two", pools=("default", "render")).take() == message


def test_a_message_for_a_node_goes_to_that_node_whatever_its_pool(
    queue: RqQueue, node: Node, redis: Redis, farm_id: str
) -> None:
    message = push(queue, node="two")
    assert node.take() is None
    assert Node(redis, farm_id, "two", pools=("render",)).take() == message


def test_constraints_are_labels_that_the_node_must_have(queue: RqQueue, node: Node, redis: Redis, farm_id: str) -> None:
    message = push(queue, constraints={"zone": "a", "disk": "ssd"})
    assert node.take() is None
    assert Node(redis, farm_id, "two", labels={"zone": "a"}).take() is None
    assert Node(redis, farm_id, "three", labels={"zone": "a", "disk": "ssd", "gpu": "no"}).take() == message


def test_a_message_goes_only_to_nodes_that_have_all_its_volumes(queue: RqQueue, redis: Redis, farm_id: str) -> None:
    message = push(queue, volumes=("models", "scratch"))
    assert Node(redis, farm_id, "none").take() is None
    assert Node(redis, farm_id, "some", volumes=("models",)).take() is None
    assert Node(redis, farm_id, "all", volumes=("data", "models", "scratch")).take() == message


@pytest.mark.timed
def test_many_that_have_to_wait_keep_nobody_back(queue: RqQueue, node: Node, redis: Redis, farm_id: str) -> None:
    for _ in range(1500):
        push(queue, 10, constraints={"gpu": "yes"})
    message = push(queue)
    since = time.perf_counter()
    assert node.take() == message
    assert time.perf_counter() - since < 0.1
    assert sum(queue.lengths().values()) == 1500


def in_groups(count: int, named: str = "group") -> list[Waiting]:
    """Messages of as many groups, which run one at a time: a lane each, the first one the oldest."""
    begin = datetime.now(UTC) - timedelta(seconds=count)
    demands = [Demand(limits=(Limit(f"{named}:{number}", 1),)) for number in range(count)]
    return [Waiting(new_id(), demand, begin + timedelta(seconds=n)) for n, demand in enumerate(demands)]


def shortest_take(node: Node, waiting: list[Waiting]) -> float:
    """Of those of all these messages, in seconds: what else the machine does has not lengthened it."""
    seconds = []
    for one in waiting:
        since = time.perf_counter()
        assert node.take() == one.execution_id
        seconds.append(time.perf_counter() - since)
    return min(seconds)


@pytest.mark.timed
def test_with_thousands_of_lanes_it_takes_no_longer(queue: RqQueue, node: Node) -> None:
    few, many = in_groups(40), in_groups(3000, "other group")
    queue.push_all(few)
    of_few = shortest_take(node, few)
    queue.push_all(many)
    assert shortest_take(node, many[:40]) < 5 * of_few  # a look at all lanes takes a hundred times as long


def test_many_groups_that_are_full_keep_nobody_back(queue: RqQueue, node: Node) -> None:
    waiting = in_groups(60)
    queue.push_all(waiting)
    queue.push_all(in_groups(60))
    assert [node.take() for _ in range(60)] == [one.execution_id for one in waiting]
    assert node.take() is None
    message, urgent = push(queue), push(queue, priority=Priority.HIGH)
    assert [node.take() for _ in range(3)] == [urgent, message, None]


def test_lanes_that_stand_in_no_order_any_more_are_found(
    queue: RqQueue, node: Node, redis: Redis, farm_id: str
) -> None:
    """As those of an older version, or of a Redis that had to forget some of its keys."""
    first, second, third = push(queue, 3, needs=cpu(1)), push(queue, 2), push(queue, 1, needs=cpu(2))
    redis.delete(*names.order_keys(farm_id).values())
    assert [node.take(), node.take(), node.take(), node.take()] == [first, second, third, None]
    assert not redis.exists(*names.order_keys(farm_id).values())


# ------------------------------------------------------------------------------------------------------- priorities


def test_high_goes_first_then_normal_then_low(queue: RqQueue, node: Node) -> None:
    low, normal, high = (push(queue, priority=priority) for priority in reversed(Priority))
    assert [node.take() for _ in range(3)] == [high, normal, low]


def test_each_step_of_priority_goes_before_others_by_a_bounded_time_only(queue: RqQueue, node: Node) -> None:
    high = push(queue, priority=Priority.HIGH)
    late, early = push(queue, 2 * STEP_SECONDS - 5, priority=Priority.LOW), push(queue, STEP_SECONDS + 5)
    starved = push(queue, 2 * STEP_SECONDS + 15, priority=Priority.LOW, needs=cpu(1))
    assert [node.take() for _ in range(4)] == [starved, early, high, late]


def test_within_a_lane_they_go_as_they_came_and_one_put_back_goes_first(queue: RqQueue, node: Node) -> None:
    first, second = push(queue), push(queue)
    assert node.take() == first
    queue.push(first, PLAIN, at_front=True)
    assert [node.take(), node.take()] == [first, second]


# ------------------------------------------------------------------------------------------------------------- room


def test_a_large_one_that_has_waited_for_long_has_the_node_hold_room(queue: RqQueue, node: Node) -> None:
    large = push(queue, ROOM_WAIT_SECONDS + 1, needs=cpu(2))
    push(queue, needs=cpu(0.5))
    capacity = room_for(2)
    assert node.take(room_for(1), capacity) is None
    assert node.take(room_for(2), capacity) == large
    assert node.take(room_for(1), capacity) is not None


def test_room_is_held_of_what_is_scarce_only(queue: RqQueue, node: Node) -> None:
    push(queue, ROOM_WAIT_SECONDS + 1, needs=cpu(2))
    frugal = push(queue)
    assert node.take(room_for(1, slots=2), room_for(2)) == frugal


def test_a_large_one_is_waited_for_only_after_a_while(queue: RqQueue, node: Node) -> None:
    push(queue, ROOM_WAIT_SECONDS - 5, needs=cpu(2))
    small = push(queue, needs=cpu(0.5))
    assert node.take(room_for(1), room_for(2)) == small


def test_for_how_long_it_waits_is_told_by_the_farm_s_clock_and_not_by_redis(
    queue: RqQueue, redis: Redis, farm_id: str
) -> None:
    clock = ClockBehind(timedelta(hours=1))
    push(queue, 3600 + ROOM_WAIT_SECONDS - 5, needs=cpu(2))
    small = push(queue, 3600, needs=cpu(0.5))
    assert Node(redis, farm_id, clock=clock).take(room_for(1), room_for(2)) == small


def test_one_node_holds_room_and_the_others_go_on(queue: RqQueue, node: Node, redis: Redis, farm_id: str) -> None:
    push(queue, ROOM_WAIT_SECONDS + 1, needs=cpu(2))
    small = push(queue, needs=cpu(0.5))
    assert node.take(room_for(1), room_for(2)) is None
    assert Node(redis, farm_id, "two").take(room_for(1), room_for(2)) == small


def test_for_one_that_has_waited_for_very_long_all_nodes_hold_room(
    queue: RqQueue, node: Node, redis: Redis, farm_id: str
) -> None:
    large = push(queue, 4 * ROOM_WAIT_SECONDS + 1, needs=cpu(2))
    push(queue, needs=cpu(0.5))
    other = Node(redis, farm_id, "two")
    assert node.take(room_for(1), room_for(2)) is None
    assert other.take(room_for(1), room_for(2)) is None
    assert other.take(room_for(2), room_for(2)) == large


def test_another_node_holds_room_when_the_first_has_gone(
    queue: RqQueue, node: Node, redis: Redis, farm_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take, "ROOM_SECONDS", 1)
    push(queue, ROOM_WAIT_SECONDS + 1, needs=cpu(2))
    push(queue, needs=cpu(0.5))
    assert node.take(room_for(1), room_for(2)) is None
    time.sleep(1.1)  # as long as room is held
    assert Node(redis, farm_id, "two").take(room_for(1), room_for(2)) is None


def test_no_room_is_held_for_what_can_never_fit(queue: RqQueue, node: Node) -> None:
    push(queue, ROOM_WAIT_SECONDS + 1, needs=cpu(3))
    small = push(queue, needs=cpu(0.5))
    assert node.take(room_for(1), room_for(2)) == small


# ----------------------------------------------------------------------------------------------------------- limits


def test_no_more_of_a_limit_are_taken_and_the_rest_keeps_nobody_back(queue: RqQueue, node: Node) -> None:
    limits = (Limit("group:etl", 2),)
    first, second, third = (push(queue, 9, limits=limits) for _ in range(3))
    other = push(queue)
    assert [node.take(), node.take(), node.take(), node.take()] == [first, second, other, None]
    queue.free_limits(first, ["group:etl"])
    assert node.take() == third


def test_every_limit_of_a_message_counts(queue: RqQueue, node: Node) -> None:
    push(queue, limits=(Limit("group:a", 9), Limit("task:t", 1)))
    assert node.take() is not None
    waiting = push(queue, limits=(Limit("group:b", 9), Limit("task:t", 1)))
    assert node.take() is None
    queue.note_limit("task:t", [])
    assert node.take() == waiting


def test_what_is_noted_of_a_limit_replaces_what_was_known(queue: RqQueue, node: Node) -> None:
    queue.note_limit("group:a", ["x", "y"])
    message = push(queue, limits=(Limit("group:a", 2),))
    assert node.take() is None
    queue.note_limit("group:a", ["x"])
    assert node.take() == message


# ------------------------------------------------------------------------------------------------------------ books


def test_a_lane_is_seen_by_rq_s_tools_and_forgotten_when_it_is_empty(
    queue: RqQueue, node: Node, redis: Redis, farm_id: str
) -> None:
    push(queue, needs=cpu(1))
    (lane,) = known_lanes(redis, farm_id)
    assert sum(queue.lengths().values()) == 1
    assert [found.count for found in Queue.all(connection=redis) if found.key == lane.key] == [1]
    node.take()
    assert node.take() is None
    assert known_lanes(redis, farm_id) == []
    assert lane.key not in [found.key for found in Queue.all(connection=redis)]


def test_a_withdrawn_message_leaves_its_lane(queue: RqQueue, node: Node) -> None:
    message = push(queue, needs=cpu(1))
    queue.withdraw(message)
    assert sum(queue.lengths().values()) == 0
    assert node.take() is None


def test_a_stamped_message_stands_in_rq_s_intermediate_queue(
    queue: RqQueue, node: Node, redis: Redis, farm_id: str
) -> None:
    message = push(queue, needs=cpu(1), priority=Priority.HIGH)
    node.take()
    shared = Queue(names.shared_queue(farm_id), connection=redis)
    assert redis.lrange(shared.intermediate_queue_key, 0, -1) == [message.encode()]


def test_what_waits_is_counted_by_pool_and_priority(queue: RqQueue, node: Node) -> None:
    assert queue.lengths() == {}
    for cpus in (1, 2, 3):
        push(queue, needs=cpu(cpus))
    push(queue, priority=Priority.HIGH)
    push(queue, pool="gpu")
    expected = {("default", Priority.NORMAL): 3, ("default", Priority.HIGH): 1, ("gpu", Priority.NORMAL): 1}
    assert queue.lengths() == expected
    node.take()  # the one that is high
    assert queue.lengths() == {line: length for line, length in expected.items() if line[1] is Priority.NORMAL}


def test_what_was_counted_for_a_worker_that_died_blocks_nobody_once_it_is_sent_again(
    queue: RqQueue, node: Node
) -> None:
    demand = Demand(limits=(Limit("task:t", 1),))
    first, second = queue.push(new_id(), demand), queue.push(new_id(), demand)
    assert node.take() == first  # and it is killed before it claims it
    assert node.take() is None
    queue.push_all([Waiting(first, demand)])
    assert node.take() == second
    assert node.take() is None
    queue.free_limits(second, ["task:t"])
    assert node.take() == first


def test_what_is_noted_of_a_limit_does_not_hold_for_good(
    queue: RqQueue, node: Node, redis: Redis, farm_id: str
) -> None:
    """Nobody frees what was counted, not claimed, and stopped since."""
    key = names.limit_prefix(farm_id) + "task:t"
    queue.push(new_id(), Demand(limits=(Limit("task:t", 1),)))
    node.take()
    assert 0 < redis.ttl(key) <= LIMIT_SECONDS
    queue.note_limit("task:t", [new_id()])
    assert 0 < redis.ttl(key) <= LIMIT_SECONDS

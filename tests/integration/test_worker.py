"""The worker's RQ part on a real Redis: many messages at once, signals, kill -9, and a Redis that comes and goes."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.job import Job

from jobrunner.domain.identifiers import new_id
from jobrunner.queueing import names
from jobrunner.queueing.rq_queue import RqQueue
from jobrunner.worker.takeover import clear_up
from tests.support.farm import wait_until
from tests.support.own_redis import OwnRedis
from tests.support.slot_worker_process import HANDOVER_SECONDS, MESSAGE_FUNCTION
from tests.support.slot_workers import (
    END_SECONDS,
    FARM,
    Worker,
    intermediate,
    noted,
    release,
    started_registry,
    wait_for,
)

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.kill()


@pytest.fixture
def redis(server: OwnRedis) -> Iterator[Redis]:
    with server.client() as client:
        client.flushall()
        yield client


@pytest.fixture
def queue(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> RqQueue:
    monkeypatch.setattr(names, "RUN_EXECUTION", MESSAGE_FUNCTION)
    return RqQueue(redis, FARM)


Start = Callable[..., Worker]


@pytest.fixture
def start(server: OwnRedis, redis: Redis, tmp_path: Path) -> Iterator[Start]:
    """Starts workers, and ends them after the test."""
    started: list[Worker] = []

    def start_one(slots: int = 4, *options: str, node: str = "one", wait: bool = True) -> Worker:
        started.append(Worker(server, redis, tmp_path, node, slots, *options))
        if wait:
            wait_until(started[-1].is_up, 30, "the worker is up")
        return started[-1]

    yield start_one
    server.thaw()
    for worker in started:
        worker.process.kill()
        worker.process.wait(END_SECONDS)


# ------------------------------------------------------------------------------------------------------ running


def test_as_many_messages_run_at_once_as_there_are_slots(redis: Redis, queue: RqQueue, start: Start) -> None:
    messages = [queue.push(new_id()) for _ in range(6)]
    start(4)
    assert sorted(wait_for(redis, "started", 4)) == sorted(messages[:4])
    assert sum(queue.lengths().values()) == 2
    release(redis, messages[1])
    assert messages[4] in wait_for(redis, "started", 5)
    release(redis)
    assert sorted(wait_for(redis, "ended", 6)) == sorted(messages)
    wait_until(lambda: not started_registry(redis) and not intermediate(redis), 30, "RQ's books are closed")


def test_rq_s_tools_see_what_runs(redis: Redis, queue: RqQueue, start: Start) -> None:
    message = queue.push(new_id())
    start()
    wait_for(redis, "started", 1)
    assert [member.decode().split(":")[0] for member in started_registry(redis)] == [message]
    assert Job.fetch(message, connection=redis).get_status() == "started"
    release(redis)
    wait_until(lambda: Job.fetch(message, connection=redis).get_status() == "finished", 30, "RQ knows that it ended")


@pytest.mark.timed
def test_an_idle_worker_is_woken_by_a_message(redis: Redis, queue: RqQueue, start: Start) -> None:
    start()
    release(redis)
    waits = []
    for number in range(1, 8):
        since = time.perf_counter()
        queue.push(new_id())
        wait_for(redis, "started", number)
        waits.append(time.perf_counter() - since)
    assert sorted(waits)[len(waits) // 2] < 0.3  # the poll that backs it up comes once a second


def test_a_stop_command_reaches_the_right_one_of_many(redis: Redis, queue: RqQueue, start: Start) -> None:
    messages = [queue.push(new_id()) for _ in range(3)]
    start()
    wait_for(redis, "started", 3)
    queue.signal_stop(messages[2], "one")
    assert wait_for(redis, "stopped", 1) == [messages[2]]


def test_a_message_that_cannot_be_read_does_not_end_the_worker(redis: Redis, queue: RqQueue, start: Start) -> None:
    worker = start()
    shared = Queue(names.shared_queue(FARM), connection=redis)
    for number, fields in enumerate([{"last_heartbeat": "x"}, {"created_at": "no time"}, {"data": b"\x80nonsense"}]):
        redis.hset(Job.key_for(f"broken-{number}"), mapping=fields)
        redis.rpush(shared.key, f"broken-{number}")
    message = queue.push(new_id())
    assert wait_for(redis, "started", 1) == [message]
    assert worker.process.poll() is None


def test_nonsense_on_the_command_channel_does_not_make_the_worker_deaf(
    redis: Redis, queue: RqQueue, start: Start
) -> None:
    message = queue.push(new_id())
    start()
    wait_for(redis, "started", 1)
    for payload in ("", "no json", "[]", json.dumps({"command": "no-such-command"})):
        redis.publish(f"rq:pubsub:{names.worker(FARM, 'one')}", payload)
    queue.signal_stop(message, "one")
    assert wait_for(redis, "stopped", 1) == [message]


# ------------------------------------------------------------------------------------------------------ signals


def test_sigterm_hands_back_what_runs_and_ends_in_time(redis: Redis, queue: RqQueue, start: Start) -> None:
    messages = [queue.push(new_id()) for _ in range(3)]
    worker = start(2)
    wait_for(redis, "started", 2)
    since = time.monotonic()
    assert worker.end() == 0
    assert time.monotonic() - since < HANDOVER_SECONDS + 1.5
    assert sorted(noted(redis, "handed_back")) == sorted(messages[:2])
    assert noted(redis, "ended") == []
    assert sum(queue.lengths().values()) == 1


@pytest.mark.timed
def test_an_idle_worker_ends_at_once(start: Start) -> None:
    worker = start()
    since = time.monotonic()
    assert worker.end() == 0
    assert time.monotonic() - since < 2.5


def test_a_draining_worker_waits_for_what_runs_and_takes_nothing_more(
    redis: Redis, queue: RqQueue, start: Start
) -> None:
    worker = start(2, "drain")
    messages = [queue.push(new_id()) for _ in range(2)]
    wait_for(redis, "started", 2)
    worker.process.send_signal(signal.SIGTERM)
    late = queue.push(new_id())
    release(redis, messages[0])
    wait_for(redis, "ended", 1)
    time.sleep(1.2)  # longer than a poll: it would have taken the late one by now
    assert worker.process.poll() is None
    release(redis, messages[1])
    assert worker.process.wait(END_SECONDS) == 0
    assert noted(redis, "handed_back") == []
    assert late not in noted(redis, "started")


def test_a_second_signal_ends_the_draining(redis: Redis, queue: RqQueue, start: Start) -> None:
    worker = start(2, "drain")
    message = queue.push(new_id())
    wait_for(redis, "started", 1)
    worker.process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        worker.process.wait(0.7)
    assert worker.end() == 0
    assert noted(redis, "handed_back") == [message]


# ----------------------------------------------------------------------------------------------------- kill -9


def test_what_a_killed_worker_had_taken_and_not_run_is_found_by_the_next(
    redis: Redis, queue: RqQueue, start: Start
) -> None:
    message = queue.push(new_id())
    assert start(4, "die after take", wait=False).process.wait(END_SECONDS) == -signal.SIGKILL
    assert (sum(queue.lengths().values()), intermediate(redis)) == (0, [message])
    assert clear_up(redis, FARM, "one") == {message}
    assert intermediate(redis) == []
    queue.push(message)  # as the engine does
    start()
    assert wait_for(redis, "started", 1) == [message]


def test_what_a_killed_worker_ran_is_found_by_the_next_which_has_its_name_at_once(
    redis: Redis, queue: RqQueue, start: Start
) -> None:
    messages = {queue.push(new_id()) for _ in range(3)}
    worker = start()
    wait_for(redis, "started", 3)
    worker.end(signal.SIGKILL)
    assert clear_up(redis, FARM, "one") == messages
    assert clear_up(redis, FARM, "one") == set()
    assert started_registry(redis) == []
    start()
    queue.push(new_id())
    wait_for(redis, "started", 4)


# ------------------------------------------------------------------------------------------------- Redis troubles


def test_a_redis_that_fails_between_taking_and_running_does_not_end_the_worker(
    redis: Redis, queue: RqQueue, start: Start
) -> None:
    first = queue.push(new_id())
    worker = start(4, "prepare_execution")
    second = queue.push(new_id())
    assert wait_for(redis, "started", 1) == [second]
    assert worker.process.poll() is None
    assert noted(redis, "started") == [second]
    queue.push(first)  # as the janitor `requeue` does
    assert wait_for(redis, "started", 2) == [second, first]


@pytest.mark.parametrize("call", ["register_birth", "subscribe", "set_state"])
def test_a_redis_that_fails_while_the_worker_starts_is_waited_for(
    redis: Redis, queue: RqQueue, start: Start, call: str
) -> None:
    worker = start(4, call)
    message = queue.push(new_id())
    assert wait_for(redis, "started", 1) == [message]
    queue.signal_stop(message, "one")
    assert wait_for(redis, "stopped", 1) == [message]
    assert worker.process.poll() is None


def test_a_redis_that_is_killed_and_comes_back_empty_is_worked_with_again(
    server: OwnRedis, redis: Redis, queue: RqQueue, start: Start
) -> None:
    queue.push(new_id())
    worker = start()
    wait_for(redis, "started", 1)
    server.kill()
    time.sleep(1.5)  # an outage, not a blink
    server.start()
    wait_until(worker.is_up, 30, "it listens again")
    message = queue.push(new_id())
    assert wait_for(redis, "started", 1) == [message]


def test_a_redis_that_hangs_is_waited_for_and_the_worker_hears_again(
    server: OwnRedis, redis: Redis, queue: RqQueue, start: Start
) -> None:
    worker = start()
    server.freeze()
    time.sleep(2.5)  # several of the worker's time limits
    server.thaw()
    assert worker.process.poll() is None
    message = queue.push(new_id())
    assert wait_for(redis, "started", 1) == [message]
    queue.signal_stop(message, "one")
    assert wait_for(redis, "stopped", 1) == [message]


def test_a_worker_ends_in_time_although_redis_hangs(
    server: OwnRedis, redis: Redis, queue: RqQueue, start: Start
) -> None:
    queue.push(new_id())
    worker = start()
    wait_for(redis, "started", 1)
    server.freeze()
    since = time.monotonic()
    worker.end()
    assert time.monotonic() - since < HANDOVER_SECONDS + 4

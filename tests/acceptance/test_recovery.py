"""Processes die and services go away while jobs run: what was accepted is kept, runs once, and its output is whole."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.support.containers import (
    COUNTS_ON,
    SAYS_BYE,
    container_ids,
    containers_of,
    counted_on,
    counted_to,
    counts_to,
    tell_to_end,
    wait_for_exit,
)
from tests.support.farm import Farm, wait_until
from tests.support.farm_leftovers import remove_container
from tests.support.own_mongod import OwnMongod
from tests.support.own_redis import OwnRedis

pytestmark = pytest.mark.services

SILENT_SECONDS = 15  # a worker may take so long to start again, on a machine that runs other tests


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    with OwnRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnMongod]:
    with OwnMongod(tmp_path_factory.mktemp("mongod")) as server:
        yield server


@pytest.fixture(scope="module")
def made(
    redis: OwnRedis, mongod: OwnMongod, test_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Farm]:
    name = f"test_{uuid4().hex[:12]}"
    settings = {"farm_id": name.replace("_", "-"), "mongodb_timeout_seconds": 1, "node_silent_seconds": SILENT_SECONDS}
    farm = Farm(name, mongod.url, redis.url, tmp_path_factory.mktemp(name), test_image, **settings)
    farm.start_all()
    yield farm
    farm.end_all()
    remove_containers(farm)


@pytest.fixture
def shaken(made: Farm) -> Iterator[Farm]:
    """A farm of API, scheduler and worker `one`, whose processes and services a test kills, and starts again."""
    if "one" not in made.processes:
        made.start_worker("one")
    yield made
    for name in set(made.processes) - {"api", "scheduler", "one"}:
        made.end(name)
    remove_containers(made)  # of a test that has failed


def remove_containers(farm: Farm) -> None:
    with containers_of(farm) as found:
        for container in found:
            remove_container(container)


def running(farm: Farm, *command: str, **spec: Any) -> tuple[dict[str, Any], str]:
    """A job whose container has printed something, and the container's id."""
    accepted = farm.post_job(*command, **spec)
    execution = farm.wait_for_status(accepted, "running")
    wait_until(lambda: farm.output(accepted, "stdout"), 30, "it has printed something")
    return accepted, str(execution["metadata"]["container_id"])


def counting(farm: Farm, count: int = 1) -> list[tuple[dict[str, Any], str]]:
    """Jobs whose containers print on and on."""
    return [running(farm, *COUNTS_ON) for _ in range(count)]


def assert_whole(farm: Farm, accepted: dict[str, Any], container_id: str) -> None:
    """A job that counts, and was told to end, is done in the same container and all of its output is stored once."""
    ended = farm.wait_for_end(accepted)
    assert (ended["status"], ended["metadata"]["container_id"]) == ("done", container_id), ended
    assert counted_on(farm.output(accepted, "stdout"), farm.output(accepted, "stderr"))


def end_and_assert_whole(farm: Farm, jobs: list[tuple[dict[str, Any], str]]) -> None:
    """Tell the containers of some jobs to end, and see that nothing is lost or doubled."""
    for accepted, container_id in jobs:
        tell_to_end(farm, container_id)
        assert_whole(farm, accepted, container_id)
    wait_until(lambda: not container_ids(farm), 30, "the containers are removed")


def kill_group(farm: Farm, name: str) -> None:
    """End a process and those that it has started, by SIGKILL."""
    process = farm.processes.pop(name)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def test_a_killed_worker_s_containers_go_on_and_the_next_worker_adopts_them(shaken: Farm) -> None:
    jobs = counting(shaken, 5)
    shaken.end("one", signal.SIGKILL)
    with containers_of(shaken) as found:
        assert [container.status for container in found] == ["running"] * 5
    adopted_before = shaken.log("one").count('"adopted"')
    shaken.start_worker("one")  # how soon it adopts them is measured by scripts/bench
    wait_until(lambda: shaken.log("one").count('"adopted"') == adopted_before + 5, 60, "all five are adopted")
    end_and_assert_whole(shaken, jobs)


def test_a_worker_that_is_told_to_end_hands_over_in_time_and_its_containers_go_on(shaken: Farm) -> None:
    jobs = counting(shaken, 3)
    assert shaken.end("one") < 5
    with containers_of(shaken) as found:
        assert [container.status for container in found] == ["running"] * 3
    shaken.start_worker("one")
    end_and_assert_whole(shaken, jobs)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_what_ends_while_no_worker_is_up_is_closed_with_all_of_its_output(shaken: Farm, signum: int) -> None:
    ((accepted, container_id),) = counting(shaken)
    shaken.end("one", signum)
    tell_to_end(shaken, container_id)
    wait_for_exit(shaken, container_id)
    shaken.start_worker("one")
    assert_whole(shaken, accepted, container_id)


def test_a_worker_that_is_killed_again_and_again_loses_and_doubles_nothing(shaken: Farm) -> None:
    jobs = counting(shaken, 2)
    short = []
    for _ in range(3):
        short += [shaken.post_job(*counts_to(3)) for _ in range(2)]
        shaken.end("one", signal.SIGKILL)
        shaken.start_worker("one")
    end_and_assert_whole(shaken, jobs)
    for accepted in short:
        assert shaken.wait_for_end(accepted)["status"] == "done"
        assert shaken.output(accepted, "stdout") == counted_to(3)


def test_a_flushed_redis_loses_no_execution(shaken: Farm, redis: OwnRedis) -> None:
    held = counting(shaken)
    shaken.end("one")
    waiting = [shaken.post_job("echo", str(number)) for number in range(10)]
    with redis.client() as client:
        client.flushall()
    shaken.start_worker("one")
    for number, accepted in enumerate(waiting):
        assert shaken.wait_for_end(accepted)["status"] == "done"
        assert shaken.output(accepted, "stdout") == b"%d\n" % number
    end_and_assert_whole(shaken, held)


def test_what_a_flushed_redis_has_lost_starts_in_its_order_and_before_what_came_since(
    shaken: Farm, redis: OwnRedis
) -> None:
    shaken.end("one")
    waiting = [shaken.post_job("true") for _ in range(5)]
    with redis.client() as client:
        client.flushall()
    waiting += [shaken.post_job("true") for _ in range(2)]
    wait_until(lambda: queue_length(shaken) == len(waiting), 30, "all have messages again")
    shaken.start_worker("one", slots=1)
    started_at = [shaken.wait_for_end(accepted)["startedAt"] for accepted in waiting]
    assert started_at == sorted(started_at)
    shaken.end("one")  # the next test has one with more slots


def queue_length(farm: Farm) -> int:
    return int(farm.http.get(f"{farm.url}/status/", timeout=10).json()["queues"]["jobs"]["length"])


def test_a_redis_that_loses_its_lists_and_keeps_the_messages_loses_no_execution(shaken: Farm, redis: OwnRedis) -> None:
    """As when a list is evicted for want of memory, or somebody deletes it."""
    shaken.end("one")
    waiting = [shaken.post_job("echo", str(number), priority=("low", "normal")[number % 2]) for number in range(4)]
    with redis.client() as client:
        lists = [key for key in client.scan_iter("rq:queue:*") if client.type(key) == b"list"]
        assert len(lists) == 2
        client.delete(*lists)
        assert all(client.exists(f"rq:job:{accepted['executionId']}") for accepted in waiting)
    waiting.append(shaken.post_job("echo", "4"))  # it begins one of the lists anew
    shaken.start_worker("one")
    for number, accepted in enumerate(waiting):
        assert shaken.wait_for_end(accepted)["status"] == "done"
        assert shaken.output(accepted, "stdout") == b"%d\n" % number


def test_a_redis_that_is_flushed_while_jobs_run_disturbs_none(shaken: Farm, redis: OwnRedis) -> None:
    held = counting(shaken)
    with redis.client() as client:
        client.flushall()
    assert shaken.wait_for_end(shaken.post_job("true"))["status"] == "done"
    end_and_assert_whole(shaken, held)


def test_a_redis_that_is_killed_and_comes_back_empty_loses_no_execution(shaken: Farm, redis: OwnRedis) -> None:
    held = counting(shaken)
    redis.kill()
    answer = shaken.http.post(f"{shaken.url}/tasks/t/", json={"image": shaken.image}, timeout=10)
    assert answer.status_code == 503
    redis.start()
    assert shaken.wait_for_end(shaken.post_job("true"))["status"] == "done"
    end_and_assert_whole(shaken, held)


def test_a_mongod_that_is_killed_while_jobs_run_loses_nothing(shaken: Farm, mongod: OwnMongod) -> None:
    (ending, going_on) = counting(shaken, 2)
    mongod.kill()
    tell_to_end(shaken, ending[1])
    wait_for_exit(shaken, ending[1])
    time.sleep(1)  # an outage, not a blink: outputs are to be kept back meanwhile
    mongod.start()
    assert_whole(shaken, *ending)
    end_and_assert_whole(shaken, [going_on])


def test_an_api_that_is_killed_keeps_what_it_accepted(shaken: Farm) -> None:
    held = counting(shaken)
    accepted = [shaken.post_job("echo", "kept") for _ in range(5)]
    with requests.get(f"{held[0][0]['executionUrl'].rstrip('/')}/stdout/", stream=True, timeout=10):
        kill_group(shaken, "api")
    shaken.start_api()
    for each in accepted:
        assert shaken.wait_for_end(each)["status"] == "done"
    end_and_assert_whole(shaken, held)


def test_a_scheduler_that_is_killed_is_replaced_and_what_was_due_meanwhile_starts(shaken: Farm) -> None:
    shaken.end("scheduler", signal.SIGKILL)
    accepted = shaken.post_job("echo", "late", startIn="1s")
    time.sleep(1.5)  # its time comes while no scheduler is up
    shaken.start("scheduler", "scheduler")

    def done() -> bool:
        job = shaken.http.get(accepted["jobUrl"], timeout=10).json()["job"]
        return [execution["status"] for execution in job["executions"]] == ["done"]

    wait_until(done, 30, "it is done")  # the dead one's lead must run out first


def test_what_a_node_held_that_stays_away_is_lost_and_runs_on_another(shaken: Farm) -> None:
    shaken.start_worker("two")
    shaken.end("one")
    accepted, container_id = running(shaken, *SAYS_BYE, retries=1)
    assert shaken.execution(accepted)["node"] == "two"
    shaken.end("two", signal.SIGKILL)
    since = time.monotonic()
    shaken.start_worker("one")
    lost = shaken.wait_for_end(accepted)
    assert time.monotonic() - since < SILENT_SECONDS + 10  # and a few looks of the janitor
    assert (lost["status"], lost["cause"]) == ("lost", "node_lost")
    assert "'two'" in lost["error"]

    def second_attempt() -> dict[str, Any] | None:
        job = shaken.http.get(accepted["jobUrl"], timeout=10).json()["job"]
        return next((e for e in job["executions"] if e["attempt"] == 2 and e["status"] == "running"), None)

    second = wait_until(second_attempt, 30, "the second attempt runs")
    assert (second["node"], second["retriedFrom"]) == ("one", lost["executionId"])
    assert second["metadata"]["container_id"] != container_id
    shaken.start_worker("two")
    wait_until(lambda: container_ids(shaken) == {second["metadata"]["container_id"]}, 30, "the lost one is removed")
    shaken.http.post(f"{accepted['jobUrl'].rstrip('/')}/stop/", timeout=10)
    wait_until(lambda: not container_ids(shaken), 30, "the second one is stopped")


def test_a_worker_that_hung_for_too_long_ends_what_was_given_up_meanwhile(shaken: Farm) -> None:
    accepted, _ = running(shaken, *SAYS_BYE)
    shaken.processes["one"].send_signal(signal.SIGSTOP)
    lost = shaken.wait_for_end(accepted, seconds=SILENT_SECONDS + 30)
    shaken.processes["one"].send_signal(signal.SIGCONT)
    assert (lost["status"], lost["cause"]) == ("lost", "node_lost")
    wait_until(lambda: not container_ids(shaken), 30, "its container is removed")
    assert shaken.execution(accepted) == lost

"""A stop is a wish in the store: it is carried out although Redis, or the worker, or both are away when it is made."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.containers import SAYS_BYE, container_ids
from tests.support.farm import Farm, wait_until
from tests.support.own_redis import OwnRedis

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    with OwnRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def made(make_farm: Any, redis: OwnRedis) -> Farm:
    farm: Farm = make_farm(redis_url=redis.url, redis_timeout_seconds=0.5, node_silent_seconds=600)
    farm.start_all()
    return farm


@pytest.fixture
def shaken(made: Farm) -> Farm:
    """A farm of API, scheduler and worker `one`."""
    if "one" not in made.processes:
        made.start_worker("one")
    return made


def up(farm: Farm, **spec: Any) -> dict[str, Any]:
    """A job whose container is up, and says bye at SIGTERM."""
    accepted = farm.post_job(*SAYS_BYE, **spec)
    wait_until(lambda: farm.output(accepted, "stdout") == b"up\n", 30, "it is up")
    return accepted


def stop(farm: Farm, accepted: dict[str, Any]) -> str:
    answer = farm.http.post(f"{accepted['executionUrl']}/stop/", timeout=10)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["stopped"])


def assert_said_bye(farm: Farm, accepted: dict[str, Any], seconds: float) -> None:
    ended = farm.wait_for_end(accepted, seconds=seconds)
    assert (ended["status"], ended["exitCode"]) == ("stopped", 0)
    assert farm.output(accepted, "stdout") == b"up\nbye\n"


def assert_works(farm: Farm) -> None:
    farm.wait_for_status(farm.post_job("true"), "done")


def test_a_stop_while_redis_is_away_is_carried_out_without_it(shaken: Farm, redis: OwnRedis) -> None:
    accepted = up(shaken)
    redis.kill()
    assert stop(shaken, accepted) == "stopping"
    assert_said_bye(shaken, accepted, seconds=10)
    redis.start()
    assert_works(shaken)


def test_a_stop_while_redis_hangs_is_carried_out_without_it(shaken: Farm, redis: OwnRedis) -> None:
    accepted = up(shaken)
    redis.freeze()
    assert stop(shaken, accepted) == "stopping"
    assert_said_bye(shaken, accepted, seconds=10)
    redis.thaw()
    assert_works(shaken)


def test_a_stop_while_redis_and_the_worker_are_away_is_carried_out_when_they_are_back(
    shaken: Farm, redis: OwnRedis
) -> None:
    accepted = up(shaken)
    shaken.end("one", signal.SIGKILL)
    redis.kill()
    assert stop(shaken, accepted) == "stopping"
    assert stop(shaken, accepted) == "stopping"
    redis.start()
    shaken.start_worker("one")
    assert_said_bye(shaken, accepted, seconds=15)


@pytest.mark.parametrize("spec", [{}, {"startIn": "1s"}])
def test_what_is_stopped_before_its_start_while_redis_is_away_never_starts(
    shaken: Farm, redis: OwnRedis, spec: dict[str, str]
) -> None:
    """Its message, or its alarm, could not be taken back."""
    shaken.end("one")
    accepted = shaken.post_job("true", **spec)
    execution_id = accepted["queueJobId"]
    accepted |= {"executionId": execution_id, "executionUrl": f"{accepted['jobUrl']}/executions/{execution_id}"}
    redis.freeze()  # it keeps what it holds
    assert stop(shaken, accepted) == "stopped before it started"
    stopped = shaken.execution(accepted)
    redis.thaw()
    shaken.start_worker("one")
    assert_works(shaken)  # which came after it
    assert shaken.execution(accepted) == stopped
    assert (stopped["status"], stopped["metadata"]["container_id"]) == ("stopped", None)
    assert container_ids(shaken) == set()

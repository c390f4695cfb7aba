"""MongoDB and Redis hang, are down, or are slow: submits are refused soon, and what runs goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.chaos.network import Network, Proxies
from tests.overload.answers import LATE_SECONDS, Answer, ask, ask_at_once, assert_soon, post_job
from tests.overload.conftest import START_FARM
from tests.overload.size import size
from tests.support.containers import COUNTS_ON, counted_on, tell_to_end
from tests.support.farm import Farm, wait_until
from tests.support.own_mongod import OwnMongod
from tests.support.own_redis import OwnRedis

pytestmark = pytest.mark.services

HANG_SECONDS = size(3.0, 20.0)
CLIENTS = size(60, 200)  # more than the API has threads, in the long form
SLOW_SECONDS = 0.25  # of every piece that is sent, each way: half a second for each question
SLOWEST_SECONDS = 10.0  # of what is taken in by a farm that has to make connections while the network is slow
READS = ("/tasks/", "/executions/", "/status/", "/nodes/")


@pytest.fixture(autouse=True)
def well_again(mongod: OwnMongod, redis: OwnRedis) -> Iterator[None]:
    """Also after a test that has failed."""
    yield
    mongod.thaw()
    redis.thaw()


@pytest.fixture
def counting(farm: Farm) -> Iterator[None]:
    """A container counts meanwhile, and is found to have counted without a gap afterwards."""
    accepted = farm.post_job(*COUNTS_ON)
    container_id = str(farm.wait_for_status(accepted, "running")["metadata"]["container_id"])
    wait_until(lambda: farm.output(accepted, "stdout"), 30, "it has printed something")
    yield
    tell_to_end(farm, container_id)
    ended = farm.wait_for_end(accepted, seconds=60)
    assert (ended["status"], ended["attempt"], ended["metadata"]["container_id"]) == ("done", 1, container_id)
    assert counted_on(farm.output(accepted, "stdout"), farm.output(accepted, "stderr"))


def posts(farm: Farm, count: int) -> list[Answer]:
    """Jobs that are posted by many at once."""
    body = {"image": farm.image, "command": "true"}
    return ask_at_once(farm, [("POST", "/tasks/test/", body)] * count, count)


def assert_works_at_once(farm: Farm) -> None:
    """Not when some time limit has passed: then all threads would have hung."""
    wait_until(lambda: post_job(farm, "true").status == 200, 30, "jobs are taken in again")
    assert max(ask(farm, "GET", path).seconds for path in READS) < LATE_SECONDS
    farm.wait_for_status(farm.post_job("true"), "done")


def assert_told(farm: Farm, service: str) -> None:
    """The health check says which service it is that does not answer."""
    health = ask(farm, "GET", "/healthcheck/")
    assert (health.status, health.document[service]) == (500, False)
    assert health.document["mongo" if service == "redis" else "redis"]


@pytest.mark.usefixtures("counting")
def test_while_mongodb_hangs_all_are_refused_soon_and_after_it_all_goes_on(farm: Farm, mongod: OwnMongod) -> None:
    began = time.monotonic()
    mongod.freeze()
    answers = posts(farm, CLIENTS) + ask_at_once(farm, [("GET", path, None) for path in READS], len(READS))
    assert all(answer.is_clear_refusal("mongo") for answer in answers), {a.status for a in answers}
    assert_soon(answers)
    assert_told(farm, "mongo")
    time.sleep(max(0.0, began + HANG_SECONDS - time.monotonic()))
    assert_soon([post_job(farm, "true")])
    mongod.thaw()
    assert_works_at_once(farm)


@pytest.mark.usefixtures("counting")
def test_while_mongodb_is_down_submits_are_refused_soon(farm: Farm, mongod: OwnMongod) -> None:
    mongod.kill()
    answers = posts(farm, 8)
    assert all(answer.is_clear_refusal("mongo") for answer in answers), {a.status for a in answers}
    assert_soon(answers)
    mongod.start()
    assert_works_at_once(farm)


@pytest.mark.usefixtures("counting")
def test_while_redis_hangs_submits_are_refused_soon_and_reads_are_answered(farm: Farm, redis: OwnRedis) -> None:
    ended_meanwhile = farm.post_job("sleep", "2")
    farm.wait_for_status(ended_meanwhile, "running")
    redis.freeze()
    answers = posts(farm, CLIENTS)
    assert all(answer.is_clear_refusal("redis") for answer in answers), {a.status for a in answers}
    assert_soon(answers)
    reads = ask_at_once(farm, [("GET", path, None) for path in READS], len(READS))
    assert {answer.status for answer in reads} == {200}
    assert_soon(reads)
    assert_told(farm, "redis")
    assert farm.wait_for_end(ended_meanwhile)["status"] == "done"
    redis.thaw()
    assert_works_at_once(farm)


def test_what_is_accepted_just_before_redis_hangs_is_kept(farm: Farm, redis: OwnRedis) -> None:
    """Accepted is what MongoDB has: its message comes later, from a janitor."""
    accepted = [farm.post_job("true") for _ in range(5)]
    redis.freeze()
    time.sleep(1)
    redis.kill()  # it has kept nothing
    redis.start()
    for each in accepted:
        assert farm.wait_for_end(each, seconds=60)["status"] == "done"


@dataclass(frozen=True)
class Slowed:
    """A farm, and the network between its processes and each of its services."""

    farm: Farm
    networks: Mapping[str, Network]


@pytest.fixture(scope="module")
def slowed(start_farm: START_FARM, mongod: OwnMongod, redis: OwnRedis) -> Iterator[Slowed]:
    proxies, networks = Proxies(), {"mongo": Network(), "redis": Network()}

    def through_proxy(url: str, network: Network) -> str:
        port = urlsplit(url).port
        assert port is not None
        return url.replace(f":{port}/", f":{proxies.add(network, port)}/")

    farm = start_farm(
        "one",
        mongodb_url=through_proxy(mongod.url, networks["mongo"]),
        redis_url=through_proxy(redis.url, networks["redis"]),
    )
    yield Slowed(farm, networks)
    farm.end_all()
    proxies.close()


@pytest.mark.parametrize("service", ["mongo", "redis"])
def test_while_a_service_is_slow_submits_are_taken_in_or_refused_soon(slowed: Slowed, service: str) -> None:
    slowed.networks[service].delay = SLOW_SECONDS
    try:
        answers = posts(slowed.farm, 8)
    finally:
        slowed.networks[service].delay = 0.0
    refused = [answer for answer in answers if answer.status != 200]
    assert all(answer.is_clear_refusal(service) for answer in refused), {answer.status for answer in refused}
    if refused:
        assert_soon(refused)
    assert max(answer.seconds for answer in answers) < SLOWEST_SECONDS
    assert_works_at_once(slowed.farm)
    for answer in answers:
        if answer.status == 200:
            assert slowed.farm.wait_for_end(answer.document)["status"] == "done"

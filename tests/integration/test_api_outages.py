"""While MongoDB or Redis is away, the API says so, soon, and takes nothing in that it could not keep."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jobrunner.api.app import create_app
from jobrunner.engine.farm import Farm
from jobrunner.queueing import connection as redis_connection
from jobrunner.queueing.rq_queue import RqQueue
from jobrunner.settings import Settings
from jobrunner.store import connection
from jobrunner.wiring import mongo_store
from tests.support.api_farm import ApiFarm, api_farm, faults_of
from tests.support.list_queue import DictTriggers, ListQueue

SOON_SECONDS = 5.0


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@contextmanager
def closed_port() -> Iterator[int]:
    """A port where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture(params=[closed_port, silent_server])
def dead_port(request: pytest.FixtureRequest) -> Iterator[int]:
    with request.param() as port:
        yield port


@pytest.fixture
def without_mongo(dead_port: int) -> Iterator[ApiFarm]:
    settings = Settings(
        mongodb_url=f"mongodb://127.0.0.1:{dead_port}/?directConnection=true", mongodb_timeout_seconds=1
    )
    connection.connect(settings)
    queue, triggers = ListQueue(), DictTriggers()
    farm = Farm(settings, mongo_store(), queue, triggers, announce=lambda event: None)
    yield ApiFarm(farm, queue, triggers, create_app(farm).test_client())
    connection.disconnect()


def test_the_healthcheck_says_that_all_is_well(mongodb_url: str) -> None:
    with api_farm(mongodb_url) as api:
        answer = api.client.get("/healthcheck/")
        assert (answer.status_code, answer.json) == (200, {"mongo": True, "redis": True, "errors": []})


def test_the_healthcheck_says_soon_that_mongo_is_away(without_mongo: ApiFarm) -> None:
    began_at = time.monotonic()
    answer = without_mongo.client.get("/healthcheck/")
    assert time.monotonic() - began_at < SOON_SECONDS
    assert answer.status_code == 500
    assert set(faults_of(answer)) == {"mongo"}
    assert (answer.json["mongo"], answer.json["redis"]) == (False, True)


def test_the_healthcheck_says_soon_that_redis_is_away(mongodb_url: str, dead_port: int) -> None:
    with api_farm(mongodb_url, redis_url=f"redis://127.0.0.1:{dead_port}/0") as api:
        queue = RqQueue(redis_connection.connect(api.farm.settings), "test")
        farm = Farm(api.farm.settings, mongo_store(), queue, api.triggers, announce=lambda event: None)
        began_at = time.monotonic()
        answer = create_app(farm).test_client().get("/healthcheck/")
        assert time.monotonic() - began_at < SOON_SECONDS
        assert answer.status_code == 500
        assert set(faults_of(answer)) == {"redis"}
        assert (answer.json["mongo"], answer.json["redis"]) == (True, False)


def test_without_mongo_every_route_answers_503_and_when_to_come_back(without_mongo: ApiFarm) -> None:
    client = without_mongo.client
    for answer in (client.post("/tasks/t/", data='{"image": "a"}'), client.get("/tasks/"), client.get("/nodes/")):
        assert answer.status_code == 503
        assert set(faults_of(answer)) == {"mongo"}
        assert int(answer.headers["Retry-After"]) > 0
        assert "127.0.0.1" not in answer.text
    assert without_mongo.queue.pushed == []


def test_without_redis_no_job_is_taken_in_and_the_rest_works(mongodb_url: str) -> None:
    with api_farm(mongodb_url) as api:
        posted = api.post("t")
        api.queue.is_down = True
        refused = api.client.post("/tasks/other/", data='{"image": "a"}')
        assert refused.status_code == 503
        assert set(faults_of(refused)) == {"redis"}
        assert api.client.get("/tasks/other/").status_code == 404
        assert api.client.get(posted["executionUrl"]).status_code == 200
        assert api.client.post(posted["executionUrl"] + "/stop/").json["stopped"] == "stopped before it started"

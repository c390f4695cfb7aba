"""The healthcheck while services of its own hang: they were there, take connections, and answer no more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from jobrunner.api.app import create_app
from jobrunner.engine.farm import Farm
from jobrunner.queueing import connection as redis_connection
from jobrunner.queueing.rq_queue import RqQueue
from jobrunner.settings import Settings
from jobrunner.store import connection
from jobrunner.wiring import mongo_store
from tests.support.list_queue import DictTriggers
from tests.support.own_mongod import OwnMongod
from tests.support.own_redis import OwnRedis

SOON_SECONDS = 6.0

pytestmark = pytest.mark.services


@pytest.fixture
def mongod(tmp_path: Path) -> Iterator[OwnMongod]:
    own = OwnMongod(tmp_path)
    yield own.start()
    own.kill()


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[OwnRedis]:
    own = OwnRedis(tmp_path)
    yield own.start()
    own.kill()


@pytest.fixture
def client(mongod: OwnMongod, redis_server: OwnRedis) -> Iterator[FlaskClient]:
    settings = Settings(mongodb_url=mongod.url, redis_url=redis_server.url)
    connection.connect(settings)
    queue = RqQueue(redis_connection.connect(settings), "test")
    farm = Farm(settings, mongo_store(), queue, DictTriggers(), announce=lambda event: None)
    yield create_app(farm).test_client()
    connection.disconnect()


def test_the_healthcheck_says_soon_which_service_hangs_and_that_it_is_back(
    client: FlaskClient, mongod: OwnMongod, redis_server: OwnRedis
) -> None:
    steps: list[tuple[Callable[[], None], bool, bool]] = [
        (lambda: None, True, True),
        (mongod.freeze, False, True),
        (redis_server.freeze, False, False),
        (mongod.thaw, True, False),
        (redis_server.thaw, True, True),
    ]
    for step, mongo, redis in steps:
        step()
        began_at = time.monotonic()
        answer = client.get("/healthcheck/")
        assert time.monotonic() - began_at < SOON_SECONDS
        assert answer.status_code == (200 if mongo and redis else 500)
        assert (answer.json["mongo"], answer.json["redis"]) == (mongo, redis)
        assert len(answer.json["errors"]) == [mongo, redis].count(False)
        head = client.head("/healthcheck/")
        assert (head.status_code, head.data) == (answer.status_code, b"")

"""The events of the farm where MongoDB tells no changes, and where it goes away under those who listen."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from jobrunner.api.app import create_app
from jobrunner.cli.local.embedded import mongod_binary
from jobrunner.engine.farm import Farm
from jobrunner.settings import Settings
from jobrunner.store import connection
from jobrunner.wiring import mongo_store
from tests.support.api_farm import ApiFarm, faults_of
from tests.support.farm import free_port, wait_until
from tests.support.list_queue import DictTriggers, ListQueue
from tests.support.own_mongod import OwnMongod

pytestmark = pytest.mark.services


@contextmanager
def api_on(url: str) -> Iterator[ApiFarm]:
    settings = Settings(mongodb_url=url, mongodb_timeout_seconds=1)
    connection.connect(settings)
    queue, triggers = ListQueue(), DictTriggers()
    farm = Farm(settings, mongo_store(), queue, triggers, announce=lambda event: None)
    yield ApiFarm(farm, queue, triggers, create_app(farm).test_client())
    connection.disconnect()


@pytest.fixture
def mongod_of_no_set(tmp_path: Path) -> Iterator[str]:
    """The URL of a mongod that is no replica set."""
    port = free_port()
    folder = tmp_path / "data"
    folder.mkdir()
    options = ["--port", str(port), "--dbpath", str(folder), "--bind_ip", "127.0.0.1", "--nounixsocket"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([str(mongod_binary()), *options], stdout=log, stderr=log)
    url = f"mongodb://127.0.0.1:{port}/?directConnection=true"
    try:
        wait_until(lambda: answers(url), 30, "mongod answers")
        yield url
    finally:
        process.kill()
        process.wait(10)


def answers(url: str) -> bool:
    with MongoClient(url, serverSelectionTimeoutMS=500) as client:
        try:
            return bool(client.admin.command("ping"))
        except PyMongoError:
            return False


def test_a_mongod_that_is_no_replica_set_is_named_as_the_reason(mongod_of_no_set: str) -> None:
    with api_on(mongod_of_no_set) as api:
        for query in ("", "?format=json"):
            answer = api.client.get(f"/events/{query}")
            assert answer.status_code == 503
            assert "replica set" in faults_of(answer)["mongo"]


def test_who_listens_is_told_that_mongo_has_gone_and_can_listen_again(tmp_path: Path) -> None:
    mongod = OwnMongod(tmp_path).start()
    try:
        with api_on(mongod.url) as api:
            answer = api.client.get("/events/?status=enqueued", buffered=False)
            pieces = (piece for piece in answer.response if piece)
            assert b"id: " in next(pieces)
            first = api.post("before")["executionId"]
            told = next(pieces)
            assert first.encode() in told
            mongod.kill()
            dropped = list(pieces)
            assert b"event: dropped" in dropped[-1]
            assert api.client.get("/events/").status_code == 503
            mongod.start()
            after = next(line[4:] for line in told.decode().splitlines() if line.startswith("id: "))
            second = api.post("after")["executionId"]
            again = api.client.get(f"/events/?format=json&status=enqueued&after={after}").json
            assert [event["executionId"] for event in again["items"]] == [second]
            api.farm.stopping.set()
    finally:
        mongod.kill()

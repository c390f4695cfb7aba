"""Fixtures of the contract suites."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import fakeredis
import pytest
from redis import Redis
from rq.job import Job

from jobrunner.domain.identifiers import new_id
from jobrunner.domain.ports.executor import Executor
from jobrunner.domain.ports.store import Store
from jobrunner.queueing import names
from jobrunner.queueing.connection import connect
from jobrunner.settings import Settings
from jobrunner.store import connection as mongo_connection
from jobrunner.wiring import mongo_store
from tests.contracts.executor_world import DockerWorld, FakeWorld, World
from tests.support.engine_world import mongomock_store


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.services)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made: World = FakeWorld() if request.param == "fake" else DockerWorld()
    yield made
    made.close()


@pytest.fixture
def executor(world: World) -> Executor:
    return world.executor()


def real_store(url: str, database: str) -> Iterator[Store]:
    mongo_connection.connect(Settings(mongodb_url=url, mongodb_database=database, mongodb_timeout_seconds=2))
    mongo_connection.ensure_indexes()
    yield mongo_store()
    mongo_connection.disconnect()


@pytest.fixture(params=["mongomock", pytest.param("mongodb", marks=pytest.mark.services)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "mongomock":
        with mongomock_store() as made:
            yield made
    else:
        yield from real_store(request.getfixturevalue("mongodb_url"), request.getfixturevalue("database"))


@pytest.fixture
def mongodb(mongodb_url: str, database: str) -> Iterator[Store]:
    """Only a real one: for what a MongoDB in memory cannot show."""
    yield from real_store(mongodb_url, database)


@pytest.fixture
def farm_id() -> str:
    """A farm of this test's own: its keys hold this name."""
    return f"test-{uuid4().hex[:12]}"


def cleared(connection: Redis, farm_id: str) -> Iterator[Redis]:
    yield connection
    for key in connection.scan_iter(match=f"*{farm_id}*", count=1000):
        connection.delete(key)
    connection.close()


@pytest.fixture(params=["fakeredis", pytest.param("redis", marks=pytest.mark.services)])
def connection(request: pytest.FixtureRequest, farm_id: str) -> Iterator[Redis]:
    if request.param == "fakeredis":
        yield fakeredis.FakeRedis()
    else:
        yield from cleared(connect(Settings(redis_url=request.getfixturevalue("redis_url"))), farm_id)


@pytest.fixture
def redis(redis_url: str, farm_id: str) -> Iterator[Redis]:
    """A real one."""
    yield from cleared(connect(Settings(redis_url=redis_url)), farm_id)


@pytest.fixture
def execution_id(connection: Redis) -> Iterator[str]:
    made = new_id()
    yield made
    connection.delete(Job.key_for(made), Job.key_for(names.alarm(made)))

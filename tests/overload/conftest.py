"""Farms with services of their own, which may be frozen, killed and filled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.farm import Farm
from tests.support.farm_leftovers import farm_id_of, remove_containers
from tests.support.own_mongod import OwnMongod
from tests.support.own_redis import OwnRedis

START_FARM = Callable[..., Farm]


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.thaw()
    server.kill()


@pytest.fixture(scope="module")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnMongod]:
    server = OwnMongod(tmp_path_factory.mktemp("mongod")).start()
    yield server
    server.thaw()
    server.kill()


@pytest.fixture(scope="module")
def start_farm(
    mongod: OwnMongod, redis: OwnRedis, test_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[START_FARM]:
    """Starts farms on these services, with nodes of these names; ends them, and removes their containers."""
    farms: list[Farm] = []

    def start(*nodes: str, mongodb_url: str = mongod.url, redis_url: str = redis.url, **settings: object) -> Farm:
        name = f"test_{uuid4().hex[:12]}"
        folder: Path = tmp_path_factory.mktemp(name)
        product_defaults = {"api_service_timeout_seconds": 1.25, "node_silent_seconds": 30}
        chosen = {"farm_id": farm_id_of(name), **product_defaults, **settings}
        farms.append(Farm(name, mongodb_url, redis_url, folder, test_image, **chosen))
        farms[-1].start_all(*nodes)
        return farms[-1]

    yield start
    for farm in farms:
        farm.end_all()
        remove_containers(farm_id_of(farm.name))

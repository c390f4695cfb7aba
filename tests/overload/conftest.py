"""Farms with services of their own, which may be frozen, killed and filled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.overload.size import size
from tests.support.farm import Farm
from tests.support.farm_maker import farm_maker
from tests.support.own_mongod import OwnMongod
from tests.support.own_redis import OwnRedis

START_FARM = Callable[..., Farm]
TEST_SECONDS = size(400, 3600)  # for the slowest, on a machine that does other things too


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder the time that they need."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    with OwnRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnMongod]:
    with OwnMongod(tmp_path_factory.mktemp("mongod")) as server:
        yield server


@contextmanager
def farm_starter(
    mongod: OwnMongod, redis: OwnRedis, test_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[START_FARM]:
    """Starts farms on these services, with nodes of these names; ends them, and removes their containers."""
    with farm_maker(mongod.url, redis.url, test_image, tmp_path_factory) as make:

        def start(*nodes: str, **settings: object) -> Farm:
            farm = make(**{"api_service_timeout_seconds": 1.25, "node_silent_seconds": 120, **settings})
            farm.start_all(*nodes)
            return farm

        yield start


@pytest.fixture(scope="module")
def start_farm(
    mongod: OwnMongod, redis: OwnRedis, test_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[START_FARM]:
    """Starts farms that are there until the tests of a file are over."""
    with farm_starter(mongod, redis, test_image, tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="session")
def lasting_farm(
    mongod: OwnMongod, redis: OwnRedis, test_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Farm]:
    """API, scheduler and worker `one`, until all tests are over."""
    with farm_starter(mongod, redis, test_image, tmp_path_factory) as start:
        yield start("one")


@pytest.fixture
def farm(lasting_farm: Farm) -> Farm:
    """It, with its worker, which a test may have ended."""
    if "one" not in lasting_farm.processes:
        lasting_farm.start_worker("one")
    return lasting_farm

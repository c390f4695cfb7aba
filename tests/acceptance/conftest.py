"""A farm for the acceptance tests: everything real, through HTTP; nothing of it is left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import docker
import pytest

from tests.support.farm import Farm

FarmMaker = Callable[..., Farm]


@pytest.fixture(scope="session")
def make_farm(
    mongodb_url: str, redis_url: str, test_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FarmMaker]:
    """Makes farms, each with a database of its own; ends their processes and removes what they made."""
    farms: list[Farm] = []

    def make(**settings: object) -> Farm:
        name = f"test_{uuid4().hex[:12]}"
        farm_id = name.replace("_", "-")
        folder = tmp_path_factory.mktemp(name)
        farms.append(Farm(name, mongodb_url, redis_url, folder, test_image, farm_id=farm_id, **settings))
        return farms[-1]

    yield make
    for farm in farms:
        farm.end_all()
        remove_containers(farm.name.replace("_", "-"))
        drop(mongodb_url, redis_url, farm.name)


@pytest.fixture(scope="session")
def farm(make_farm: FarmMaker) -> Farm:
    """One farm for all tests that do not break it: API, scheduler, one worker."""
    farm = make_farm()
    farm.start_all("one")
    return farm


def remove_containers(farm_id: str) -> None:
    """Remove every container that carries the farm's label."""
    engine = docker.from_env(timeout=30)
    for container in engine.containers.list(all=True, filters={"label": f"jobrunner.farm={farm_id}"}):
        container.remove(force=True)
    engine.close()


def drop(mongodb_url: str, redis_url: str, name: str) -> None:
    """Remove the farm's database and its keys in Redis."""
    from pymongo import MongoClient
    from redis import Redis

    with MongoClient(mongodb_url) as client:
        client.drop_database(name)
    farm_id = name.replace("_", "-")
    redis = Redis.from_url(redis_url)
    for key in redis.scan_iter(match=f"*{farm_id}*", count=1000):
        redis.delete(key)
    redis.close()

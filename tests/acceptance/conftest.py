"""A farm for the acceptance tests: everything real, through HTTP; nothing of it is left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from tests.support.farm import Farm
from tests.support.farm_leftovers import drop, farm_id_of, remove_containers

FarmMaker = Callable[..., Farm]


@contextmanager
def farm_maker(
    mongodb_url: str, redis_url: str, test_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FarmMaker]:
    """Makes farms, each with a database of its own; ends their processes and removes what they made."""
    farms: list[Farm] = []

    def make(redis_url: str = redis_url, **settings: object) -> Farm:
        name = f"test_{uuid4().hex[:12]}"
        folder = tmp_path_factory.mktemp(name)
        farms.append(Farm(name, mongodb_url, redis_url, folder, test_image, farm_id=farm_id_of(name), **settings))
        return farms[-1]

    yield make
    for farm in farms:
        farm.end_all()
        remove_containers(farm_id_of(farm.name))
        drop(mongodb_url, redis_url, farm.name)


@pytest.fixture(scope="module")
def make_farm(
    mongodb_url: str, redis_url: str, test_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FarmMaker]:
    """Makes farms that are there until the tests of a file are over."""
    with farm_maker(mongodb_url, redis_url, test_image, tmp_path_factory) as make:
        yield make


@pytest.fixture(scope="session")
def make_lasting_farm(
    mongodb_url: str, redis_url: str, test_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FarmMaker]:
    """Makes farms that are there until all tests are over."""
    with farm_maker(mongodb_url, redis_url, test_image, tmp_path_factory) as make:
        yield make


@pytest.fixture(scope="session")
def farm(make_lasting_farm: FarmMaker) -> Farm:
    """One farm for all tests that do not break it: API, scheduler, one worker."""
    farm = make_lasting_farm()
    farm.start_all("one")
    return farm

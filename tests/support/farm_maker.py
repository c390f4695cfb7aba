"""Makes farms for tests, and leaves nothing of them behind."""

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

    def make(mongodb_url: str = mongodb_url, redis_url: str = redis_url, **settings: object) -> Farm:
        name = f"test_{uuid4().hex[:12]}"
        folder = tmp_path_factory.mktemp(name)
        farms.append(Farm(name, mongodb_url, redis_url, folder, test_image, farm_id=farm_id_of(name), **settings))
        return farms[-1]

    yield make
    for farm in farms:
        farm.end_all()
        remove_containers(farm_id_of(farm.name))
        drop(mongodb_url, redis_url, farm.name)

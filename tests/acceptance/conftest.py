"""A farm for the acceptance tests: everything real, through HTTP; nothing of it is left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.farm import Farm
from tests.support.farm_maker import FarmMaker, farm_maker


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

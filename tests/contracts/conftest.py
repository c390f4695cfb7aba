"""Fixtures of the contract suites."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobrunner.domain.ports import Executor
from tests.contracts.executor_world import DockerWorld, FakeWorld, World


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.services)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made: World = FakeWorld() if request.param == "fake" else DockerWorld()
    yield made
    made.close()


@pytest.fixture
def executor(world: World) -> Executor:
    return world.executor()

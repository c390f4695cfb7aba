"""Pulling with the real Engine, from a registry of our own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import pairwise
from time import monotonic

import docker
import pytest

from jobrunner.domain.images import ImageReference, parse_image
from jobrunner.errors import ImageNotFound, ImagePullFailed, ImageRefused
from jobrunner.executors.docker.executor import DockerExecutor
from tests.contracts.executor_registry import GOOD, REFUSED, STUCK_LAYER, STUCK_MANIFEST, Registry, registry
from tests.contracts.executor_world import DOCKER_HOST, DockerWorld

pytestmark = pytest.mark.services


class Impatience(Exception):
    """What a checkpoint raises to give up."""


@pytest.fixture
def executor() -> DockerExecutor:
    return DockerWorld().executor()


@pytest.fixture
def hub() -> Iterator[Registry]:
    with registry() as server:
        yield server


@pytest.fixture
def good(hub: Registry) -> Iterator[ImageReference]:
    image = parse_image(hub.image(GOOD))
    yield image
    docker.APIClient(DOCKER_HOST, version="1.41").remove_image(str(image), force=True)


def nothing() -> None:
    """A checkpoint with all the patience in the world."""


def test_an_image_that_was_pulled_is_there(executor: DockerExecutor, good: ImageReference) -> None:
    checkpoints: list[float] = []
    engine = docker.APIClient(DOCKER_HOST, version="1.41")
    assert not engine.images(str(good))
    executor.pull(good, lambda: checkpoints.append(monotonic()))
    assert engine.images(str(good))
    assert checkpoints


def test_an_image_that_its_registry_does_not_have_is_not_found(executor: DockerExecutor, hub: Registry) -> None:
    with pytest.raises(ImageNotFound, match=r'does not have the image "127.0.0.1:\d+/unknown:1".*manifest unknown'):
        executor.pull(parse_image(hub.image("unknown")), nothing)


def test_an_image_that_its_registry_refuses_is_told_apart(executor: DockerExecutor, hub: Registry) -> None:
    with pytest.raises(ImageRefused, match="wants a login, and this node has none"):
        executor.pull(parse_image(hub.image(REFUSED)), nothing)


def test_a_registry_where_nothing_listens_is_a_failed_pull(executor: DockerExecutor) -> None:
    with pytest.raises(ImagePullFailed, match=r"could not be reached.*connection refused"):
        executor.pull(parse_image("127.0.0.1:1/image:1"), nothing)


@pytest.mark.parametrize("name", [STUCK_MANIFEST, STUCK_LAYER])
@pytest.mark.timed
def test_a_stuck_registry_does_not_hold_us(executor: DockerExecutor, hub: Registry, name: str) -> None:
    times: list[float] = []

    def give_up_when_stuck_for_a_while() -> None:
        times.append(monotonic())
        if hub.asked.is_set() and times[-1] - times[0] > 2:
            raise Impatience

    with pytest.raises(Impatience):
        executor.pull(parse_image(hub.image(name)), give_up_when_stuck_for_a_while)
    assert monotonic() - times[-1] < 1
    assert max(later - earlier for earlier, later in pairwise(times)) <= 1
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("pull")]

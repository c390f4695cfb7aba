"""Pulling with the real Engine from a real registry that asks for a password."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from jobrunner.domain.images import parse_image
from jobrunner.domain.ports.output_store import Stream
from jobrunner.errors import ImageNotFound, ImageRefused
from jobrunner.executors.docker.executor import DockerExecutor
from tests.contracts.executor_world import DOCKER_HOST, IMAGE, PRINTS_HI, DockerWorld, execution_of, run
from tests.support.private_registry import PASSWORD, PROGRAM, PrivateRegistry, logins, private_registry

pytestmark = [pytest.mark.services, pytest.mark.skipif(PROGRAM is None, reason="there is no docker-registry here")]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateRegistry]:
    engine = docker.APIClient(DOCKER_HOST, version="1.41")
    with private_registry(tmp_path_factory.mktemp("registry"), engine) as made:
        yield made


@pytest.fixture
def pushed(registry: PrivateRegistry) -> Iterator[tuple[str, str]]:
    """An image that only the registry has, and its digest."""
    image = registry.image("team/tool")
    yield image, registry.push(IMAGE, image)
    registry.forget(image)


@pytest.fixture
def world() -> Iterator[DockerWorld]:
    made = DockerWorld()
    yield made
    made.close()


def nothing() -> None:
    """A checkpoint with all the patience in the world."""


def executor(world: DockerWorld, folder: Path, registry: PrivateRegistry, **login: Any) -> DockerExecutor:
    return world.executor(registry_credentials_file=logins(folder / "logins.json", registry.host, **login))


def test_an_image_of_a_private_registry_is_pulled_and_runs(
    world: DockerWorld, tmp_path: Path, registry: PrivateRegistry, pushed: tuple[str, str]
) -> None:
    image, _ = pushed
    docker_executor = executor(world, tmp_path, registry)
    docker_executor.pull(parse_image(image), nothing)
    assert run(docker_executor, execution_of(PRINTS_HI, image=image))[0][Stream.STDOUT] == b"hi\n"


def test_an_image_by_name_port_tag_and_digest_is_pulled_and_runs(
    world: DockerWorld, tmp_path: Path, registry: PrivateRegistry, pushed: tuple[str, str]
) -> None:
    image, digest = pushed
    exact = f"{image}@{digest}"
    docker_executor = executor(world, tmp_path, registry)
    docker_executor.pull(parse_image(exact), nothing)
    try:
        assert run(docker_executor, execution_of(PRINTS_HI, image=exact))[0][Stream.STDOUT] == b"hi\n"
    finally:
        registry.forget(f"{parse_image(image).name}@{digest}")


def test_a_digest_that_the_registry_does_not_have_is_not_found(
    world: DockerWorld, tmp_path: Path, registry: PrivateRegistry, pushed: tuple[str, str]
) -> None:
    with pytest.raises(ImageNotFound):
        executor(world, tmp_path, registry).pull(parse_image(f"{pushed[0]}@sha256:{'0' * 64}"), nothing)


def test_a_wrong_password_is_told_apart_and_not_shown(
    world: DockerWorld, tmp_path: Path, registry: PrivateRegistry, pushed: tuple[str, str]
) -> None:
    wrong = executor(world, tmp_path, registry, password="wrong-password")
    with pytest.raises(ImageRefused, match=f'the registry "{registry.host}".*does not take this node\'s login') as told:
        wrong.pull(parse_image(pushed[0]), nothing)
    assert "wrong-password" not in repr(told.value)


def test_without_a_login_for_it_the_registry_wants_one_and_that_of_docker_itself_is_not_used(
    world: DockerWorld,
    tmp_path: Path,
    registry: PrivateRegistry,
    pushed: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    logins(tmp_path / "config.json", registry.host)
    elsewhere = logins(tmp_path / "logins.json", "elsewhere.example")
    for settings in ({}, {"registry_credentials_file": elsewhere}):
        with pytest.raises(ImageRefused, match="wants a login, and this node has none for it"):
            world.executor(**settings).pull(parse_image(pushed[0]), nothing)


def test_a_password_that_was_put_right_is_taken_at_the_next_pull(
    world: DockerWorld, tmp_path: Path, registry: PrivateRegistry, pushed: tuple[str, str]
) -> None:
    docker_executor = executor(world, tmp_path, registry, password="wrong-password")
    with pytest.raises(ImageRefused):
        docker_executor.pull(parse_image(pushed[0]), nothing)
    logins(tmp_path / "logins.json", registry.host)
    docker_executor.pull(parse_image(pushed[0]), nothing)


def test_a_login_leaves_no_trace_in_what_the_engine_shows(
    world: DockerWorld, tmp_path: Path, registry: PrivateRegistry, pushed: tuple[str, str]
) -> None:
    docker_executor = executor(world, tmp_path, registry)
    docker_executor.pull(parse_image(pushed[0]), nothing)
    container = docker_executor.create(execution_of(PRINTS_HI, image=pushed[0]))
    assert PASSWORD not in json.dumps(registry.engine.inspect_container(container.id))

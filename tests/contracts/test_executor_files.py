"""What every executor promises about files in and out of containers, on a fake Engine and on a real one."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Iterator

import docker
import pytest

from jobrunner.domain.ports.executor import Container, ContainerStatus, Executor
from jobrunner.domain.ports.file_stores import EntryKind, FileToPut
from jobrunner.domain.ports.output_store import Stream
from jobrunner.errors import ContainerRejected, ContainerVanished, PathMissing
from jobrunner.executors.docker.executor import DockerExecutor
from tests.contracts.executor_world import (
    DOCKER_HOST,
    LEAVES_FILES,
    LONG_SECONDS,
    PRINTS_HI,
    DockerWorld,
    World,
    execution_of,
    read,
    run,
)

PIECE = bytes(range(256)) * 1024
MOST_MEMORY_BYTES = 8_000_000


def file(path: str, content: bytes, mode: int = 0o644) -> FileToPut:
    return FileToPut(path, mode, len(content), iter([content[:3], content[3:]]))


def found(executor: Executor, container: Container, path: str) -> dict[str, tuple[EntryKind, bytes]]:
    """What there is at and below a path, by name."""
    with executor.read_path(container, path) as entries:
        return {entry.name: (entry.kind, b"".join(entry.content)) for entry in entries}


@pytest.fixture
def ended(executor: Executor) -> Container:
    """A container that has ended, and has left files."""
    _, container = run(executor, execution_of(LEAVES_FILES))
    assert container.status is ContainerStatus.EXITED
    return container


def test_files_are_put_before_the_start_and_folders_are_made(executor: Executor) -> None:
    container = executor.create(execution_of(PRINTS_HI))
    executor.put_files(container, [file("/in/deep/one", b"hello"), file("/empty", b"")])
    assert found(executor, container, "/in/deep/one") == {"": (EntryKind.FILE, b"hello")}
    assert found(executor, container, "/empty") == {"": (EntryKind.FILE, b"")}


def test_putting_files_again_leads_to_the_same(executor: Executor) -> None:
    container = executor.create(execution_of(PRINTS_HI))
    for content in (b"a first try, that may have been broken off", b"hello"):
        executor.put_files(container, [file("/in/one", content)])
    assert found(executor, container, "/in/one") == {"": (EntryKind.FILE, b"hello")}


def test_what_fails_while_a_file_is_read_comes_through(executor: Executor) -> None:
    def breaks() -> Iterator[bytes]:
        yield b"x" * 1000
        raise KeyError("gone")

    container = executor.create(execution_of(PRINTS_HI))
    with pytest.raises(KeyError):
        executor.put_files(container, [FileToPut("/in/one", 0o644, 2000, breaks())])
    executor.put_files(container, [file("/in/one", b"hello")])
    assert found(executor, container, "/in/one") == {"": (EntryKind.FILE, b"hello")}


def test_a_file_is_not_put_in_the_place_of_a_folder(executor: Executor) -> None:
    container = executor.create(execution_of(PRINTS_HI))
    executor.put_files(container, [file("/in/one", b"hello")])
    with pytest.raises(ContainerRejected, match="files"):
        executor.put_files(container, [file("/in", b"x")])


def test_a_folder_that_has_ended_is_read_file_by_file_and_no_link_is_followed(
    executor: Executor, ended: Container
) -> None:
    entries = found(executor, ended, "/left")
    assert {name: content for name, (kind, content) in entries.items() if kind is EntryKind.FILE} == {
        "a": b"a\n",
        "sub/b": b"b\n",
    }
    assert entries["link"] == (EntryKind.SYMLINK, b"")


def test_a_link_that_is_asked_for_is_told_and_not_followed(executor: Executor, ended: Container) -> None:
    assert found(executor, ended, "/left/link") == {"": (EntryKind.SYMLINK, b"")}


@pytest.mark.parametrize("path", ["/nothing", "/left/nothing", "/left/a/below"])
def test_a_path_where_nothing_is_is_missing(executor: Executor, ended: Container, path: str) -> None:
    with pytest.raises(PathMissing), executor.read_path(ended, path):
        pass


def test_a_reading_that_is_broken_off_keeps_nobody_from_the_container(executor: Executor, ended: Container) -> None:
    with executor.read_path(ended, "/left") as entries:
        next(entries)
    executor.remove(ended.execution_id)
    assert executor.find(ended.execution_id) is None


def test_containers_can_be_listed_while_files_are_read_from_one(executor: Executor, ended: Container) -> None:
    with executor.read_path(ended, "/left") as entries:
        next(entries)
        assert [container.id for container in executor.containers()] == [ended.id]


def test_a_container_that_is_gone_has_vanished(executor: Executor, ended: Container) -> None:
    executor.remove(ended.execution_id)
    with pytest.raises(ContainerVanished), executor.read_path(ended, "/left"):
        pass
    with pytest.raises(ContainerVanished):
        executor.put_files(ended, [file("/in/one", b"hello")])


# ------------------------------------------------------------------------------------ only a real Engine shows this


@pytest.fixture
def docker_world() -> Iterator[World]:
    made = DockerWorld()
    yield made
    made.close()


@pytest.fixture
def docker_executor(docker_world: DockerWorld) -> DockerExecutor:
    return docker_world.executor()


@pytest.mark.services
def test_the_command_finds_its_files_with_their_modes(docker_executor: DockerExecutor) -> None:
    command = ("sh", "-c", "cat /in/one; stat -c '%a %u' /in/one /in/run /spool; /in/run")
    container = docker_executor.create(execution_of(command))
    script = b"#!/bin/sh\necho ran\n"
    files = [file("/in/one", b"hello\n", 0o600), file("/in/run", script, 0o755), FileToPut("/spool", 0o1777)]
    docker_executor.put_files(container, files)
    docker_executor.start(container)
    assert read(docker_executor.replay(container))[Stream.STDOUT] == b"hello\n600 0\n755 0\n1777 0\nran\n"


@pytest.mark.services
def test_a_large_file_goes_in_and_out_and_is_never_whole_in_memory(docker_executor: DockerExecutor) -> None:
    count = 200  # pieces: 52 MB
    container = docker_executor.create(execution_of(PRINTS_HI))
    tracemalloc.start()
    docker_executor.put_files(container, [FileToPut("/big", 0o644, count * len(PIECE), (PIECE for _ in range(count)))])
    digest = hashlib.sha256()
    with docker_executor.read_path(container, "/big") as entries:
        (entry,) = ((e.size_bytes, [digest.update(piece) for piece in e.content]) for e in entries)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert entry[0] == count * len(PIECE)
    assert digest.digest() == hashlib.sha256(PIECE * count).digest()
    assert peak_bytes < MOST_MEMORY_BYTES


@pytest.mark.services
def test_hard_links_and_pipes_are_told_apart_from_files(docker_executor: DockerExecutor) -> None:
    command = ("sh", "-c", "mkdir /o; echo x >/o/a; ln /o/a /o/b; mkfifo /o/p")
    container = docker_executor.create(execution_of(command))
    docker_executor.start(container)
    ended = docker_executor.wait(container, LONG_SECONDS)
    with docker_executor.read_path(ended, "/o") as entries:
        kinds = {entry.name: (entry.kind, entry.target) for entry in entries}
    assert {kinds["a"][0], kinds["b"][0]} == {EntryKind.FILE, EntryKind.LINK}
    (link,) = [(name, target) for name, (kind, target) in kinds.items() if kind is EntryKind.LINK]
    assert set(link) == {"a", "b"}
    assert kinds["p"][0] is EntryKind.OTHER


@pytest.mark.services
def test_an_input_cannot_leave_the_container_by_a_link(docker_executor: DockerExecutor) -> None:
    """A link in the image (here: put there by a first command, and committed) leads to a place in the container."""
    container = docker_executor.create(execution_of(("ln", "-s", "/etc", "/way")))
    docker_executor.start(container)
    docker_executor.wait(container, LONG_SECONDS)
    api = docker.APIClient(DOCKER_HOST, version="1.41")
    image = api.commit(container.id)["Id"]
    try:
        linked = docker_executor.create(execution_of(("cat", "/etc/one"), image=image))
        docker_executor.put_files(linked, [file("/way/one", b"inside\n")])
        docker_executor.start(linked)
        assert read(docker_executor.replay(linked))[Stream.STDOUT] == b"inside\n"
        docker_executor.remove(linked.execution_id)
    finally:
        api.remove_image(image, force=True)

"""What only the executor on a real Docker Engine can show: large outputs, its settings, and an Engine in trouble."""

from __future__ import annotations

import hashlib
import socket
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import docker
import pytest

from jobrunner.domain.ports.executor import Container, ContainerStatus, OutputReader
from jobrunner.domain.ports.output_store import Stream
from jobrunner.errors import EngineUnavailable
from jobrunner.executors.docker.client import FAILURES_TO_OPEN, OPEN_SECONDS
from jobrunner.executors.docker.executor import DockerExecutor
from tests.contracts.executor_world import (
    DOCKER_HOST,
    PRINTS_HI,
    SAYS_BYE_ON_SIGTERM,
    DockerWorld,
    docker_settings,
    execution_of,
    read,
)

pytestmark = pytest.mark.services

OUTPUT_BYTES = 20_000_000
MOST_MEMORY_BYTES = 4_000_000
PRINTS_20_MB = f"head -c {OUTPUT_BYTES} /dev/urandom >/tmp/it; sha256sum /tmp/it >&2; cat /tmp/it"


@pytest.fixture
def world() -> Iterator[DockerWorld]:
    made = DockerWorld()
    yield made
    made.close()


@pytest.fixture
def executor(world: DockerWorld) -> DockerExecutor:
    return world.executor()


def running(executor: DockerExecutor) -> Container:
    container = executor.create(execution_of(SAYS_BYE_ON_SIGTERM))
    executor.start(container)
    return container


# --------------------------------------------------------------------------------------------------------- output


def digest_and_memory(reader: OutputReader) -> tuple[str, bytes, int]:
    """SHA-256 of stdout, all of stderr, and the most memory that reading took."""
    digest, errors = hashlib.sha256(), b""
    tracemalloc.start()
    for fragment in reader:
        if fragment.stream is Stream.STDOUT:
            digest.update(fragment.content)
        else:
            errors += fragment.content
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    reader.close()
    return digest.hexdigest(), errors, peak_bytes


def test_a_large_output_is_exact_by_attach_and_by_replay_and_never_whole_in_memory(executor: DockerExecutor) -> None:
    container = executor.create(execution_of(("sh", "-c", PRINTS_20_MB)))
    reader = executor.attach(container)
    executor.start(container)
    for source in (reader, executor.replay(container)):
        digest, errors, peak_bytes = digest_and_memory(source)
        assert errors.split() == [digest.encode(), b"/tmp/it"]
        assert peak_bytes < MOST_MEMORY_BYTES


@pytest.mark.parametrize("connect", ["attach", "replay"])
def test_a_reader_waits_for_longer_than_a_call_may_take(world: DockerWorld, connect: str) -> None:
    executor, hasty = world.executor(), world.executor(docker_timeout_seconds=0.5)
    container = executor.create(execution_of(("sh", "-c", "sleep 1.5; echo late")))
    reader = hasty.attach(container)
    executor.start(container)
    if connect == "replay":
        reader.close()
        reader = hasty.replay(container)
    assert read(reader)[Stream.STDOUT] == b"late\n"
    reader.close()


def test_the_engine_keeps_empty_lines_up_to_the_cap(world: DockerWorld) -> None:
    """An empty line takes 26 times its size in the Engine's file: the worst case must not make it rotate."""
    cap_bytes = 200_000
    executor = world.executor(output_cap_bytes=cap_bytes)
    container = executor.create(execution_of(("sh", "-c", f"yes '' | head -n {cap_bytes}")))
    executor.start(container)
    assert executor.wait(container, 30).ended is not None  # a replay that follows may lose the end
    assert read(executor.replay(container))[Stream.STDOUT] == b"\n" * cap_bytes


# ------------------------------------------------------------------------------------------------- configuration


def test_envs_and_dns_entries_reach_the_container(executor: DockerExecutor) -> None:
    spec: dict[str, Any] = {"envs": {"GREETING": "hello = world"}, "additionalDNSEntries": {"db.example": "10.1.2.3"}}
    container = executor.create(execution_of(("sh", "-c", 'echo "$GREETING"; cat /etc/hosts'), **spec))
    executor.start(container)
    lines = read(executor.replay(container))[Stream.STDOUT].decode().splitlines()
    assert lines[0] == "hello = world"
    assert "10.1.2.3\tdb.example" in lines


def test_the_container_says_whose_it_is_and_may_gain_no_privileges(world: DockerWorld) -> None:
    execution = execution_of(PRINTS_HI)
    container = world.executor().create(execution)
    inspected = docker.APIClient(DOCKER_HOST, version="1.41").inspect_container(container.id)
    assert inspected["Name"] == f"/jobrunner-{world.name}-a-{execution.id}"
    assert inspected["Config"]["Labels"] == {
        "jobrunner.farm": f"{world.name}-a",
        "jobrunner.node": "contract",
        "jobrunner.execution": execution.id,
        "jobrunner.attempt": "1",
        "jobrunner.task": "contract",
        "jobrunner.job": execution.job_id,
    }
    assert inspected["HostConfig"]["SecurityOpt"] == ["no-new-privileges"]
    assert inspected["HostConfig"]["LogConfig"]["Type"] == "local"


# ---------------------------------------------------------------------------------------------- calls and trouble


@pytest.mark.timed
def test_a_call_that_waits_holds_up_no_other_call(executor: DockerExecutor) -> None:
    container = running(executor)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(executor.wait, container, 2.0)
        since = monotonic()
        while not waiting.running():
            pass
        executor.check()
        assert monotonic() - since < 1.5
        assert waiting.result().status is ContainerStatus.RUNNING


def test_waits_that_reach_their_limit_leave_no_connection_behind(executor: DockerExecutor) -> None:
    container = running(executor)
    executor.wait(container, 0.02)
    before = open_descriptors()
    for _ in range(20):
        executor.wait(container, 0.02)
    assert open_descriptors() <= before + 1


def test_readers_leave_no_connection_behind(executor: DockerExecutor) -> None:
    container = running(executor)
    executor.check()
    before = open_descriptors()
    readers = [executor.replay(container) for _ in range(10)]
    assert open_descriptors() > before + 5
    for reader in readers:
        next(iter(reader))
        reader.close()
    assert open_descriptors() <= before + 1


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.timed
def test_an_engine_where_nothing_listens_is_told_at_once_and_in_words(tmp_path: Path) -> None:
    for host, reason in {
        f"unix://{tmp_path}/none.sock": "No such file or directory",
        "tcp://127.0.0.1:1": "Connection refused",
    }.items():
        executor = DockerExecutor(docker_settings(docker_host=host), "dead")
        since = monotonic()
        with pytest.raises(EngineUnavailable, match=rf"{host}.*{reason}"):
            executor.create(execution_of(PRINTS_HI))
        assert monotonic() - since < 1


@pytest.mark.timed
def test_an_engine_that_hangs_is_told_within_the_time_limit(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(tmp_path / "mute.sock"))
        mute.listen()
        settings = docker_settings(docker_host=f"unix://{tmp_path}/mute.sock", docker_timeout_seconds=0.3)
        since = monotonic()
        with pytest.raises(EngineUnavailable, match="timed out"):
            DockerExecutor(settings, "mute").check()
        assert monotonic() - since < 2


def test_a_dead_engine_is_left_alone_for_a_while_and_then_tried_again(tmp_path: Path) -> None:
    link = tmp_path / "engine.sock"
    executor = DockerExecutor(docker_settings(docker_host=f"unix://{link}"), "revived")
    assert executor.circuit == "closed"
    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(EngineUnavailable, match="No such file"):
            executor.check()
    link.symlink_to(DOCKER_HOST.removeprefix("unix://"))
    with pytest.raises(EngineUnavailable, match="left alone"):
        executor.check()
    assert executor.circuit == "open"
    assert answers_within(executor, OPEN_SECONDS + 5)
    assert executor.check()
    assert executor.circuit == "closed"


def answers_within(executor: DockerExecutor, seconds: float) -> bool:
    until = monotonic() + seconds
    while monotonic() < until:
        try:
            return bool(executor.check())
        except EngineUnavailable:
            sleep(0.05)
    return False

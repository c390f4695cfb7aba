"""What every executor promises of usage; and that the figures of the real Engine are right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest

from jobrunner.domain.ports.executor import Container, Executor
from jobrunner.domain.usage import ResourceUsage
from jobrunner.errors import EngineUnavailable
from tests.contracts.executor_world import (
    EXITS_WITH_7,
    SAYS_BYE_ON_SIGTERM,
    DockerWorld,
    FakeWorld,
    World,
    execution_of,
    run,
    started,
)
from tests.support.farm import wait_until

MIB = 1024 * 1024


def test_what_runs_has_figures_and_nothing_else_has(executor: Executor) -> None:
    created = executor.create(execution_of(EXITS_WITH_7))
    running = [started(executor, execution_of(SAYS_BYE_ON_SIGTERM)) for _ in range(3)]
    _, ended = run(executor, execution_of(EXITS_WITH_7))
    gone = started(executor, execution_of(SAYS_BYE_ON_SIGTERM))
    executor.remove(gone.execution_id)
    before = datetime.now(UTC) - timedelta(seconds=1)
    usage = executor.usage([created, *running, ended, gone])
    assert usage.keys() == {container.id for container in running}
    for sample in usage.values():
        assert before <= sample.sampled_at <= datetime.now(UTC)
        assert 0 <= sample.cpu_seconds < 10


def test_no_container_has_no_figures(executor: Executor) -> None:
    assert executor.usage([]) == {}


def test_an_engine_that_is_down_is_told(world: World, executor: Executor) -> None:
    container = started(executor, execution_of(SAYS_BYE_ON_SIGTERM))
    broken: Executor = executor
    if isinstance(world, FakeWorld):
        world.engine.is_down = True
    else:
        assert isinstance(world, DockerWorld)
        broken = world.executor(docker_host="unix:///nowhere.sock")
    with pytest.raises(EngineUnavailable):
        broken.usage([container])
    if isinstance(world, FakeWorld):
        world.engine.is_down = False


# ------------------------------------------------------------------------------------------------ the real Engine


@pytest.fixture
def docker() -> Iterator[Executor]:
    world = DockerWorld()
    yield world.executor()
    world.close()


def runs(docker: Executor, line: str, **spec: object) -> Container:
    """A container that has done what the line says, has printed something, and goes on."""
    spec = {"container": {"capAdd": ["NET_RAW"]}} | spec  # for the ping of busybox
    return started(docker, execution_of(("sh", "-c", f"{line}; echo done; sleep 1000"), **spec))


def sample(docker: Executor, container: Container) -> ResourceUsage:
    return docker.usage([container])[container.id]


@pytest.mark.services
def test_processor_time_is_what_was_burnt(docker: Executor) -> None:
    idle = sample(docker, runs(docker, "true"))
    # The limit is of processor time, so it is used up to the same figure on a busy machine.
    burnt = sample(docker, runs(docker, "(ulimit -t 2; while :; do :; done)"))
    assert burnt.cpu_seconds - idle.cpu_seconds == pytest.approx(2, abs=0.4)
    assert idle.cpu_seconds < 0.5


@pytest.mark.services
def test_the_peak_of_memory_is_at_least_what_was_held(docker: Executor) -> None:
    idle = sample(docker, runs(docker, "true"))
    held = sample(docker, runs(docker, "x=$(head -c 50000000 /dev/zero | tr '\\0' x)"))
    assert idle.peak_memory_bytes is not None and held.peak_memory_bytes is not None
    assert idle.peak_memory_bytes < 20 * MIB
    assert 50_000_000 < held.peak_memory_bytes < 300_000_000


@pytest.mark.services
def test_traffic_is_counted_and_that_of_the_loopback_is_not(docker: Executor) -> None:
    """Echoes of 10 kB until two are answered: by the container itself, and by the bridge that it hangs on."""
    gateway = "$(ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p')"
    silent, talking = (
        # ping gives up after a second, so a busy machine may answer too late: it is asked again.
        sample(docker, runs(docker, f"for _ in 1 2; do until ping -c 1 -s 10000 {to} > /dev/null; do :; done; done"))
        for to in ("127.0.0.1", gateway)
    )
    for figure in ("network_sent_bytes", "network_received_bytes"):
        assert getattr(silent, figure) < 5_000
        assert getattr(talking, figure) > 20_000
    assert talking.network_received_bytes is not None and talking.network_received_bytes < 60_000


@pytest.mark.services
@pytest.mark.timed
def test_a_round_takes_about_as_long_for_many_containers_as_for_one(docker: Executor) -> None:
    containers = [runs(docker, "true") for _ in range(6)]
    began = monotonic()
    assert len(docker.usage(containers)) == 6
    assert monotonic() - began < 4  # the Engine takes up to a second for each


@pytest.mark.services
def test_figures_grow(docker: Executor) -> None:
    container = started(docker, execution_of(("sh", "-c", "echo up; while :; do :; done")))
    first = sample(docker, container)
    wait_until(lambda: sample(docker, container).cpu_seconds > first.cpu_seconds + 0.3, 30, "it has burnt more")

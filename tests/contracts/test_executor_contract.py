"""What every executor promises (domain/ports/executor.py), on a fake Engine and on a real one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from time import monotonic

import pytest

from jobrunner.domain.ports.executor import ContainerStatus, Executor
from jobrunner.domain.ports.output_store import Stream
from jobrunner.errors import CommandNotExecutable, CommandNotFound, ContainerVanished, ImageNotFound
from tests.contracts.executor_world import (
    EXITS_WITH_7,
    IGNORES_SIGTERM,
    IMAGE,
    LONG_SECONDS,
    NOT_EXECUTABLE,
    NOT_IN_THE_IMAGE,
    PRINTS_HI,
    SAYS_BYE_ON_SIGTERM,
    Program,
    World,
    execution_of,
    exit_code,
    read,
    run,
    started,
)

# --------------------------------------------------------------------------------------------------- create, find


def test_create_is_idempotent_per_execution(executor: Executor) -> None:
    execution = execution_of(PRINTS_HI)
    assert executor.create(execution) == executor.create(execution)


def test_creates_at_the_same_time_make_one_container(executor: Executor) -> None:
    execution = execution_of(PRINTS_HI)
    with ThreadPoolExecutor(4) as threads:
        containers = list(threads.map(lambda _: executor.create(execution), range(4)))
    assert len({container.id for container in containers}) == 1
    assert len(executor.containers()) == 1


def test_create_after_a_restart_returns_the_running_container(world: World, executor: Executor) -> None:
    execution = execution_of(SAYS_BYE_ON_SIGTERM)
    container = started(executor, execution)
    adopted = world.executor().create(execution)
    assert (adopted.id, adopted.status) == (container.id, ContainerStatus.RUNNING)
    assert adopted.started_at is not None


def test_find_shows_each_step_of_a_life(executor: Executor) -> None:
    execution = execution_of(PRINTS_HI)
    assert executor.find(execution.id) is None
    container = executor.create(execution)
    assert executor.find(execution.id) == container
    executor.start(container)
    ended = executor.wait(container, LONG_SECONDS)
    assert executor.find(execution.id) == ended
    assert ended.status is ContainerStatus.EXITED


def test_an_image_that_is_not_there_is_told_at_create(executor: Executor) -> None:
    with pytest.raises(ImageNotFound, match="no-such-image"):
        executor.create(execution_of(PRINTS_HI, image="no-such-image:1"))


def test_containers_are_those_of_this_farm_only(world: World) -> None:
    ours, theirs = world.executor("a"), world.executor("b")
    execution = execution_of(PRINTS_HI)
    container = ours.create(execution)
    assert ours.containers() == [container]
    assert theirs.containers() == []
    theirs.remove(execution.id)
    assert theirs.find(execution.id) is None
    assert ours.find(execution.id) == container


def test_containers_are_listed_with_their_states(executor: Executor) -> None:
    created = executor.create(execution_of(PRINTS_HI))
    running = started(executor, execution_of(SAYS_BYE_ON_SIGTERM))
    _, ended = run(executor, execution_of(EXITS_WITH_7))
    listed = {container.id: container for container in executor.containers()}
    assert listed.keys() == {created.id, running.id, ended.id}
    assert listed[created.id].status is ContainerStatus.CREATED
    assert listed[running.id].status is ContainerStatus.RUNNING
    assert listed[ended.id].status is ContainerStatus.EXITED


# --------------------------------------------------------------------------------------------------- start, wait


@pytest.mark.parametrize(("program", "code"), [(PRINTS_HI, 0), (EXITS_WITH_7, 7)])
def test_the_exit_code_is_that_of_the_command(executor: Executor, program: Program, code: int) -> None:
    _, container = run(executor, execution_of(program))
    assert exit_code(container) == code


def test_the_times_of_an_exit_are_aware_and_in_order(executor: Executor) -> None:
    before = datetime.now(UTC)
    _, container = run(executor, execution_of(PRINTS_HI))
    assert container.ended is not None and container.ended.started_at is not None
    assert before <= container.ended.started_at <= container.ended.finished_at <= datetime.now(UTC)
    assert container.started_at == container.ended.started_at
    assert not container.ended.oom_killed


def test_starting_a_running_container_does_nothing(executor: Executor) -> None:
    execution = execution_of(SAYS_BYE_ON_SIGTERM)
    container = started(executor, execution)
    before = executor.find(execution.id)
    executor.start(container)
    assert executor.find(execution.id) == before


@pytest.mark.timed
def test_wait_returns_at_its_time_limit_while_the_container_runs(executor: Executor) -> None:
    container = started(executor, execution_of(SAYS_BYE_ON_SIGTERM))
    since = monotonic()
    assert executor.wait(container, 0.3).status is ContainerStatus.RUNNING
    assert 0.3 <= monotonic() - since < 3
    assert executor.wait(container, 0).status is ContainerStatus.RUNNING


@pytest.mark.timed
def test_wait_returns_soon_after_the_exit(executor: Executor) -> None:
    execution = execution_of(IGNORES_SIGTERM)
    container = started(executor, execution)
    killing = threading.Timer(0.2, lambda: executor.signal(execution.id, "SIGKILL"))
    killing.start()
    ended = executor.wait(container, LONG_SECONDS)
    killing.join()
    assert ended.ended is not None
    assert (datetime.now(UTC) - ended.ended.finished_at).total_seconds() < 1


def test_wait_does_not_wait_for_a_container_that_was_not_started(executor: Executor) -> None:
    container = executor.create(execution_of(PRINTS_HI))
    assert executor.wait(container, LONG_SECONDS).status is ContainerStatus.CREATED


def test_a_command_that_is_not_in_the_image_is_told_in_words(executor: Executor) -> None:
    container = executor.create(execution_of(NOT_IN_THE_IMAGE))
    with pytest.raises(CommandNotFound) as caught:
        executor.start(container)
    assert str(caught.value) == f'the image "{IMAGE}" has no command "no-such-program"'
    assert caught.value.exit_code == 127


def test_a_command_that_may_not_be_executed_is_told_in_words(executor: Executor) -> None:
    container = executor.create(execution_of(NOT_EXECUTABLE))
    with pytest.raises(CommandNotExecutable) as caught:
        executor.start(container)
    assert str(caught.value) == f'the command "/bin" of the image "{IMAGE}" may not be executed'


# ------------------------------------------------------------------------------------------------ signal, remove


def test_sigterm_lets_the_command_say_its_last_words(executor: Executor) -> None:
    execution = execution_of(SAYS_BYE_ON_SIGTERM)
    container = started(executor, execution)
    executor.signal(execution.id, "SIGTERM")
    assert exit_code(executor.wait(container, LONG_SECONDS)) == 3
    assert read(executor.replay(container))[Stream.STDOUT] == b"up\nbye\n"


def test_sigkill_ends_a_command_that_ignores_sigterm(executor: Executor) -> None:
    execution = execution_of(IGNORES_SIGTERM)
    container = started(executor, execution)
    executor.signal(execution.id, "SIGTERM")
    assert executor.wait(container, 0.3).status is ContainerStatus.RUNNING
    executor.signal(execution.id, "SIGKILL")
    assert exit_code(executor.wait(container, LONG_SECONDS)) == 137


def test_a_signal_to_what_does_not_run_does_nothing(executor: Executor) -> None:
    unknown, created, over = (execution_of(PRINTS_HI) for _ in range(3))
    executor.create(created)
    run(executor, over)
    for execution in (unknown, created, over):
        executor.signal(execution.id, "SIGTERM")
        executor.signal(execution.id, "SIGKILL")


def test_remove_is_idempotent(executor: Executor) -> None:
    running = execution_of(IGNORES_SIGTERM)
    started(executor, running)
    executor.remove(running.id)
    assert executor.find(running.id) is None
    assert executor.containers() == []
    executor.remove(running.id)
    executor.remove(execution_of(PRINTS_HI).id)


@pytest.mark.parametrize("call", ["attach", "replay", "start", "wait"])
def test_a_container_that_vanished_is_told(executor: Executor, call: str) -> None:
    execution = execution_of(PRINTS_HI)
    container = executor.create(execution)
    executor.remove(execution.id)
    arguments = (container, 1.0) if call == "wait" else (container,)
    with pytest.raises(ContainerVanished):
        getattr(executor, call)(*arguments)


def test_wait_tells_when_the_container_is_removed_meanwhile(executor: Executor) -> None:
    execution = execution_of(IGNORES_SIGTERM)
    container = started(executor, execution)
    removing = threading.Timer(0.2, lambda: executor.remove(execution.id))
    removing.start()
    with pytest.raises(ContainerVanished):
        while True:  # the Engine may show it as exited for a moment, before it is gone
            executor.wait(container, LONG_SECONDS)
    removing.join()


def test_an_engine_that_answers_tells_its_version(executor: Executor) -> None:
    assert executor.check()


def test_an_engine_tells_what_its_machine_has(executor: Executor) -> None:
    machine = executor.machine()
    assert machine.total.cpu_millis >= 1000
    assert machine.total.memory_bytes > 2**20
    assert machine.total.gpus == len(machine.gpu_names)

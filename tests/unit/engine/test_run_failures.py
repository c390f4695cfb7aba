"""Images, commands and containers that cannot be had: the execution fails, or is lost, and says why in words."""

from __future__ import annotations

import pytest

from jobrunner.domain.outcomes import Cause
from jobrunner.domain.states import State
from jobrunner.engine.run import run_execution
from jobrunner.engine.run_end import RunEnd
from jobrunner.errors import CommandNotExecutable, ContainerRejected, EngineDiskFull, ImageNotFound, ImagePullFailed
from jobrunner.executors.fake import Script
from tests.support.engine_world import World
from tests.support.farm import wait_until


def test_an_image_that_is_missing_is_pulled(world: World) -> None:
    world.engine.images.clear()
    execution = world.submit()
    run_execution(world.node(), execution.id)
    assert world.get(execution).state is State.DONE


@pytest.mark.parametrize(
    ("error", "cause"),
    [(ImageNotFound("no such image"), Cause.IMAGE_NOT_FOUND), (ImagePullFailed("broke off"), Cause.IMAGE_PULL_FAILED)],
)
def test_an_image_that_cannot_be_had_fails_the_execution_in_words(
    world: World, error: ImageNotFound, cause: Cause
) -> None:
    world.engine.images.clear()
    world.engine.pull_errors["busybox:test"] = error
    execution = world.submit()
    assert run_execution(world.node(), execution.id) is RunEnd.CLOSED
    ended = world.get(execution)
    assert (ended.state, ended.cause, ended.reason) == (State.FAILED, cause, str(error))


def test_with_the_policy_never_nothing_is_pulled(world: World) -> None:
    world.engine.images.clear()
    execution = world.submit(pull_policy="never")
    run_execution(world.node(), execution.id)
    ended = world.get(execution)
    assert (ended.state, ended.cause) == (State.FAILED, Cause.IMAGE_NOT_FOUND)
    assert "the pull policy is 'never'" in ended.reason
    assert world.engine.images == set()


def test_with_the_policy_always_an_image_that_is_there_is_pulled_all_the_same(world: World) -> None:
    world.engine.pull_errors["busybox:test"] = ImagePullFailed("asked the registry")
    execution = world.submit(pull_policy="always")
    run_execution(world.node(), execution.id)
    assert world.get(execution).reason == "asked the registry"


@pytest.mark.parametrize(
    ("error", "cause", "exit_code"),
    [
        (CommandNotExecutable("may not be executed"), Cause.COMMAND_NOT_EXECUTABLE, 126),
        (ContainerRejected("no such runtime"), Cause.CONTAINER_REJECTED, None),
    ],
)
def test_a_container_that_does_not_start_fails_the_execution_in_words(
    world: World, error: CommandNotExecutable, cause: Cause, exit_code: int | None
) -> None:
    world.engine.scripts[("broken",)] = Script(start_error=error)
    execution = world.submit("broken")
    run_execution(world.node(), execution.id)
    ended = world.get(execution)
    assert (ended.state, ended.cause, ended.exit_code, ended.reason) == (State.FAILED, cause, exit_code, str(error))
    assert world.engine.containers == {}


def test_a_node_without_room_takes_nothing_new_for_a_while(world: World) -> None:
    world.engine.scripts[("large",)] = Script(start_error=EngineDiskFull("the disk is full"))
    execution, node = world.submit("large"), world.node()
    run_execution(node, execution.id)
    ended = world.get(execution)
    assert (ended.state, ended.cause, ended.reason) == (State.FAILED, Cause.ENGINE_DISK_FULL, "the disk is full")
    assert not node.takes_work
    world.clock.move(11)
    assert node.takes_work


def test_a_command_that_is_not_there_fails_the_execution_in_words(world: World) -> None:
    execution = world.submit("no-such-command")
    run_execution(world.node(), execution.id)
    ended = world.get(execution)
    assert (ended.state, ended.cause, ended.exit_code) == (State.FAILED, Cause.COMMAND_NOT_FOUND, 127)
    assert '"no-such-command"' in ended.reason


def test_a_container_that_vanishes_while_it_runs_is_lost(world: World) -> None:
    execution = world.submit("run-on")
    run = world.run_in_background(world.node(), execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "it runs")
    world.nodes[0].executor.remove(execution.id)
    assert run.result(5) is RunEnd.CLOSED
    ended = world.get(execution)
    assert (ended.state, ended.cause) == (State.LOST, Cause.CONTAINER_VANISHED)
    assert world.output(execution) == b"up\n"


def test_a_container_that_vanished_while_no_worker_was_up_is_lost_and_not_made_again(world: World) -> None:
    execution = world.submit("run-on")
    first = world.node()
    run = world.run_in_background(first, execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "it runs")
    first.detach()
    run.result(5)
    first.executor.remove(execution.id)
    assert run_execution(world.node(), execution.id) is RunEnd.CLOSED
    assert world.get(execution).state is State.LOST
    assert world.engine.creates[execution.id] == 1

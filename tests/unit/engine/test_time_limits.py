"""Time limits: what runs too long is ended as by a stop, and is timed out; what ends in time is not."""

from __future__ import annotations

from dataclasses import replace

from jobrunner.domain.outcomes import Cause
from jobrunner.domain.states import State
from jobrunner.engine.run import run_execution
from jobrunner.engine.run_end import RunEnd
from jobrunner.engine.time_keeper import keep_time
from jobrunner.executors.fake import Script
from tests.support.engine_world import IMAGE, World, out
from tests.support.farm import wait_until


def test_what_runs_too_long_gets_sigterm_and_is_timedout_with_its_output(world: World) -> None:
    execution, node, run = world.running(timeout=60)
    world.clock.move_to(world.get(execution).deadline)  # type: ignore[arg-type]
    keep_time(node)
    assert run.result(5) is RunEnd.CLOSED
    ended = world.get(execution)
    assert (ended.state, ended.cause, ended.reason) == (
        State.TIMEDOUT,
        Cause.TIMEOUT,
        "ran longer than its timeout of 60 s",
    )
    assert world.output(execution) == b"up\nbye\n"


def test_nothing_is_ended_before_its_time(world: World) -> None:
    execution, node, run = world.running(timeout=60)
    world.clock.move(59)
    keep_time(node)
    assert not run.done()
    assert world.engine._of(execution.id).is_running


def test_what_ignores_sigterm_is_killed_and_is_timedout_all_the_same(world: World) -> None:
    execution, node, run = world.running("ignore", timeout=60, stop_grace=5)
    world.clock.move(61)
    keep_time(node)
    world.clock.move(5)
    keep_time(node)
    run.result(5)
    assert world.get(execution).state is State.TIMEDOUT


def test_what_ran_too_long_while_no_worker_was_up_is_timedout(world: World) -> None:
    execution, node, run = world.running(timeout=1)
    node.detach()
    run.result(5)
    container = world.engine._of(execution.id)
    world.engine.exit(execution.id, 0)
    assert container.shown.ended is not None
    assert execution.deadline is not None
    container.shown = replace(container.shown, ended=replace(container.shown.ended, finished_at=execution.deadline))
    assert run_execution(world.node(), execution.id) is RunEnd.CLOSED
    assert world.get(execution).state is State.TIMEDOUT


def test_an_image_that_does_not_come_in_time_times_the_execution_out(world: World) -> None:
    world.engine.images.clear()
    world.engine.endless_pulls.add(IMAGE)
    execution = world.submit(timeout=60)
    run = world.run_in_background(world.node(), execution.id)
    wait_until(lambda: world.get(execution).state is State.PULLING, 30, "it pulls")
    world.clock.move(60)
    assert run.result(5) is RunEnd.CLOSED
    ended = world.get(execution)
    assert (ended.state, ended.cause) == (State.TIMEDOUT, Cause.TIMEOUT)
    assert world.engine.creates.total() == 0


def test_the_lower_of_the_job_s_timeout_and_the_farm_s_limit_counts(world: World) -> None:
    world.settings = {"timeout_hard_limit_seconds": 100, "timeout_seconds": 50}
    assert world.submit(timeout=99).timeout_seconds == 99
    assert world.submit(timeout=101).timeout_seconds == 100
    assert world.submit().timeout_seconds == 50


def test_the_time_is_counted_from_the_start_of_the_container_and_not_from_that_of_the_pull(world: World) -> None:
    world.engine.scripts[("x",)] = Script((out(b"x"),), runs_on=True)
    execution, _, _ = world.running("x", timeout=60)
    assert execution.started_at is not None
    assert execution.deadline is not None
    assert (execution.deadline - execution.started_at).total_seconds() == 60

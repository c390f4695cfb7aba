"""Stopping, at every stage of an execution's life."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobrunner.domain.events import Trouble
from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.ports.executor import Container, OutputReader
from jobrunner.domain.states import State
from jobrunner.engine import cancel
from jobrunner.engine.cancel import Stopped, StoppedJob, stop_execution, stop_job
from jobrunner.engine.fire import fire
from jobrunner.engine.run import run_execution
from jobrunner.engine.run_end import RunEnd
from jobrunner.engine.submit import resubmit
from jobrunner.engine.time_keeper import keep_time, read_stop_wishes
from tests.support.engine_world import IMAGE, World
from tests.support.farm import wait_until


def job_of(world: World, execution: Execution) -> Job:
    job = world.store.jobs.get(execution.job_id)
    assert job is not None
    return job


# ------------------------------------------------------------------------------------------- before it starts


@pytest.mark.parametrize("spec", [{}, {"start_in": "1h"}, {"cron": "0 0 1 1 *"}])
def test_what_waits_is_stopped_at_once_and_never_starts(world: World, spec: dict[str, str]) -> None:
    execution = world.submit(**spec)
    assert stop_execution(world.farm(), execution) is Stopped.BEFORE_START
    stopped = world.get(execution)
    assert (stopped.state, stopped.cause) == (State.STOPPED, Cause.STOPPED)
    assert world.queue.waiting == []
    assert execution.id not in world.triggers.alarms
    assert run_execution(world.node(), execution.id) is RunEnd.NOTHING_TO_DO
    assert world.engine.creates.total() == 0


def test_a_stop_is_kept_although_redis_is_away(world: World) -> None:
    execution = world.submit()
    world.queue.is_down = world.triggers.is_down = True
    assert stop_execution(world.farm(), execution) is Stopped.BEFORE_START
    assert world.get(execution).state is State.STOPPED


def test_a_stopped_execution_whose_message_is_taken_all_the_same_does_not_start(world: World) -> None:
    execution = world.submit()
    message = world.queue.take()
    stop_execution(world.farm(), execution)
    assert message is not None
    assert run_execution(world.node(), message) is RunEnd.NOTHING_TO_DO
    assert world.engine.creates.total() == 0


def test_what_was_wished_between_two_looks_is_stopped_at_the_claim(world: World) -> None:
    """The wish is stored, and whoever stored it died before it closed the execution."""
    execution = world.submit()
    world.store.executions.compare_and_set(
        execution.id, states=[State.ENQUEUED], claim=None, changes={"stop_requested_at": world.clock.now()}
    )
    assert run_execution(world.node(), execution.id) is RunEnd.CLOSED
    assert world.get(execution).state is State.STOPPED
    assert world.engine.creates.total() == 0


# ------------------------------------------------------------------------------------------------ on the node


def test_a_stop_while_the_image_is_pulled_ends_the_pull(world: World) -> None:
    world.engine.images.clear()
    world.engine.endless_pulls.add(IMAGE)
    execution = world.submit()
    node = world.node()
    run = world.run_in_background(node, execution.id)
    wait_until(lambda: world.get(execution).state is State.PULLING, 30, "it pulls")
    assert stop_execution(world.farm(), world.get(execution)) is Stopped.STOPPING
    read_stop_wishes(node)
    assert run.result(5) is RunEnd.CLOSED
    assert world.get(execution).state is State.STOPPED
    assert world.engine.creates.total() == 0


def test_a_stop_between_create_and_start_starts_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    execution = world.submit("run-on")
    node = world.node()
    attach = node.executor.attach

    def stop_then_attach(container: Container) -> OutputReader:
        stop_execution(world.farm(), world.get(execution))
        return attach(container)

    monkeypatch.setattr(node.executor, "attach", stop_then_attach)
    assert run_execution(node, execution.id) is RunEnd.CLOSED
    assert world.get(execution).state is State.STOPPED
    assert world.engine.starts.total() == 0
    assert world.engine.containers == {}


@pytest.mark.parametrize("moment", ["before the Engine starts it", "after the Engine has started it"])
def test_a_stop_while_the_container_starts_is_a_sigterm_that_is_heard(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Not one that is sent too early, finds nobody, and leaves only SIGKILL."""
    execution = world.submit("run-on", stop_grace=3600)
    node = world.node()
    start = node.executor.start

    def stop_at_the_moment(container: Container) -> None:
        if moment == "after the Engine has started it":
            start(container)
        stop_execution(world.farm(), world.get(execution))
        read_stop_wishes(node)
        keep_time(node)
        if moment == "before the Engine starts it":
            start(container)

    monkeypatch.setattr(node.executor, "start", stop_at_the_moment)
    run = world.run_in_background(node, execution.id)
    wait_until(lambda: run.done() or keep_time(node), 30, "it has ended")
    assert run.result(5) is RunEnd.CLOSED
    ended = world.get(execution)
    assert (ended.state, ended.exit_code) == (State.STOPPED, 0)
    assert world.output(execution) == b"up\nbye\n"


def test_a_running_container_gets_sigterm_and_its_last_words_are_kept(world: World) -> None:
    execution, node, run = world.running()
    assert stop_execution(world.farm(), execution) is Stopped.STOPPING
    assert world.queue.stops == [(execution.id, "one")]
    node.wish_stop(execution.id)
    keep_time(node)
    assert run.result(5) is RunEnd.CLOSED
    ended = world.get(execution)
    assert (ended.state, ended.cause, ended.exit_code) == (State.STOPPED, Cause.STOPPED, 0)
    assert world.output(execution) == b"up\nbye\n"


def test_a_container_that_ignores_sigterm_is_killed_after_the_grace_and_not_before(world: World) -> None:
    execution, node, run = world.running("ignore", stop_grace=7)
    stop_execution(world.farm(), execution)
    read_stop_wishes(node)
    keep_time(node)
    world.clock.move(6.9)
    keep_time(node)
    assert world.engine._of(execution.id).is_running
    world.clock.move(0.1)
    keep_time(node)
    assert run.result(5) is RunEnd.CLOSED
    ended = world.get(execution)
    assert (ended.state, ended.exit_code) == (State.STOPPED, 137)


def test_the_wish_reaches_the_node_although_redis_is_away(world: World) -> None:
    execution, node, run = world.running()
    world.queue.is_down = True
    stop_execution(world.farm(), execution)
    read_stop_wishes(node)
    keep_time(node)
    assert run.result(5) is RunEnd.CLOSED
    assert world.get(execution).state is State.STOPPED


def test_a_stop_while_no_worker_is_up_is_carried_out_by_the_next(world: World) -> None:
    execution, node, run = world.running()
    node.detach()
    run.result(5)
    stop_execution(world.farm(), execution)
    second = world.node()
    adopted = world.run_in_background(second, execution.id)
    wait_until(lambda: second.runs() and second.runs()[0].started_at, 30, "it is adopted")
    keep_time(second)
    assert adopted.result(5) is RunEnd.CLOSED
    assert world.get(execution).state is State.STOPPED
    assert world.output(execution) == b"up\nbye\n"


def test_what_ended_before_the_stop_was_wished_is_not_called_stopped(world: World) -> None:
    execution, node, run = world.running()
    node.detach()
    run.result(5)
    world.engine.exit(execution.id, 0)
    world.clock.move(3600)
    stop_execution(world.farm(), execution)
    assert run_execution(world.node(), execution.id) is RunEnd.CLOSED
    assert world.get(execution).state is State.DONE


def test_what_ended_before_a_stop_that_came_while_it_was_watched_is_not_called_stopped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Engine may take its time to tell of an exit; meanwhile a stop is wished, and signalled."""
    execution = world.submit("speak")
    node = world.node()
    wait = node.executor.wait

    def stop_then_tell(*arguments: Any) -> Container:
        ended = wait(*arguments)
        world.clock.move(3600)
        stop_execution(world.farm(), execution)
        read_stop_wishes(node)
        keep_time(node)
        return ended

    monkeypatch.setattr(node.executor, "wait", stop_then_tell)
    assert run_execution(node, execution.id) is RunEnd.CLOSED
    assert world.get(execution).state is State.DONE


def test_what_our_signal_has_ended_is_called_stopped_although_the_api_s_clock_is_ahead(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution, node, run = world.running()
    ahead = world.clock.now() + timedelta(seconds=30)
    with monkeypatch.context() as patched:
        patched.setattr(world.clock, "now", lambda: ahead)
        stop_execution(world.farm(), execution)
    read_stop_wishes(node)
    keep_time(node)
    assert run.result(5) is RunEnd.CLOSED
    assert world.get(execution).state is State.STOPPED


def test_a_stop_is_idempotent(world: World) -> None:
    execution, node, run = world.running()
    first = world.clock.now()
    for _ in range(3):
        assert stop_execution(world.farm(), world.get(execution)) is Stopped.STOPPING
        world.clock.move(1)
    assert world.get(execution).stop_requested_at == first
    read_stop_wishes(node)
    keep_time(node)
    run.result(5)
    ended = world.get(execution)
    assert stop_execution(world.farm(), ended) is Stopped.ALREADY_OVER
    assert world.get(execution) == ended


def test_a_stopped_execution_is_not_tried_again(world: World) -> None:
    execution, node, run = world.running(retries=3)
    stop_execution(world.farm(), execution)
    read_stop_wishes(node)
    keep_time(node)
    run.result(5)
    assert len(world.attempts(execution)) == 1


# ------------------------------------------------------------------------------------------------- whole jobs


def test_stopping_a_job_stops_what_runs_and_what_waits(world: World) -> None:
    execution, node, run = world.running()
    waiting = [resubmit(world.farm(), execution.task_id, execution.job_id, execution.spec).execution for _ in range(2)]
    assert stop_job(world.farm(), job_of(world, execution)) == StoppedJob(False, before_start=2, stopping=1)
    assert [world.get(one).state for one in waiting] == [State.STOPPED] * 2
    read_stop_wishes(node)
    keep_time(node)
    assert run.result(5) is RunEnd.CLOSED
    assert world.get(execution).state is State.STOPPED


def test_stopping_a_job_reaches_what_lies_behind_a_batch_that_is_stopping_already(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancel, "BATCH", 1)
    execution, _, run = world.running()
    stop_execution(world.farm(), execution)
    behind = resubmit(world.farm(), execution.task_id, execution.job_id, execution.spec).execution
    stop_job(world.farm(), job_of(world, execution))
    assert world.get(behind).state is State.STOPPED
    assert not run.done()


def test_stopping_a_job_twice_says_that_nothing_is_left_to_do(world: World) -> None:
    execution, _, _ = world.running()
    stop_job(world.farm(), job_of(world, execution))
    first = job_of(world, execution)
    world.clock.move(60)
    assert stop_job(world.farm(), first) == StoppedJob(True, before_start=0, stopping=0)
    assert job_of(world, execution) == first


def test_stopping_a_job_of_many_executions_waits_for_a_redis_that_is_away_only_once(world: World) -> None:
    first = world.submit()
    for _ in range(20):
        resubmit(world.farm(), first.task_id, first.job_id, first.spec)
    world.queue.is_down = True
    assert stop_job(world.farm(), job_of(world, first)).before_start == 21
    assert {execution.state for execution in world.attempts(first)} == {State.STOPPED}
    assert len(world.announced(Trouble)) == 1


def test_stopping_a_job_stops_its_retries(world: World) -> None:
    execution = world.submit("fail", retries=5)
    run_execution(world.node(), execution.id)
    stop_job(world.farm(), job_of(world, execution))
    first, second = world.attempts(execution)
    assert (first.state, second.state) == (State.FAILED, State.STOPPED)
    world.clock.move(3600)
    fire(world.farm(), second.id)
    assert world.get(second).state is State.STOPPED


def test_stopping_a_job_ends_its_cron(world: World) -> None:
    execution = world.submit(cron="* * * * *")
    stop_job(world.farm(), job_of(world, execution))
    world.clock.move(120)
    fire(world.farm(), execution.id)
    assert [attempt.state for attempt in world.attempts(execution)] == [State.STOPPED]


def test_an_execution_that_was_made_while_its_job_was_being_stopped_does_not_start(world: World) -> None:
    """A cron's next tick, or a retry, made by a process that had read the job before it was stopped."""
    execution = world.submit(start_in="1h")
    world.store.jobs.set_stopped(execution.job_id, world.clock.now())
    world.clock.move(3601)
    fire(world.farm(), execution.id)
    assert world.get(execution).state is State.STOPPED
    assert world.queue.waiting == []


def test_stopping_one_tick_does_not_end_the_cron(world: World) -> None:
    tick = world.submit(cron="0 * * * *")
    assert stop_execution(world.farm(), tick) is Stopped.BEFORE_START
    states = [attempt.state for attempt in world.attempts(tick)]
    assert sorted(states) == [State.SCHEDULED, State.STOPPED]

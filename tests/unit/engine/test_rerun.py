"""Running a job again by hand: what is kept where a process dies or a service does not answer, and its retries."""

from __future__ import annotations

import pytest

from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.states import State
from jobrunner.engine.fire import fire
from jobrunner.engine.janitors.requeue import requeue
from jobrunner.engine.rerun import rerun
from jobrunner.engine.run import run_execution
from jobrunner.errors import ServiceUnavailable
from tests.support.engine_world import World
from tests.support.port_faults import Crash, Kind, Trouble


def job_of(world: World, execution: Execution) -> Job:
    job = world.store.jobs.get(execution.job_id)
    assert job is not None
    return job


@pytest.mark.parametrize("kind", list(Kind))
def test_whoever_gets_an_answer_has_an_execution_on_its_way(world: World, kind: Kind) -> None:
    """And with a refusal before the execution is stored, nothing starts."""
    for at in range(1, 20):
        first = world.submit()
        world.queue.waiting.clear()
        world.clock.move(1)
        trouble = Trouble(at, kind)
        try:
            rerun(world.troubled_farm(trouble), job_of(world, first))
            answered = True
        except (Crash, ServiceUnavailable):
            answered = False
        again = [execution for execution in world.attempts(first) if execution.id != first.id]
        assert len(again) == 1 or not (answered or again)
        world.clock.move(3)
        requeue(world.farm())
        assert {waiting for _, waiting in world.queue.waiting} >= {execution.id for execution in again}
        if len(trouble.calls) < at:
            assert answered
            return
    raise AssertionError("it has no end")


def test_what_is_run_again_has_retries_of_its_own(world: World) -> None:
    node = world.node()
    first = world.submit("fail", retries=1)
    run_execution(node, first.id)
    world.clock.move(1)
    again = rerun(world.farm(), job_of(world, first)).execution
    run_execution(node, again.id)
    assert world.get(again).state is State.FAILED
    attempts = {(execution.attempt, execution.retried_from) for execution in world.attempts(first)}
    assert attempts == {(1, None), (2, first.id), (1, first.id), (2, again.id)}


def test_what_is_run_again_of_a_stopped_job_is_not_tried_again(world: World) -> None:
    first = world.submit("fail", retries=1)
    world.store.jobs.set_stopped(first.job_id, world.clock.now())
    again = rerun(world.farm(), job_of(world, first)).execution
    run_execution(world.node(), again.id)
    assert world.get(again).state is State.FAILED
    assert {execution.id for execution in world.attempts(first)} == {first.id, again.id}


def test_a_cron_goes_on_as_if_nothing_had_been_run_by_hand(world: World) -> None:
    tick = world.submit(cron="* * * * *")
    again = rerun(world.farm(), job_of(world, tick)).execution
    run_execution(world.node(), again.id)
    assert {execution.id for execution in world.attempts(tick)} == {tick.id, again.id}
    world.clock.move(61)
    fire(world.farm(), tick.id)
    assert sorted(execution.state for execution in world.attempts(tick)) == [
        State.DONE,
        State.ENQUEUED,
        State.SCHEDULED,
    ]

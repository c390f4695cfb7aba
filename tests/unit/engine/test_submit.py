"""Taking jobs in: what is stored, in what order, and what is not where a service does not answer."""

from __future__ import annotations

import pytest

from jobrunner.domain.executions import Execution
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.listing import ExecutionFilter
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.engine.fire import fire
from jobrunner.engine.janitors.requeue import requeue
from jobrunner.engine.submit import resubmit, submit
from jobrunner.errors import Conflict, QueueUnavailable, ServiceUnavailable
from tests.support.engine_world import IMAGE, TASK, World
from tests.support.port_faults import Crash, Kind, Trouble

SPEC = JobSpec(image=IMAGE, command=("speak",))


def open_executions(world: World, job_id: str) -> list[Execution]:
    return world.store.executions.open_of_job(job_id, 100)


def test_a_job_is_stored_with_its_task_and_its_first_execution(world: World) -> None:
    taken = submit(world.farm(), TASK, SPEC)
    job = world.store.jobs.get(taken.job.id)
    task = world.store.tasks.get(TASK)
    assert job is not None
    assert task is not None
    assert (job.task_id, job.spec, job.executions_count, task.jobs_count) == (TASK, SPEC, 1, 1)
    assert world.get(taken.execution) == taken.execution
    assert taken.execution.state is State.ENQUEUED
    assert world.queue.waiting == [(None, taken.execution.id)]


def test_a_job_that_starts_later_waits_for_its_alarm(world: World) -> None:
    execution = world.submit(start_in="90s")
    assert execution.state is State.SCHEDULED
    assert (execution.due_at - world.clock.now()).total_seconds() == 90  # type: ignore[operator]
    assert world.triggers.alarms == {execution.id: execution.due_at}
    assert world.queue.waiting == []


def test_without_redis_nothing_is_taken_in_and_nothing_is_stored(world: World) -> None:
    world.queue.is_down = True
    with pytest.raises(QueueUnavailable):
        submit(world.farm(), TASK, SPEC)
    assert world.store.tasks.get(TASK) is None


def test_a_redis_that_goes_away_in_between_delays_a_job_but_does_not_lose_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.queue, "check", lambda: None)  # the last moment that it answered
    monkeypatch.setattr(world.queue, "push", lambda *args, **options: no_answer())
    world.triggers.is_down = True
    now, later = world.submit(), world.submit(start_in="10s")
    assert (world.get(now).state, world.get(later).state) == (State.ENQUEUED, State.SCHEDULED)
    monkeypatch.undo()
    world.triggers.is_down = False
    world.clock.move(13)
    world.fire_overdue()
    requeue(world.farm())
    assert {waiting for _, waiting in world.queue.waiting} == {now.id, later.id}


def no_answer() -> str:
    raise QueueUnavailable("the test says so")


def test_an_id_that_is_taken_is_a_conflict(world: World) -> None:
    job_id = submit(world.farm(), TASK, SPEC).job.id
    with pytest.raises(Conflict):
        submit(world.farm(), TASK, SPEC, job_id)
    with pytest.raises(Conflict):
        resubmit(world.farm(), "another-task", job_id, SPEC)


@pytest.mark.parametrize("spec", [{}, {"start_in": "10s"}, {"cron": "* * * * *"}])
@pytest.mark.parametrize("kind", Kind)
def test_whatever_fails_at_any_call_what_is_stored_reaches_a_queue(
    world: World, spec: dict[str, str], kind: Kind
) -> None:
    """And with a refusal before the execution is stored, nothing starts."""
    asked = JobSpec(image=IMAGE, command=("speak",), **spec)  # type: ignore[arg-type]
    for at in range(1, 20):
        world.queue.waiting.clear()
        trouble = Trouble(at, kind)
        task = f"task-{new_id()}"
        try:
            submit(world.troubled_farm(trouble), task, asked)
            answered = True
        except (Crash, ServiceUnavailable):
            answered = False
        stored = world.store.executions.slice(ExecutionFilter(task_id=task), 10).items
        assert len(stored) == 1 or not (answered or stored)
        world.clock.move(70)
        world.fire_overdue()
        world.clock.move(3)
        requeue(world.farm())
        assert {waiting for _, waiting in world.queue.waiting} >= {execution.id for execution in stored}
        for execution in world.store.executions.slice(ExecutionFilter((State.SCHEDULED, State.ENQUEUED)), 10).items:
            world.store.executions.compare_and_set(
                execution.id,
                states=[execution.state],
                claim=0,
                changes={"state": State.STOPPED, "moved_at": world.clock.now()},
            )
        if len(trouble.calls) < at:
            assert answered
            return
    raise AssertionError("the submission has no end")


# ------------------------------------------------------------------------------------------------- new definition


def test_a_job_that_is_not_there_is_made_under_its_id(world: World) -> None:
    job_id = new_id()
    assert resubmit(world.farm(), TASK, job_id, SPEC).job.id == job_id
    assert world.store.jobs.get(job_id) is not None


def test_a_new_definition_starts_and_what_is_under_way_goes_on(world: World) -> None:
    first = submit(world.farm(), TASK, SPEC)
    other = JobSpec(image=IMAGE, command=("fail",))
    world.clock.move(1)
    second = resubmit(world.farm(), TASK, first.job.id, other)
    assert [(e.id, e.spec) for e in open_executions(world, first.job.id)] == [
        (first.execution.id, SPEC),
        (second.execution.id, other),
    ]
    job = world.store.jobs.get(first.job.id)
    task = world.store.tasks.get(TASK)
    assert job is not None
    assert task is not None
    assert (job.spec, job.revision, job.executions_count, task.jobs_count) == (other, 1, 2, 1)


@pytest.mark.parametrize("old", [{"start_in": "1h"}, {"cron": "* * * * *"}])
@pytest.mark.parametrize("new", [{}, {"start_in": "2h"}, {"cron": "* * * * *"}, {"cron": "0 * * * *"}])
def test_a_new_definition_takes_the_place_of_the_old_schedule(
    world: World, old: dict[str, str], new: dict[str, str]
) -> None:
    first = submit(world.farm(), TASK, JobSpec(image=IMAGE, **old))  # type: ignore[arg-type]
    second = resubmit(world.farm(), TASK, first.job.id, JobSpec(image=IMAGE, **new))  # type: ignore[arg-type]
    assert world.get(first.execution).state is State.STOPPED
    assert [execution.id for execution in open_executions(world, first.job.id)] == [second.execution.id]


def test_a_new_definition_brings_a_stopped_job_back(world: World) -> None:
    first = submit(world.farm(), TASK, SPEC)
    world.store.jobs.set_stopped(first.job.id, world.clock.now())
    second = resubmit(world.farm(), TASK, first.job.id, JobSpec(image=IMAGE, start_in="1s"))
    world.clock.move(2)
    fire(world.farm(), second.execution.id)
    assert world.get(second.execution).state is State.ENQUEUED

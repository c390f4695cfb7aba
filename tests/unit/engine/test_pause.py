"""A schedule that is paused and resumed: what waits, what is left out, and that nothing starts in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.engine import queries
from jobrunner.engine.cancel import stop_execution, stop_job
from jobrunner.engine.fire import fire
from jobrunner.engine.janitors.due import fire_overdue
from jobrunner.engine.pause import Paused, pause, resume
from jobrunner.engine.run import run_execution
from jobrunner.engine.submit import resubmit
from jobrunner.errors import Conflict, QueueUnavailable, StoreUnavailable
from tests.support.engine_world import IMAGE, TASK, World
from tests.support.port_faults import Crash, Kind, Trouble


def job(world: World, execution: Execution) -> Job:
    found = world.store.jobs.get(execution.job_id)
    assert found is not None
    return found


def pause_job(world: World, execution: Execution) -> Paused:
    return pause(world.farm(), job(world, execution))


def resume_job(world: World, execution: Execution) -> Paused:
    return resume(world.farm(), job(world, execution))


def states(world: World, first: Execution) -> list[State]:
    return [execution.state for execution in world.by_time(first)]


def pass_minutes(world: World, minutes: int) -> None:
    for _ in range(minutes):
        world.clock.move(60)
        world.ring_all()
        fire_overdue(world.farm())


def test_a_paused_cron_starts_nothing_and_goes_on_with_the_next_instant_when_it_is_resumed(world: World) -> None:
    first = world.submit(cron="* * * * *")
    pass_minutes(world, 1)
    assert pause_job(world, first) is Paused.PAUSED
    pass_minutes(world, 10)
    assert states(world, first) == [State.ENQUEUED, State.SCHEDULED]
    assert queries.next_times(world.farm(), job(world, first)) == []
    assert resume_job(world, first) is Paused.RESUMED
    _, left_out, following = world.by_time(first)
    assert (left_out.state, left_out.cause) == (State.EXPIRED, Cause.PAUSED)
    assert following.due_at is not None
    assert timedelta(0) < following.due_at - world.clock.now() <= timedelta(minutes=1)
    pass_minutes(world, 3)
    assert states(world, first) == [State.ENQUEUED, State.EXPIRED, *[State.ENQUEUED] * 3, State.SCHEDULED]


def test_an_instant_that_comes_after_the_resumption_runs_though_it_was_made_before_the_pause(world: World) -> None:
    world.clock.move_to(world.clock.now().replace(second=0) + timedelta(minutes=1))
    first = world.submit(cron="0 * * * *")
    pause_job(world, first)
    world.clock.move(1)
    resume_job(world, first)
    assert states(world, first) == [State.SCHEDULED]
    world.clock.move_to(first.due_at)  # type: ignore[arg-type]
    world.ring_all()
    assert states(world, first) == [State.ENQUEUED, State.SCHEDULED]


def test_pausing_and_resuming_twice_changes_nothing_more(world: World) -> None:
    world.clock.move_to(world.clock.now().replace(second=0) + timedelta(minutes=1))
    first = world.submit(cron="* * * * *")
    assert resume_job(world, first) is Paused.WAS_NOT_PAUSED
    assert pause_job(world, first) is Paused.PAUSED
    paused_at = job(world, first).paused_at
    world.clock.move(5)
    assert pause_job(world, first) is Paused.WAS_PAUSED
    assert job(world, first).paused_at == paused_at
    assert resume_job(world, first) is Paused.RESUMED
    assert resume_job(world, first) is Paused.WAS_NOT_PAUSED
    pass_minutes(world, 2)
    assert states(world, first) == [State.ENQUEUED, State.ENQUEUED, State.SCHEDULED]


@pytest.mark.parametrize("minutes", [0, 10])
def test_a_paused_delay_starts_at_its_time_or_at_once_if_that_has_passed(world: World, minutes: int) -> None:
    execution = world.submit(start_in="2m")
    pause_job(world, execution)
    pass_minutes(world, minutes)
    assert states(world, execution) == [State.SCHEDULED]
    assert queries.next_times(world.farm(), job(world, execution)) == []
    resume_job(world, execution)
    world.ring_all()
    assert states(world, execution) == [State.ENQUEUED if minutes else State.SCHEDULED]
    pass_minutes(world, 2)
    assert states(world, execution) == [State.ENQUEUED]


def test_what_is_held_costs_the_janitor_nothing(world: World) -> None:
    execution = world.submit(start_in="2m")
    pause_job(world, execution)
    pass_minutes(world, 3)
    world.events.clear()
    calls = Trouble()
    fire_overdue(world.troubled_farm(calls))
    assert calls.calls == ["MongoExecutions.overdue"]


def test_a_waiting_retry_is_not_held(world: World) -> None:
    world.settings = {"retry_first_delay_seconds": 30}
    first = world.submit("fail", cron="0 * * * *", retries=1)
    world.clock.move_to(first.due_at)  # type: ignore[arg-type]
    world.ring_all()
    run_execution(world.node(), first.id)
    pause_job(world, first)
    world.clock.move(31)
    world.ring_all()
    (retry,) = [e for e in world.by_time(first) if e.attempt == 2]
    assert retry.state is State.ENQUEUED


def test_what_has_no_schedule_cannot_be_paused(world: World) -> None:
    stopped = world.submit(cron="* * * * *")
    stop_job(world.farm(), job(world, stopped))
    started = world.submit(start_in="1s")
    world.clock.move(1)
    world.ring_all()
    for execution, reason in (
        (world.submit(), "has no schedule"),
        (stopped, "was stopped"),
        (started, "has started already"),
    ):
        with pytest.raises(Conflict, match=reason):
            pause_job(world, execution)
    for execution in (world.submit(), stopped):
        with pytest.raises(Conflict):
            resume_job(world, execution)


def test_a_stop_ends_a_paused_schedule_for_good(world: World) -> None:
    first = world.submit(cron="* * * * *")
    pause_job(world, first)
    stop_job(world.farm(), job(world, first))
    pass_minutes(world, 2)
    assert states(world, first) == [State.STOPPED]


def test_a_new_definition_is_not_paused(world: World) -> None:
    first = world.submit(cron="* * * * *")
    pause_job(world, first)
    resubmit(world.farm(), TASK, first.job_id, JobSpec(image=IMAGE, command=("speak",), cron="* * * * *"))
    pass_minutes(world, 1)
    assert job(world, first).paused_at is None
    assert sorted(states(world, first)) == [State.ENQUEUED, State.SCHEDULED, State.STOPPED]


def test_a_tick_that_is_stopped_by_hand_while_paused_does_not_come_back(world: World) -> None:
    first = world.submit(cron="* * * * *")
    pause_job(world, first)
    stop_execution(world.farm(), world.get(first))
    resume_job(world, first)
    pass_minutes(world, 2)
    assert states(world, first) == [State.STOPPED, State.ENQUEUED, State.SCHEDULED]


# ---------------------------------------------------------------------------------------- while a tick is being fired


def interrupted(world: World, call: str, act: Any) -> Any:
    """A farm where something else happens right before a call of its store."""
    farm = world.farm()
    waiting = [act]
    store = farm.store

    class Between:
        def __init__(self, port: Any) -> None:
            self.port = port

        def __getattr__(self, name: str) -> Any:
            if f"{type(self.port).__name__}.{name}" == call and waiting:
                waiting.pop()()
            return getattr(self.port, name)

    parts = {name: Between(getattr(store, name)) for name in ("jobs", "executions")}
    return replace(farm, store=replace(store, **parts))


CALLS = ["MongoExecutions.get", "MongoJobs.get", "MongoExecutions.add", "MongoExecutions.compare_and_set"]


@pytest.mark.parametrize("call", CALLS)
def test_nothing_starts_after_a_pause_that_comes_while_a_tick_is_being_fired(world: World, call: str) -> None:
    first = world.submit(cron="* * * * *")
    world.clock.move_to(first.due_at)  # type: ignore[arg-type]
    fire(interrupted(world, call, lambda: pause_job(world, first)), first.id)
    assert world.get(first).state is State.SCHEDULED
    pass_minutes(world, 2)
    assert all(state is State.SCHEDULED for state in states(world, first))
    resume_job(world, first)
    pass_minutes(world, 1)
    assert states(world, first)[-2:] == [State.ENQUEUED, State.SCHEDULED]


@pytest.mark.parametrize("call", CALLS)
def test_no_tick_of_the_old_definition_starts_after_a_new_one_that_comes_while_it_is_being_fired(
    world: World, call: str
) -> None:
    first = world.submit(cron="* * * * *")
    world.clock.move_to(first.due_at)  # type: ignore[arg-type]
    spec = JobSpec(image=IMAGE, command=("fail",), cron="* * * * *")
    fire(interrupted(world, call, lambda: resubmit(world.farm(), TASK, first.job_id, spec)), first.id)
    pass_minutes(world, 3)
    old = [e.state for e in world.by_time(first) if e.revision == 0]
    new = [e.state for e in world.by_time(first) if e.revision == 1]
    assert set(old) == {State.STOPPED}
    assert new == [*[State.ENQUEUED] * 3, State.SCHEDULED]


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("verb", ["pause", "resume", "change"])
def test_a_request_that_fails_at_any_call_can_be_made_again_and_the_cron_goes_on(
    world: World, kind: Kind, verb: str
) -> None:
    spec = JobSpec(image=IMAGE, command=("speak",), cron="* * * * *")
    # Within a minute, so that a tick without an alarm is overdue by more than the janitor's grace at the first look.
    world.clock.move_to(world.clock.now().replace(second=30) + timedelta(minutes=1))
    for at in range(1, 30):
        first = world.submit(cron="* * * * *")
        if verb == "resume":
            pause_job(world, first)
            pass_minutes(world, 2)
        trouble = Trouble(at, kind)
        farm = world.troubled_farm(trouble)
        try:
            if verb == "change":
                resubmit(farm, TASK, first.job_id, spec)
            else:
                (pause if verb == "pause" else resume)(farm, job(world, first))
        except (Crash, StoreUnavailable, QueueUnavailable):
            pass
        if verb != "change":  # a definition that was not answered for may be there or not: the cron goes on in any case
            resume_job(world, first)
        pass_minutes(world, 2)
        found = [e.state for e in world.by_time(first) if e.state not in (State.EXPIRED, State.STOPPED)]
        assert found == [State.ENQUEUED, State.ENQUEUED, State.SCHEDULED], trouble.calls
        stop_job(world.farm(), job(world, first))
        if len(trouble.calls) < at:
            return
    raise AssertionError("it has no end")

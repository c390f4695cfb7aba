"""The time of a scheduled execution comes: delays, crons, expirations, retries."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobrunner.domain.executions import Execution
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.states import State
from jobrunner.engine.fire import fire
from jobrunner.engine.janitors.owed import make_owed_retries
from jobrunner.engine.run import run_execution
from jobrunner.errors import QueueUnavailable, StoreUnavailable
from tests.support.engine_world import World
from tests.support.port_faults import Crash, Kind, Trouble


def ticks(world: World, job_id: str) -> list[Execution]:
    """All ticks of a cron by their time."""
    found = world.store.executions.page_of_job(job_id, 1, 1000)
    return sorted(found, key=lambda execution: execution.due_at)  # type: ignore[arg-type, return-value]


def due(world: World, execution: Execution) -> None:
    """Move the clock to its time, and fire it."""
    assert execution.due_at is not None
    world.clock.move_to(max(execution.due_at, world.clock.now()))
    fire(world.farm(), execution.id)


# --------------------------------------------------------------------------------------------------------- fire


def test_what_is_due_is_enqueued_and_sent(world: World) -> None:
    execution = world.submit(start_in="10s")
    due(world, execution)
    assert world.get(execution).state is State.ENQUEUED
    assert world.queue.waiting == [(None, execution.id)]


def test_what_rings_too_early_waits_for_its_time(world: World) -> None:
    execution = world.submit(start_in="10s")
    world.clock.move(9)
    assert fire(world.farm(), execution.id) == execution.due_at
    assert world.get(execution).state is State.SCHEDULED


def test_an_alarm_that_rings_twice_starts_one(world: World) -> None:
    execution = world.submit(start_in="10s")
    due(world, execution)
    due(world, execution)
    assert world.queue.waiting == [(None, execution.id)]


def test_an_alarm_without_an_execution_is_dropped(world: World) -> None:
    fire(world.farm(), "5a023792-1445-44e9-8a8b-cfe5ad05d1c6")
    assert world.queue.waiting == []


def test_what_could_not_start_before_its_expiration_expires(world: World) -> None:
    expiration = world.clock.now().timestamp() + 5
    late = world.submit(start_in="10s", expiration=expiration)
    queued = world.submit(expiration=expiration)
    due(world, late)
    run_execution(world.node(), queued.id)
    for execution in (late, queued):
        ended = world.get(execution)
        assert (ended.state, ended.cause) == (State.EXPIRED, Cause.EXPIRED)
    assert world.engine.creates.total() == 0


def test_what_starts_before_its_expiration_runs(world: World) -> None:
    execution = world.submit(expiration=world.clock.now().timestamp() + 5)
    world.clock.move(5)
    run_execution(world.node(), execution.id)
    assert world.get(execution).state is State.DONE


# --------------------------------------------------------------------------------------------------------- cron


def test_a_cron_starts_at_every_instant_once(world: World) -> None:
    first = world.submit(cron="*/5 * * * *")
    for _ in range(10):
        (waiting,) = [tick for tick in ticks(world, first.job_id) if tick.state is State.SCHEDULED]
        due(world, waiting)
    instants = [tick.due_at for tick in ticks(world, first.job_id)]
    assert len(instants) == 11
    assert {b - a for a, b in zip(instants, instants[1:], strict=False)} == {timedelta(minutes=5)}  # type: ignore[operator]  # noqa: RUF007
    job = world.store.jobs.get(first.job_id)
    assert job is not None
    assert job.executions_count == 11


@pytest.mark.parametrize("kind", Kind)
def test_a_cron_goes_on_and_doubles_no_tick_whatever_fails_at_any_call(world: World, kind: Kind) -> None:
    for at in range(1, 20):
        first = world.submit(cron="* * * * *")
        assert first.due_at is not None
        world.clock.move_to(max(first.due_at, world.clock.now()))
        trouble = Trouble(at, kind)
        try:
            fire(world.troubled_farm(trouble), first.id)
        except (Crash, StoreUnavailable, QueueUnavailable):
            pass
        world.clock.move(3)
        world.fire_overdue()
        found = ticks(world, first.job_id)
        assert [tick.state for tick in found] == [State.ENQUEUED, State.SCHEDULED], trouble.calls
        world.clock.move_to(max(found[1].due_at, world.clock.now()))  # type: ignore[type-var]
        world.clock.move(3)
        world.fire_overdue()
        assert [tick.state for tick in ticks(world, first.job_id)] == [State.ENQUEUED, State.ENQUEUED, State.SCHEDULED]
        world.store.jobs.set_stopped(first.job_id, world.clock.now())
        if len(trouble.calls) < at:
            return
    raise AssertionError("firing has no end")


def test_a_tick_that_fails_is_tried_again_and_a_retry_makes_no_tick(world: World) -> None:
    tick = world.submit("fail", cron="0 * * * *", retries=1)
    due(world, tick)
    run_execution(world.node(), tick.id)
    (retry,) = [execution for execution in ticks(world, tick.job_id) if execution.attempt == 2]
    before = len(ticks(world, tick.job_id))
    due(world, retry)
    assert world.get(retry).state is State.ENQUEUED
    assert len(ticks(world, tick.job_id)) == before


def test_a_cron_with_an_expiration_ends_with_it(world: World) -> None:
    first = world.submit(cron="* * * * *", expiration=world.clock.now().timestamp() + 150)
    for _ in range(5):
        for waiting in [tick for tick in ticks(world, first.job_id) if tick.state is State.SCHEDULED]:
            due(world, waiting)
    assert [tick.state for tick in ticks(world, first.job_id)] in ([State.ENQUEUED] * 2, [State.ENQUEUED] * 3)


def test_a_cron_keeps_to_its_time_zone(world: World) -> None:
    tick = world.submit(cron="0 3 * * *", timezone="Asia/Tokyo")
    assert tick.due_at is not None
    assert (tick.due_at.hour, tick.due_at.minute) == (18, 0)


# ------------------------------------------------------------------------------------------------------ retries


def test_what_fails_is_tried_again_after_the_back_off_as_often_as_the_job_says(world: World) -> None:
    world.settings = {"retry_first_delay_seconds": 10, "retry_factor": 2}
    execution = world.submit("fail", retries=2)
    waits = []
    for number in range(1, 4):
        attempt = world.attempts(execution)[number - 1]
        if attempt.due_at is not None:
            due(world, attempt)
        run_execution(world.node(), attempt.id)
        ended = world.get(attempt)
        assert (ended.state, ended.attempt) == (State.FAILED, number)
        following = world.attempts(execution)[number:]
        if following:
            assert following[0].due_at is not None
            assert ended.finished_at is not None
            waits.append(round((following[0].due_at - ended.finished_at).total_seconds()))
            assert following[0].retried_from == ended.id
    assert waits == [10, 20]
    assert len(world.attempts(execution)) == 3


def test_what_succeeds_is_not_tried_again(world: World) -> None:
    execution = world.submit("speak", retries=3)
    run_execution(world.node(), execution.id)
    assert len(world.attempts(execution)) == 1


def test_what_is_owed_is_made_by_the_janitor_and_once(world: World) -> None:
    execution = world.submit("fail", retries=1)
    closes_at = Trouble()
    run_execution(world.troubled_node(closes_at), world.submit("fail", retries=1).id)
    first_after_the_close = closes_at.calls.index("MongoJobs.get") + 1
    with pytest.raises(Crash):
        run_execution(world.troubled_node(Trouble(first_after_the_close, Kind.CRASH_BEFORE)), execution.id)
    assert len(world.attempts(execution)) == 1
    assert world.get(execution).owes_retry
    for _ in range(3):
        make_owed_retries(world.farm())
    assert len(world.attempts(execution)) == 2
    assert not world.get(execution).owes_retry


def test_a_retry_has_the_specification_and_the_limits_of_the_attempt_before(world: World) -> None:
    execution = world.submit("fail", retries=1, timeout=77, stop_grace=3)
    run_execution(world.node(), execution.id)
    first, second = world.attempts(execution)
    assert (second.spec, second.timeout_seconds, second.stop_grace_seconds) == (first.spec, 77, 3)
    assert (second.task_id, second.job_id, second.claim, second.node) == (first.task_id, first.job_id, 0, None)

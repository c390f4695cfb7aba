"""Nobody was there to fire a cron: what runs afterwards, what is closed, and who is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobrunner.domain.executions import Execution
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.states import State
from tests.support.engine_world import World

HOOKS: dict[str, Any] = {
    "webhooks": {"fails": [{"url": "http://10.0.0.1/"}], "finishes": [{"url": "http://10.0.0.1/"}]}
}


def night(world: World, policy: dict[str, Any], minutes: int = 480) -> list[Execution]:
    """A cron of every minute, for whom nobody was there for so long; a moment afterwards."""
    first = world.submit(cron="* * * * *", misfire=policy, **HOOKS)
    assert first.due_at is not None
    world.clock.move_to(first.due_at + timedelta(minutes=minutes, seconds=1))
    world.ring_all()
    return world.by_time(first)


def states(executions: list[Execution]) -> list[State]:
    return [execution.state for execution in executions]


def test_by_default_one_runs_for_all_that_were_missed_under_the_latest_instant_and_the_cron_goes_on(
    world: World,
) -> None:
    found = night(world, {})
    assert states(found) == [State.EXPIRED, State.ENQUEUED, State.ENQUEUED, State.SCHEDULED]
    assert found[0].cause is Cause.MISFIRED
    now = world.clock.now()
    ages = [(now - e.tick_at).total_seconds() for e in found[1:]]  # type: ignore[operator]
    assert ages == [61, 1, -59]


def test_with_skip_none_of_them_runs(world: World) -> None:
    found = night(world, {"policy": "skip"})
    assert states(found) == [State.EXPIRED, State.ENQUEUED, State.SCHEDULED]


def test_with_run_all_each_runs_up_to_the_most(world: World) -> None:
    found = night(world, {"policy": "runAll", "most": 20})
    assert states(found) == [State.EXPIRED, *[State.ENQUEUED] * 21, State.SCHEDULED]
    instants = [e.tick_at for e in found[1:]]
    assert {b - a for a, b in zip(instants, instants[1:], strict=False)} == {timedelta(minutes=1)}  # type: ignore[operator]  # noqa: RUF007


def test_with_run_all_every_one_runs_where_they_are_few(world: World) -> None:
    assert states(night(world, {"policy": "runAll"}, 30)) == [*[State.ENQUEUED] * 31, State.SCHEDULED]


def test_the_window_of_the_job_goes_before_that_of_the_farm(world: World) -> None:
    world.settings = {"misfire_window_seconds": 1}
    assert states(night(world, {"policy": "skip", "windowSeconds": 7200}, 10)) == [
        *[State.ENQUEUED] * 11,
        State.SCHEDULED,
    ]


def test_nobody_is_told_of_a_tick_that_was_left_out_and_it_says_why(world: World) -> None:
    missed = night(world, {"policy": "skip"})[0]
    assert world.store.deliveries.of_execution(missed.id) == []
    assert missed.owed_deliveries == ()
    assert "was missed by more than 60 s" in missed.reason


def test_a_job_that_was_not_started_in_time_by_a_delay_still_starts(world: World) -> None:
    execution = world.submit(start_in="10s")
    world.clock.move(24 * 3600)
    world.ring_all()
    assert world.get(execution).state is State.ENQUEUED


def test_a_month_without_a_scheduler_makes_few_executions_of_a_cron_of_every_second(world: World) -> None:
    first = world.submit(cron="* * * * * *", misfire={"windowSeconds": 5})
    world.clock.move(30 * 24 * 3600)
    world.ring_all()
    found = world.by_time(first)
    assert states(found) == [State.EXPIRED, *[State.ENQUEUED] * 7, State.SCHEDULED]


@pytest.mark.parametrize("seconds", [30, 3600])
def test_jitter_delays_a_tick_and_leaves_its_instant_and_its_id(world: World, seconds: int) -> None:
    plain, late = world.submit(cron="* * * * *"), world.submit(cron="* * * * *", jitter_seconds=seconds)
    assert plain.tick_at == plain.due_at == late.tick_at
    assert late.tick_at is not None
    assert late.due_at is not None
    assert late.tick_at <= late.due_at < late.tick_at + timedelta(minutes=1)
    world.clock.move_to(late.due_at)
    world.ring_all()
    one, two = world.by_time(late)
    assert (one.state, two.state) == (State.ENQUEUED, State.SCHEDULED)
    assert two.tick_at == late.tick_at + timedelta(minutes=1)

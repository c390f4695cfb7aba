"""Ticks that come while an earlier execution of their job is open: by each policy, and when two fire at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from jobrunner.domain.executions import Execution
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.ports.store import Store
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.engine.fire import fire
from jobrunner.engine.janitors.owed import make_owed_retries
from jobrunner.engine.rerun import rerun
from jobrunner.engine.run import run_execution
from jobrunner.engine.submit import resubmit
from jobrunner.engine.time_keeper import keep_time
from jobrunner.errors import QueueUnavailable, StoreUnavailable
from tests.support.engine_world import IMAGE, TASK, World
from tests.support.farm import wait_until
from tests.support.port_faults import Crash, Kind, Trouble

HOOKS: dict[str, Any] = {
    "webhooks": {"fails": [{"url": "http://10.0.0.1/"}], "finishes": [{"url": "http://10.0.0.1/"}]}
}


def first_tick(world: World, command: str = "run-on", **keys: Any) -> Execution:
    """A cron of every minute whose first tick has been fired."""
    first = world.submit(command, cron="* * * * *", **keys)
    next_minute(world)
    return world.get(first)


def next_minute(world: World) -> None:
    world.clock.move_to((world.clock.now() + timedelta(minutes=1)).replace(second=0))
    world.ring_all()


def states(world: World, first: Execution) -> list[State]:
    return [execution.state for execution in world.by_time(first)]


def under_way(world: World, first: Execution) -> list[Execution]:
    return [e for e in world.by_time(first) if not e.state.is_terminal and e.state is not State.SCHEDULED]


def test_by_default_ticks_overlap(world: World) -> None:
    first = first_tick(world)
    next_minute(world)
    assert states(world, first) == [State.ENQUEUED, State.ENQUEUED, State.SCHEDULED]


# --------------------------------------------------------------------------------------------------------- skip


def test_with_skip_a_tick_is_left_out_while_an_earlier_one_is_open_and_nobody_is_told(world: World) -> None:
    first = first_tick(world, overlap="skip", **HOOKS)
    next_minute(world)
    _, second, _ = world.by_time(first)
    assert (second.state, second.cause) == (State.EXPIRED, Cause.OVERLAPPED)
    assert first.id in second.reason
    assert world.store.deliveries.of_execution(second.id) == []


def test_with_skip_a_tick_starts_once_the_earlier_one_is_over(world: World) -> None:
    first = first_tick(world, "speak", overlap="skip")
    run_execution(world.node(), first.id)
    next_minute(world)
    assert states(world, first) == [State.DONE, State.ENQUEUED, State.SCHEDULED]


def test_with_skip_a_waiting_retry_is_in_the_way_and_so_is_one_that_is_still_owed(world: World) -> None:
    first = first_tick(world, "fail", overlap="skip", retries=1)
    world.settings = {"retry_first_delay_seconds": 600}
    trouble = Trouble()
    run_execution(world.troubled_node(trouble), world.submit("fail", retries=1).id)
    at = trouble.calls.index("MongoJobs.get") + 1  # the first call after the close
    with pytest.raises(Crash):
        run_execution(world.troubled_node(Trouble(at, Kind.CRASH_BEFORE)), first.id)
    assert world.get(first).owes_retry
    next_minute(world)
    make_owed_retries(world.farm())
    next_minute(world)
    ticks = [execution for execution in world.by_time(first) if execution.is_tick]
    assert [tick.state for tick in ticks] == [State.FAILED, State.EXPIRED, State.EXPIRED, State.SCHEDULED]


def test_with_skip_a_run_by_hand_is_in_the_way(world: World) -> None:
    first = first_tick(world, "speak", overlap="skip")
    run_execution(world.node(), first.id)
    job = world.store.jobs.get(first.job_id)
    assert job is not None
    rerun(world.farm(), job)
    next_minute(world)
    assert [e.cause for e in world.by_time(first) if e.is_tick] == [Cause.SUCCESS, Cause.OVERLAPPED, None]


def test_an_execution_of_an_earlier_definition_is_in_the_way(world: World) -> None:
    first = first_tick(world)
    spec = JobSpec(image=IMAGE, command=("speak",), cron="* * * * *", overlap="skip")
    second = resubmit(world.farm(), TASK, first.job_id, spec).execution
    next_minute(world)
    assert world.get(second).cause is Cause.OVERLAPPED


# ------------------------------------------------------------------------------------------------------ replace


def test_with_replace_a_tick_starts_once_the_earlier_one_that_it_stops_is_over(world: World) -> None:
    first, node = first_tick(world, overlap="replace"), world.node()
    run = world.run_in_background(node, first.id)
    wait_until(lambda: world.engine.starts[first.id], 30, "it runs")
    world.clock.move_to(world.by_time(first)[1].due_at)  # type: ignore[arg-type]
    second = world.by_time(first)[1]
    again_at = fire(world.farm(), second.id)
    assert again_at is not None
    assert world.get(second).state is State.SCHEDULED
    assert world.get(first).stop_requested_at is not None
    node.wish_stop(first.id)
    keep_time(node)
    run.result(10)
    world.clock.move_to(again_at + timedelta(minutes=5))  # it is not late: it has waited
    assert fire(world.farm(), second.id) is None
    assert (world.get(first).state, world.get(second).state) == (State.STOPPED, State.ENQUEUED)


def test_with_replace_what_has_not_started_is_replaced_at_once(world: World) -> None:
    first = first_tick(world, overlap="replace")
    next_minute(world)
    assert states(world, first) == [State.STOPPED, State.ENQUEUED, State.SCHEDULED]


def test_with_replace_only_the_latest_of_those_that_wait_starts(world: World) -> None:
    first, node = first_tick(world, overlap="replace"), world.node()
    run = world.run_in_background(node, first.id)
    wait_until(lambda: world.engine.starts[first.id], 30, "it runs")
    for _ in range(3):
        waiting = next(e for e in reversed(world.by_time(first)) if e.state is State.SCHEDULED)
        world.clock.move_to(waiting.due_at)  # type: ignore[arg-type]
        fire(world.farm(), waiting.id)
    node.wish_stop(first.id)
    keep_time(node)
    run.result(10)
    for tick in world.by_time(first):
        fire(world.farm(), tick.id)
    assert states(world, first) == [
        State.STOPPED,
        State.EXPIRED,
        State.EXPIRED,
        State.ENQUEUED,
        State.SCHEDULED,
    ]


def test_with_replace_a_retry_is_stopped_and_not_tried_again(world: World) -> None:
    world.settings = {"retry_first_delay_seconds": 600}
    first = first_tick(world, "fail", overlap="replace", retries=3)
    run_execution(world.node(), first.id)
    next_minute(world)
    attempts = [e.state for e in world.by_time(first) if e.attempt > 1]
    assert attempts == [State.STOPPED]
    assert len(under_way(world, first)) == 1


# --------------------------------------------------------------------------------------- two at once, and crashes


class BetweenLookAndTurn:
    """Lets another scheduler go ahead right before a tick takes its turn."""

    def __init__(self, store: Store, act: Any) -> None:
        self.jobs, self.act = store.jobs, act

    def __getattr__(self, name: str) -> Any:
        return getattr(self.jobs, name)

    def take_turn(self, job_id: str, after: str | None, tick_id: str) -> bool:
        """First the other one."""
        act, self.act = self.act, lambda: None
        act()
        return self.jobs.take_turn(job_id, after, tick_id)


@pytest.mark.parametrize("overlap", ["skip", "replace"])
def test_of_two_ticks_that_are_fired_at_once_by_two_schedulers_one_starts(world: World, overlap: str) -> None:
    world.settings = {"misfire_window_seconds": 3600}
    first = world.submit(cron="* * * * *", overlap=overlap)
    world.clock.move_to(first.due_at)  # type: ignore[arg-type]
    with pytest.raises(Crash):
        fire(world.troubled_farm(Trouble(5, Kind.CRASH_AFTER)), first.id)
    second = world.by_time(first)[1]
    world.clock.move_to(second.due_at)  # type: ignore[arg-type]
    farm = world.farm()
    jobs = BetweenLookAndTurn(farm.store, lambda: fire(world.farm(), second.id))
    object.__setattr__(farm.store, "jobs", jobs)
    again_at = fire(farm, first.id)
    object.__setattr__(farm.store, "jobs", jobs.jobs)
    assert again_at is None
    assert len(under_way(world, first)) == 1


@pytest.mark.parametrize("overlap", ["skip", "replace"])
@pytest.mark.parametrize("kind", Kind)
def test_ticks_never_overlap_and_the_cron_goes_on_whatever_fails_at_any_call(
    world: World, kind: Kind, overlap: str
) -> None:
    for at in range(1, 40):
        first = first_tick(world, overlap=overlap)
        world.clock.move_to(world.by_time(first)[1].due_at)  # type: ignore[arg-type]
        trouble = Trouble(at, kind)
        try:
            fire(world.troubled_farm(trouble), world.by_time(first)[1].id)
        except (Crash, StoreUnavailable, QueueUnavailable):
            pass
        for _ in range(3):
            assert len(under_way(world, first)) <= 1, trouble.calls
            world.clock.move(3)
            world.fire_overdue()
        assert len(under_way(world, first)) == 1, trouble.calls
        second, third = [e for e in world.by_time(first) if e.is_tick][1:]
        assert second.state is (State.EXPIRED if overlap == "skip" else State.ENQUEUED), trouble.calls
        assert third.state is State.SCHEDULED
        world.store.jobs.set_stopped(first.job_id, world.clock.now())
        if len(trouble.calls) < at:
            return
    raise AssertionError("firing has no end")

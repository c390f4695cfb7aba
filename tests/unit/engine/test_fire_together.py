"""Many executions that are due at once: those that are plain go together, and no crash or interference loses any."""

from __future__ import annotations

from datetime import timedelta

import pytest

from jobrunner.domain.executions import Execution
from jobrunner.domain.states import State
from jobrunner.engine.cancel import stop_execution
from jobrunner.engine.fire_together import fire_together
from jobrunner.engine.janitors.requeue import requeue
from jobrunner.engine.pause import pause
from jobrunner.errors import QueueUnavailable, StoreUnavailable
from tests.support.engine_world import World
from tests.support.port_faults import Crash, Kind, Trouble


def crons(world: World, count: int, **keys: object) -> list[Execution]:
    """Crons of every minute; their first ticks, which are due now."""
    made = [world.submit(cron="* * * * *", **keys) for _ in range(count)]
    world.clock.move_to(max(tick.due_at for tick in made))  # type: ignore[type-var]
    return made


def states(world: World, first: Execution) -> list[State]:
    return [execution.state for execution in world.by_time(first)]


def test_those_that_are_due_are_enqueued_sent_and_followed(world: World) -> None:
    ticks, delays = crons(world, 5), [world.submit(start_in="0s") for _ in range(2)]
    due = [execution.id for execution in (*ticks, *delays)]
    assert fire_together(world.farm(), due) == set(due)
    assert sorted(execution_id for _, execution_id in world.queue.waiting) == sorted(due)
    for tick in ticks:
        assert states(world, tick) == [State.ENQUEUED, State.SCHEDULED]
        following = world.by_time(tick)[1]
        assert world.triggers.alarms[following.id] == following.due_at
        job = world.store.jobs.get(tick.job_id)
        assert job is not None
        assert job.executions_count == 2
    assert fire_together(world.farm(), due) == set()


def test_what_is_not_plain_is_left_alone(world: World) -> None:
    stopped, paused = crons(world, 2)
    left = [stopped, paused, *crons(world, 1, overlap="skip"), world.submit(start_in="1h")]
    left.append(world.submit(start_in="0s", expiration=world.clock.now().timestamp() - 1))
    stop_execution(world.farm(), stopped)
    job = world.store.jobs.get(paused.job_id)
    assert job is not None
    pause(world.farm(), job)
    late = crons(world, 1)[0]
    world.clock.move(3600)
    assert fire_together(world.farm(), [*(execution.id for execution in left[:-2]), left[-1].id, late.id]) == set()
    assert world.queue.waiting == []


def test_of_two_ticks_of_one_job_one_goes_and_the_other_is_left(world: World) -> None:
    (first,) = crons(world, 1, misfire={"windowSeconds": 600})
    world.clock.move(60)
    fire_together(world.farm(), [first.id])
    second = world.by_time(first)[1]
    assert second.fired_at is not None  # found late, and to run: it is judged no more
    assert fire_together(world.farm(), [first.id, second.id]) == set()


def test_where_one_of_them_is_stopped_meanwhile_the_others_still_come(world: World) -> None:
    ticks = crons(world, 3)
    farm = world.farm()
    executions = farm.store.executions

    class Meanwhile:
        def __getattr__(self, name: str) -> object:
            return getattr(executions, name)

        def set_all(self, *args: object, **keys: object) -> int:
            stop_execution(world.farm(), ticks[0])
            return executions.set_all(*args, **keys)  # type: ignore[arg-type]

    object.__setattr__(farm.store, "executions", Meanwhile())
    try:
        assert fire_together(farm, [tick.id for tick in ticks]) == set()
    finally:
        object.__setattr__(farm.store, "executions", executions)
    world.clock.move(5)
    requeue(world.farm())
    assert sorted(i for _, i in world.queue.waiting) == sorted(tick.id for tick in ticks[1:])
    assert states(world, ticks[0])[0] is State.STOPPED


@pytest.mark.parametrize("kind", Kind)
def test_all_come_once_and_every_cron_goes_on_whatever_fails_at_any_call(world: World, kind: Kind) -> None:
    for at in range(1, 20):
        ticks = crons(world, 3)
        trouble = Trouble(at, kind)
        try:
            fire_together(world.troubled_farm(trouble), [tick.id for tick in ticks])
        except (Crash, StoreUnavailable, QueueUnavailable):
            pass
        world.clock.move(3)
        world.fire_overdue()
        for tick in ticks:
            assert states(world, tick) == [State.ENQUEUED, State.SCHEDULED], trouble.calls
            following = world.by_time(tick)[1]
            assert following.tick_at == (tick.tick_at or following.tick_at) + timedelta(minutes=1)  # type: ignore[operator]
            world.store.jobs.set_stopped(tick.job_id, world.clock.now())
        if len(trouble.calls) < at:
            return
    raise AssertionError("firing has no end")

"""Limits: an execution is counted from before its claim to its end, and a janitor repairs what a crash left."""

from __future__ import annotations

from contextlib import suppress

import pytest

from jobrunner.domain.executions import Execution
from jobrunner.domain.states import State
from jobrunner.engine.cancel import stop_execution
from jobrunner.engine.claim import claim
from jobrunner.engine.hand_back import hand_back
from jobrunner.engine.janitors.limits import FreeLimits
from jobrunner.engine.run import run_execution
from jobrunner.engine.run_end import RunEnd
from jobrunner.errors import QueueUnavailable
from tests.support.engine_world import TASK, World
from tests.support.farm import wait_until
from tests.support.port_faults import Crash, Kind, Trouble

GROUP = {"group": "g", "most": 1}
NAME = "group:g"


def holders(world: World, name: str = NAME) -> list[str]:
    return world.store.limits.holders(name)


def test_an_execution_is_counted_while_it_runs_and_not_after_its_end(world: World) -> None:
    execution, node, run = world.running(concurrency=GROUP)
    assert holders(world) == [execution.id]
    assert world.get(execution).limits == (NAME,)
    node.wish_stop(execution.id)
    stop_execution(world.farm(), world.get(execution))
    world.engine.exit(execution.id, 0)
    run.result(5)
    assert holders(world) == []


def test_one_too_many_has_to_wait_and_keeps_its_turn(world: World) -> None:
    _, node, _ = world.running(concurrency=GROUP)
    world.queue.waiting.clear()
    second = world.submit(concurrency=GROUP)
    third = world.submit(concurrency=GROUP)
    world.queue.waiting.remove((None, second.id))
    assert run_execution(node, second.id) is RunEnd.HAS_TO_WAIT
    hand_back(node, second.id)
    assert world.get(second).state is State.ENQUEUED
    assert [message for _, message in world.queue.waiting] == [second.id, third.id]
    assert world.queue.under_limit[NAME] == set(holders(world))


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"pools": [{"match": "some", "maxRunning": 1}]}, "pool:some"),
        ({"task_limits": [{"match": "", "most": 1}]}, f"task:{TASK}"),
    ],
)
def test_the_farm_s_rules_are_limits_too(world: World, settings: dict[str, object], name: str) -> None:
    world.settings |= settings
    world.running()
    assert len(holders(world, name)) == 1
    assert run_execution(world.node(), world.submit().id) is RunEnd.HAS_TO_WAIT


def counted_and_not_claimed(world: World) -> Execution:
    """An execution whose worker died between the counting and the claim."""
    execution = world.submit(concurrency=GROUP)
    for at in range(1, 20):
        with pytest.raises(Crash):
            node = world.troubled_node(Trouble(at=at, kind=Kind.CRASH_AFTER))
            run_execution(node, execution.id)
        if holders(world):
            break
    assert world.get(execution).state is State.ENQUEUED
    return execution


def test_what_was_counted_and_never_claimed_is_freed_at_the_second_look(world: World) -> None:
    counted_and_not_claimed(world)
    janitor = FreeLimits()
    janitor.look(world.farm())
    assert len(holders(world)) == 1
    janitor.look(world.farm())
    assert holders(world) == []


def test_a_run_that_was_counted_and_hung_claims_nothing_once_it_was_freed(world: World) -> None:
    execution = world.submit(concurrency=GROUP)
    node, janitor = world.node(), FreeLimits()
    run = node.begin(execution.id)
    assert run is not None
    compare_and_set = world.store.executions.compare_and_set

    def hang(*args: object, **options: object) -> object:
        """The run hangs here, and two looks of the janitor pass."""
        object.__setattr__(world.store.executions, "compare_and_set", compare_and_set)
        janitor.look(world.farm())
        janitor.look(world.farm())
        return compare_and_set(*args, **options)  # type: ignore[arg-type]

    object.__setattr__(world.store.executions, "compare_and_set", hang)
    assert claim(node, run) is RunEnd.NOTHING_TO_DO
    assert holders(world) == []
    assert run_execution(node, world.submit("speak", concurrency=GROUP).id) is RunEnd.CLOSED


def test_what_ended_without_being_freed_is_freed_by_the_janitor(world: World) -> None:
    execution, node = world.submit("speak", concurrency=GROUP), world.node()
    run_execution(node, execution.id)
    world.store.limits.hold(NAME, execution.id, 1)  # as if the crash had come before
    janitor = FreeLimits()
    janitor.look(world.farm())
    janitor.look(world.farm())
    assert holders(world) == []


def test_the_janitor_leaves_what_runs_and_tells_redis_of_it(world: World) -> None:
    execution, _, _ = world.running(concurrency=GROUP)
    world.queue.under_limit.clear()  # Redis has lost what it held
    janitor = FreeLimits()
    for _ in range(3):
        janitor.look(world.farm())
    assert holders(world) == [execution.id]
    assert world.queue.under_limit == {NAME: {execution.id}}
    wait_until(lambda: world.get(execution).state is State.RUNNING, 30, "it goes on")


def test_what_ended_while_redis_was_away_is_not_counted_there_for_longer(world: World) -> None:
    execution, _, run = world.running(concurrency=GROUP)
    world.queue.is_down = True
    world.engine.exit(execution.id, 0)
    run.result(5)
    world.queue.under_limit = {NAME: {execution.id}}  # as Redis has kept it
    janitor = FreeLimits()
    with suppress(QueueUnavailable):
        janitor.look(world.farm())
    world.queue.is_down = False
    janitor.look(world.farm())
    assert world.queue.under_limit == {NAME: set()}
    assert world.store.limits.all() == {}

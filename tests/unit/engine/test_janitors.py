"""The janitors: each puts one thing right, and leaves alone what is right."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from jobrunner.domain.events import Repaired
from jobrunner.domain.executions import Execution, Node
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.states import State
from jobrunner.engine.janitors import due as due_module
from jobrunner.engine.janitors import requeue as requeue_module
from jobrunner.engine.janitors.reap import reap, reap_and_tell
from jobrunner.engine.janitors.requeue import requeue
from jobrunner.engine.janitors.rescue import Rescue
from jobrunner.engine.janitors.resume import Resume
from jobrunner.engine.run import run_execution
from jobrunner.engine.run_end import RunEnd
from jobrunner.errors import QueueUnavailable
from jobrunner.executors.fake import FakeExecutor
from tests.support.engine_world import World
from tests.support.farm import wait_until


def claimed(world: World, command: str = "run-on", node: str = "one", **spec: object) -> Execution:
    """An execution whose container runs on a node that has let go of it."""
    execution = world.submit(command, **spec)
    worker = world.node(node=node)
    run = world.run_in_background(worker, execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "it runs")
    worker.detach()
    assert run.result(5) is RunEnd.HANDED_BACK
    return world.get(execution)


def beat(world: World, name: str = "one", ahead_seconds: float = 0) -> None:
    now = world.clock.now() + timedelta(seconds=ahead_seconds)
    world.store.nodes.beat(Node(name, "machine", 1, 16, 0, seen_at=now, started_at=now))


def watch_for(world: World, rescue: Rescue, seconds: int, *beating: str) -> None:
    """Let the janitor look every 5 s, while some nodes live."""
    for _ in range(seconds // 5):
        world.clock.move(5)
        for name in beating:
            beat(world, name)
        rescue.look(world.farm())


# ------------------------------------------------------------------------------------------------------ requeue


def test_what_has_no_message_gets_one(world: World) -> None:
    executions = [world.submit() for _ in range(5)]
    world.queue.waiting = world.queue.waiting[:2]
    world.clock.move(3)
    requeue(world.farm())
    assert sorted(waiting for _, waiting in world.queue.waiting) == sorted(e.id for e in executions)
    assert len(world.announced(Repaired)) == 3


def test_what_was_only_just_taken_in_is_left_time_to_get_its_message(world: World) -> None:
    world.submit()
    world.queue.waiting.clear()
    requeue(world.farm())
    assert world.queue.waiting == []


def test_what_is_in_the_hands_of_a_worker_gets_no_second_message(world: World) -> None:
    execution = world.submit()
    world.queue.taken.add(str(world.queue.take()))
    world.clock.move(60)
    requeue(world.farm())
    assert world.queue.waiting == []
    world.queue.taken.clear()
    requeue(world.farm())
    assert world.queue.waiting == [(None, execution.id)]


def test_all_is_looked_through_a_batch_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requeue_module, "BATCH", 3)
    monkeypatch.setattr(due_module, "BATCH", 3)
    now = [world.submit() for _ in range(10)]
    later = [world.submit(start_in="1s") for _ in range(10)]
    world.queue.waiting.clear()
    world.clock.move(4)
    world.fire_overdue()
    assert {waiting for _, waiting in world.queue.waiting} == {e.id for e in later}
    world.clock.move(3)
    requeue(world.farm())
    assert {waiting for _, waiting in world.queue.waiting} == {e.id for e in now + later}
    assert sum(world.queue.lengths().values()) == 20


def test_what_has_no_message_gets_one_in_the_order_in_which_it_came(world: World) -> None:
    executions = []
    for _ in range(10):
        executions.append(world.submit())
        world.clock.move(1)
    world.queue.waiting.clear()
    world.clock.move(3)
    requeue(world.farm())
    assert [waiting for _, waiting in world.queue.waiting] == [e.id for e in executions]


def test_a_queue_that_takes_no_more_is_asked_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        world.submit()
    world.queue.waiting.clear()
    world.clock.move(3)
    asked = []

    def push(execution_id: str, *_: object, **__: object) -> str:
        asked.append(execution_id)
        raise QueueUnavailable("it is full")

    monkeypatch.setattr(world.queue, "push", push)
    with pytest.raises(QueueUnavailable):
        requeue(world.farm())
    assert len(asked) == 1


# ---------------------------------------------------------------------------------------------------------- due


def test_what_is_overdue_is_fired_and_what_is_not_is_left(world: World) -> None:
    overdue, future = world.submit(start_in="10s"), world.submit(start_in="1h")
    world.clock.move(13)
    world.fire_overdue()
    assert (world.get(overdue).state, world.get(future).state) == (State.ENQUEUED, State.SCHEDULED)


# ------------------------------------------------------------------------------------------------------- rescue


def test_what_a_silent_node_holds_is_lost_and_tried_again(world: World) -> None:
    execution = claimed(world, retries=1)
    beat(world)
    rescue = Rescue()
    watch_for(world, rescue, 40)
    lost, following = world.attempts(execution)
    assert (lost.state, lost.cause, lost.attempt) == (State.LOST, Cause.NODE_LOST, 1)
    assert lost.reason == "its node 'one' has been silent for over 30 s"
    assert (following.state, following.attempt, following.retried_from) == (State.SCHEDULED, 2, lost.id)


def test_without_retries_it_is_lost_for_good(world: World) -> None:
    execution = claimed(world)
    beat(world)
    watch_for(world, Rescue(), 40)
    assert [attempt.state for attempt in world.attempts(execution)] == [State.LOST]


def test_a_node_that_beats_keeps_what_it_holds(world: World) -> None:
    execution = claimed(world)
    other = claimed(world, node="two")
    beat(world, "one")
    beat(world, "two")
    watch_for(world, Rescue(), 300, "one")
    assert world.get(execution).state is State.RUNNING
    assert world.get(other).state is State.LOST


def test_nothing_is_given_up_before_the_bound(world: World) -> None:
    execution = claimed(world)
    rescue = Rescue()
    watch_for(world, rescue, 60, "one")
    watch_for(world, rescue, 30)
    assert world.get(execution).state is State.RUNNING
    watch_for(world, rescue, 5)
    assert world.get(execution).state is State.LOST


def test_after_the_janitor_was_away_nodes_get_their_full_time_again(world: World) -> None:
    """While the store was down nobody could be heard: a silence then proves nothing."""
    execution = claimed(world)
    rescue = Rescue()
    watch_for(world, rescue, 60, "one")
    world.clock.move(3600)
    rescue.look(world.farm())
    assert world.get(execution).state is State.RUNNING
    watch_for(world, rescue, 25)
    assert world.get(execution).state is State.RUNNING
    watch_for(world, rescue, 10)
    assert world.get(execution).state is State.LOST


@pytest.mark.parametrize("ahead_seconds", [-3600, 3600])
def test_what_time_a_node_says_it_is_tells_nothing_of_its_silence(world: World, ahead_seconds: float) -> None:
    execution, rescue = claimed(world), Rescue()
    for _ in range(20):
        world.clock.move(5)
        beat(world, "one", ahead_seconds)
        rescue.look(world.farm())
    assert world.get(execution).state is State.RUNNING
    watch_for(world, rescue, 40)
    assert world.get(execution).state is State.LOST


def test_a_farm_whose_clock_is_set_back_gives_nodes_their_full_time_again_and_no_more(world: World) -> None:
    execution, rescue = claimed(world), Rescue()
    watch_for(world, rescue, 60, "one")
    world.clock.move(-3600)
    watch_for(world, rescue, 30)
    assert world.get(execution).state is State.RUNNING
    watch_for(world, rescue, 10)
    assert world.get(execution).state is State.LOST


def test_what_has_ended_on_a_silent_node_stays_as_it_ended(world: World) -> None:
    execution = world.submit()
    run_execution(world.node(), execution.id)
    beat(world)
    watch_for(world, Rescue(), 60)
    assert world.get(execution).state is State.DONE


def test_a_node_that_comes_back_removes_the_container_it_was_not_waited_for(world: World) -> None:
    execution = claimed(world)
    beat(world)
    watch_for(world, Rescue(), 40)
    assert len(world.engine.containers) == 1
    back = world.node()
    assert run_execution(back, execution.id) is RunEnd.NOTHING_TO_DO
    reap(back)
    assert world.engine.containers == {}
    assert world.get(execution).state is State.LOST


# --------------------------------------------------------------------------------------------------------- reap


def test_containers_are_removed_whose_execution_is_over_or_unknown(world: World) -> None:
    living = claimed(world)
    over = claimed(world)
    world.store.executions.compare_and_set(
        over.id, states=[State.RUNNING], claim=None, changes={"state": State.LOST, "moved_at": world.clock.now()}
    )
    executor = FakeExecutor(world.engine)
    executor.create(replace(living, id=new_id()))
    reap_and_tell(world.node())
    assert [container.execution_id for container in executor.containers()] == [living.id]
    assert [event.what for event in world.announced(Repaired)] == ["removed 2 containers whose executions are over"]


def test_containers_of_another_farm_are_left_alone(world: World) -> None:
    execution = world.submit()
    FakeExecutor(world.engine, "other-farm").create(execution)
    world.store.executions.compare_and_set(
        execution.id,
        states=[State.ENQUEUED],
        claim=None,
        changes={"state": State.STOPPED, "moved_at": world.clock.now()},
    )
    assert reap(world.node()) == 0
    assert len(world.engine.containers) == 1


# ------------------------------------------------------------------------------------------------------- resume


def test_a_worker_takes_up_at_its_start_what_its_node_holds(world: World) -> None:
    mine = {claimed(world).id for _ in range(3)}
    claimed(world, node="two")
    world.queue.waiting.clear()
    assert Resume(world.node()).at_start() == 3
    assert {waiting for node, waiting in world.queue.waiting if node == "one"} == mine


def test_what_is_held_and_not_run_is_taken_up_at_the_second_look(world: World) -> None:
    execution = claimed(world)
    world.queue.waiting.clear()
    resume = Resume(world.node())
    resume.now_and_then()
    assert world.queue.waiting == []
    resume.now_and_then()
    assert world.queue.waiting == [("one", execution.id)]


def test_what_runs_is_not_taken_up(world: World) -> None:
    execution = world.submit("run-on")
    node = world.node()
    world.run_in_background(node, execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "it runs")
    world.queue.waiting.clear()
    resume = Resume(node)
    for _ in range(3):
        resume.now_and_then()
    assert world.queue.waiting == []


def test_a_node_that_was_given_up_and_is_back_ends_what_it_runs(world: World) -> None:
    execution = world.submit("run-on")
    node = world.node()
    run = world.run_in_background(node, execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "it runs")
    beat(world)
    watch_for(world, Rescue(), 40)
    assert world.get(execution).state is State.LOST
    Resume(node).now_and_then()
    assert run.result(5) is RunEnd.SUPERSEDED
    assert world.engine.containers == {}
    assert world.get(execution).state is State.LOST


def test_what_has_only_just_begun_is_not_ended(world: World) -> None:
    execution = world.submit()
    node = world.node()
    node.begin(execution.id)
    Resume(node).now_and_then()
    assert world.get(execution).state is State.ENQUEUED

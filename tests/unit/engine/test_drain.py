"""Draining a node: nothing new, and nothing left at the deadline; the order holds until it is taken back."""

from __future__ import annotations

import pytest

from jobrunner.domain.executions import Drain
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.states import State
from jobrunner.engine.drain import drain, undrain
from jobrunner.engine.feasibility import waiting_for
from jobrunner.engine.presence import Presence
from jobrunner.engine.run import run_execution
from jobrunner.engine.time_keeper import keep_time, read_drain
from jobrunner.errors import NotFound
from tests.support.engine_world import World


def test_the_order_holds_over_beats_and_restarts_until_it_is_taken_back(world: World) -> None:
    Presence(world.node(), "x").beat()
    ordered = drain(world.farm(), "one", 60).drain
    Presence(world.node(), "y").beat()
    node = world.node()
    read_drain(node)
    assert node.drain == ordered == world.store.nodes.all()[0].drain
    assert ordered is not None
    assert ordered.deadline is not None
    assert (ordered.deadline - ordered.requested_at).total_seconds() == 60
    assert undrain(world.farm(), "one").drain is None
    read_drain(node)
    assert node.drain is None


def test_a_node_that_nobody_knows_cannot_be_drained(world: World) -> None:
    for order in (lambda: drain(world.farm(), "none", None), lambda: undrain(world.farm(), "none")):
        with pytest.raises(NotFound, match="none"):
            order()


def test_what_runs_goes_on_until_the_deadline_and_is_then_lost_and_tried_again(world: World) -> None:
    execution, node, run = world.running(retries=1)
    node.drain = Drain(world.clock.now(), world.clock.move(0).replace(year=2100))
    keep_time(node)
    assert world.get(execution).state is State.RUNNING
    node.drain = Drain(world.clock.now(), world.clock.now())
    keep_time(node)
    run.result(5)
    ended = world.get(execution)
    assert (ended.state, ended.cause) == (State.LOST, Cause.NODE_DRAINED)
    assert [attempt.state for attempt in world.attempts(execution)] == [State.LOST, State.SCHEDULED]


def test_without_a_deadline_what_runs_is_left_to_end_by_itself(world: World) -> None:
    execution, node, _ = world.running()
    node.drain = Drain(world.clock.now())
    world.clock.move(100)
    keep_time(node)
    assert world.get(execution).state is State.RUNNING


def test_what_ignores_sigterm_is_killed_after_its_grace(world: World) -> None:
    execution, node, run = world.running("ignore", stop_grace=5)
    node.drain = Drain(world.clock.now(), world.clock.now())
    keep_time(node)
    world.clock.move(6)
    keep_time(node)
    run.result(5)
    assert world.get(execution).cause is Cause.NODE_DRAINED


def test_what_has_not_started_at_the_deadline_does_not_start(world: World) -> None:
    execution, node = world.submit("speak", retries=0), world.node()
    node.drain = Drain(world.clock.now(), world.clock.now())
    run_execution(node, execution.id)
    assert world.get(execution).cause is Cause.NODE_DRAINED
    assert not world.engine.starts


def test_an_execution_does_not_wait_for_a_node_that_is_drained(world: World) -> None:
    Presence(world.node(), "x").beat()
    drain(world.farm(), "one", None)
    assert waiting_for(world.farm(), world.submit()) == "a node: none of the pool 'default' is up and takes work"

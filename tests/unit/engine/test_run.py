"""A run: from the claim to the close, and what it does where somebody else was there before."""

from __future__ import annotations

import pytest

from jobrunner.domain.events import Adopted, Moved
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.ports.output_store import Stream
from jobrunner.domain.states import State
from jobrunner.engine.run import run_execution
from jobrunner.engine.run_end import RunEnd
from jobrunner.engine.time_keeper import flush_output
from tests.support.engine_world import World, out
from tests.support.farm import wait_until


def test_a_run_takes_an_execution_to_its_end(world: World) -> None:
    execution = world.submit()
    assert run_execution(world.node(), execution.id) is RunEnd.CLOSED
    ended = world.get(execution)
    assert (ended.state, ended.cause, ended.exit_code, ended.node) == (State.DONE, Cause.SUCCESS, 0, "one")
    assert (world.output(execution), world.output(execution, Stream.STDERR)) == (b"one\nthree\n", b"two\n")
    assert world.engine.containers == {}


def test_every_move_is_announced_and_timed(world: World) -> None:
    execution = world.submit()
    run_execution(world.node(), execution.id)
    moves = [(event.origin, event.target) for event in world.announced(Moved)]
    assert moves == [
        (State.ENQUEUED, State.PULLING),
        (State.PULLING, State.RUNNING),
        (State.RUNNING, State.DONE),
    ]
    assert set(world.get(execution).times) == {State.ENQUEUED, State.PULLING, State.RUNNING, State.DONE}


def test_the_container_is_known_while_it_runs(world: World) -> None:
    execution = world.submit("run-on")
    world.run_in_background(world.node(), execution.id)
    running = wait_until(lambda: world.get(execution).state is State.RUNNING and world.get(execution), 30, "it runs")
    (container,) = world.engine.containers.values()
    assert (running.container_id, running.engine_host) == (container.shown.id, "localhost")
    assert running.started_at is not None


def test_a_message_for_nothing_is_dropped(world: World) -> None:
    assert run_execution(world.node(), "5a023792-1445-44e9-8a8b-cfe5ad05d1c6") is RunEnd.NOTHING_TO_DO


def test_a_message_that_comes_again_after_the_end_does_nothing(world: World) -> None:
    execution = world.submit()
    node = world.node()
    run_execution(node, execution.id)
    ended = world.get(execution)
    assert run_execution(node, execution.id) is RunEnd.NOTHING_TO_DO
    assert world.get(execution) == ended
    assert world.engine.creates[execution.id] == 1


def test_a_message_that_comes_twice_at_once_runs_once(world: World) -> None:
    execution = world.submit("run-on")
    node = world.node()
    run = world.run_in_background(node, execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "it runs")
    assert run_execution(node, execution.id) is RunEnd.ALREADY_HERE
    world.engine.exit(execution.id, 0)
    assert run.result(5) is RunEnd.CLOSED


def test_what_another_node_holds_is_left_to_it(world: World) -> None:
    execution = world.submit("run-on")
    world.run_in_background(world.node(), execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "it runs")
    assert run_execution(world.node(node="two"), execution.id) is RunEnd.NOTHING_TO_DO
    assert world.get(execution).node == "one"


def test_of_two_nodes_that_take_the_same_execution_one_runs_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    execution = world.submit()
    faster, slower = world.node(node="faster"), world.node(node="slower")
    seen = world.get(execution)
    run_execution(faster, execution.id)
    monkeypatch.setattr(world.store.executions, "get", lambda execution_id: seen)  # what it read before that
    assert run_execution(slower, execution.id) is RunEnd.NOTHING_TO_DO
    monkeypatch.undo()
    assert world.get(execution).node == "faster"
    assert world.engine.starts[execution.id] == 1


def test_a_worker_adopts_what_its_predecessor_left(world: World) -> None:
    execution = world.submit("run-on")
    first = world.node()
    run = world.run_in_background(first, execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "it runs")
    wait_until(lambda: flush_output(first) or world.output(execution), 30, "its output is stored")
    first.detach()
    assert run.result(5) is RunEnd.HANDED_BACK
    claim = world.get(execution).claim

    second = world.node()
    adopted = world.run_in_background(second, execution.id)
    wait_until(lambda: world.announced(Adopted), 30, "it is adopted")
    world.engine.run_on(execution.id, out(b"more\n"))
    world.engine.exit(execution.id, 0)
    assert adopted.result(5) is RunEnd.CLOSED
    assert world.get(execution).claim == claim + 1
    assert world.output(execution) == b"up\nmore\n"
    assert world.engine.starts[execution.id] == 1


def test_a_superseded_run_writes_nothing_more_and_does_not_close(world: World) -> None:
    execution = world.submit("run-on")
    old = world.node()
    run = world.run_in_background(old, execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "it runs")
    held = world.get(execution)
    newer = world.store.executions.compare_and_set(
        execution.id, states=[State.RUNNING], claim=held.claim, changes={"claim": held.claim + 1}
    )
    world.engine.exit(execution.id, 3)
    assert run.result(5) is RunEnd.SUPERSEDED
    assert world.get(execution) == newer


def test_a_run_whose_execution_was_lost_meanwhile_removes_its_container(world: World) -> None:
    execution = world.submit("run-on")
    run = world.run_in_background(world.node(), execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "it runs")
    held = world.get(execution)
    world.store.executions.compare_and_set(
        execution.id,
        states=[State.RUNNING],
        claim=held.claim,
        changes={"state": State.LOST, "moved_at": held.created_at},
    )
    world.engine.exit(execution.id, 0)
    assert run.result(5) is RunEnd.SUPERSEDED
    assert world.get(execution).state is State.LOST
    assert world.engine.containers == {}


def test_a_node_that_was_given_up_while_it_pulled_starts_nothing(world: World) -> None:
    execution = world.submit()
    world.engine.images.clear()
    world.engine.endless_pulls.add("busybox:test")
    run = world.run_in_background(world.node(), execution.id)
    pulling = wait_until(lambda: world.get(execution).state is State.PULLING and world.get(execution), 30, "it pulls")
    world.store.executions.compare_and_set(
        execution.id,
        states=[State.PULLING],
        claim=pulling.claim,
        changes={"state": State.LOST, "moved_at": world.clock.now()},
    )
    world.engine.endless_pulls.clear()
    assert run.result(5) is RunEnd.SUPERSEDED
    assert world.engine.starts[execution.id] == 0
    assert world.engine.containers == {}


def test_the_container_of_a_node_that_hands_over_goes_on(world: World) -> None:
    execution = world.submit("run-on")
    node = world.node()
    run = world.run_in_background(node, execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "it runs")
    node.detach()
    assert run.result(5) is RunEnd.HANDED_BACK
    (container,) = world.engine.containers.values()
    assert container.is_running
    assert world.get(execution).state is State.RUNNING


def test_a_pull_is_broken_off_when_the_worker_shuts_down_and_taken_up_by_the_next(world: World) -> None:
    world.engine.images.clear()
    world.engine.endless_pulls.add("busybox:test")
    execution = world.submit()
    node = world.node()
    run = world.run_in_background(node, execution.id)
    wait_until(lambda: world.get(execution).state is State.PULLING, 30, "it pulls")
    node.detach()
    assert run.result(5) is RunEnd.HANDED_BACK
    world.engine.endless_pulls.clear()
    assert run_execution(world.node(), execution.id) is RunEnd.CLOSED
    assert world.get(execution).state is State.DONE


def test_a_quick_command_does_not_seem_to_end_before_it_starts(world: World) -> None:
    execution = world.submit()
    run_execution(world.node(), execution.id)
    ended = world.get(execution)
    assert ended.started_at is not None
    assert ended.finished_at is not None
    assert ended.started_at <= ended.finished_at


def test_the_connection_that_breaks_is_made_again_and_nothing_is_stored_twice(world: World) -> None:
    execution = world.submit("run-on")
    run = world.run_in_background(world.node(), execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "it runs")
    for number in range(5):
        world.engine.run_on(execution.id, out(b"%d\n" % number))
        world.engine.cut_connections(execution.id)
    world.engine.exit(execution.id, 0)
    assert run.result(5) is RunEnd.CLOSED
    assert world.output(execution) == b"up\n0\n1\n2\n3\n4\n"


def test_output_whose_end_may_be_lost_with_the_engine_says_so_once(world: World) -> None:
    execution = world.submit("run-on")
    run = world.run_in_background(world.node(), execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "it runs")
    world.engine.lost_ends.add(execution.id)
    world.engine.cut_connections(execution.id)
    world.engine.exit(execution.id, 0)
    assert run.result(5) is RunEnd.CLOSED
    marker = b"\n[jobrunner: the Docker Engine was away at the end of this; what was written last may be missing]\n"
    assert world.output(execution) == b"up\n" + marker
    assert world.get(execution).state is State.DONE


def test_of_output_that_was_read_live_to_its_end_nothing_is_lost(world: World) -> None:
    execution = world.submit()
    world.engine.lost_ends.add(execution.id)
    run_execution(world.node(), execution.id)
    assert world.output(execution) == b"one\nthree\n"


def test_a_run_leaves_nothing_behind_in_its_node(world: World) -> None:
    node = world.node()
    run_execution(node, world.submit().id)
    assert node.runs() == []


@pytest.mark.parametrize(("of_farm", "of_job", "cap"), [(100, 3, 3), (3, 100, 3), (3, None, 3)])
def test_of_the_caps_of_farm_and_job_the_lower_holds(world: World, of_farm: int, of_job: int | None, cap: int) -> None:
    execution = world.submit(output_cap_bytes=of_job)
    run_execution(world.node(output_cap_bytes=of_farm), execution.id)
    assert world.output(execution) == f"one\n[jobrunner: output cut here, at the cap of {cap} bytes]\n".encode()

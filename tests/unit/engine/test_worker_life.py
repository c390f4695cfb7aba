"""What a worker does beside its runs: it beats, keeps its name, flushes, hands back what it took, and does duties."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from jobrunner.domain.events import Trouble
from jobrunner.domain.ports.output_store import Stream
from jobrunner.domain.states import State
from jobrunner.engine import presence as presence_module
from jobrunner.engine.duty import Duty
from jobrunner.engine.hand_back import forget_message, hand_back, return_unclaimed
from jobrunner.engine.presence import Presence
from jobrunner.engine.run import run_execution
from jobrunner.engine.run_end import RunEnd
from jobrunner.engine.time_keeper import flush_output
from jobrunner.errors import Conflict, EngineUnavailable, StoreUnavailable
from tests.support.engine_world import World, out
from tests.support.farm import wait_until

# ----------------------------------------------------------------------------------------------------- presence


def test_a_node_that_beats_is_known_with_what_it_runs(world: World) -> None:
    node = world.node(slots=7)
    world.run_in_background(node, world.submit("run-on").id)
    wait_until(lambda: world.engine.starts.total(), 30, "it runs")
    presence = Presence(node, "x")
    world.clock.move(10)
    presence.beat()
    (known,) = world.store.nodes.all()
    assert (known.name, known.slots, known.running, known.seen_at) == ("one", 7, 1, world.clock.now())
    assert known.engine_version == "fake"
    assert known.stopped_at is None
    assert presence.engine_answers


def test_a_node_whose_engine_does_not_answer_is_silent(world: World) -> None:
    presence = Presence(world.node(), "x")
    presence.beat()
    seen_at = world.clock.now()
    world.engine.is_down = True
    world.clock.move(10)
    with pytest.raises(EngineUnavailable):
        presence.beat()
    assert not presence.engine_answers
    (troubled,) = world.store.nodes.all()
    assert (troubled.seen_at, troubled.circuit) == (seen_at, "open")
    assert "does not answer" in troubled.engine_error
    world.engine.is_down = False
    presence.beat()
    (well,) = world.store.nodes.all()
    assert (well.circuit, well.engine_error) == ("closed", "")
    assert presence.engine_answers
    assert world.store.nodes.all()[0].seen_at == world.clock.now()


def test_a_node_that_signs_off_is_stopped_until_it_is_back(world: World) -> None:
    presence = Presence(world.node(), "x")
    presence.beat()
    presence.sign_off()
    assert world.store.nodes.all()[0].stopped_at == world.clock.now()
    Presence(world.node(), "y").beat()
    assert world.store.nodes.all()[0].stopped_at is None


def test_a_beat_that_was_under_way_does_not_undo_the_signing_off(world: World) -> None:
    presence = Presence(world.node(), "x")
    presence.beat()
    presence.sign_off()
    presence.beat()
    assert world.store.nodes.all()[0].stopped_at == world.clock.now()


@pytest.mark.parametrize(
    ("silent_for", "is_stopped", "may_have_it"),
    [(0, False, False), (29, False, False), (31, False, True), (0, True, True)],
)
def test_a_name_is_taken_from_another_machine_only_when_that_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch, silent_for: int, is_stopped: bool, may_have_it: bool
) -> None:
    monkeypatch.setattr(presence_module, "machine_id", lambda: "another machine")
    other = Presence(world.node(), "x")
    other.beat()
    if is_stopped:
        other.sign_off()
    monkeypatch.undo()
    world.clock.move(silent_for)
    mine = Presence(world.node(), "y")
    if may_have_it:
        mine.check_name()
    else:
        with pytest.raises(Conflict, match="'one' is the name of a worker on another machine"):
            mine.check_name()


def test_a_restart_on_the_same_machine_has_its_name_at_once(world: World) -> None:
    Presence(world.node(), "x").beat()
    Presence(world.node(), "y").check_name()


# -------------------------------------------------------------------------------------------------------- flush


def test_the_last_line_of_a_quiet_container_is_stored_by_the_flush(world: World) -> None:
    execution = world.submit("run-on")
    node = world.node()
    world.run_in_background(node, execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "it runs")
    world.engine.run_on(execution.id, out(b"and quiet"))
    wait_until(lambda: flush_output(node) or world.output(execution) == b"up\nand quiet", 30, "it is stored")


def test_a_flush_that_finds_the_run_superseded_breaks_it_off(world: World) -> None:
    execution = world.submit("run-on")
    node = world.node()
    run = world.run_in_background(node, execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "it runs")
    wait_until(lambda: flush_output(node) or world.output(execution), 30, "its output is stored")
    last = world.store.output.last(execution.id)
    assert last is not None
    world.store.output.append(replace(last, sequence=last.sequence + 1, writer="another run"))
    world.engine.run_on(execution.id, out(b"more"))
    wait_until(lambda: flush_output(node) or run.done(), 30, "the run is broken off")
    assert run.result(5) is RunEnd.SUPERSEDED
    assert world.output(execution, Stream.STDOUT) == b"up\n"


# ---------------------------------------------------------------------------------------------------- hand back


def test_what_was_taken_and_not_claimed_goes_back_to_all(world: World) -> None:
    execution = world.submit()
    world.queue.take()
    hand_back(world.node(), execution.id)
    assert world.queue.waiting == [(None, execution.id)]


def test_what_the_node_holds_goes_back_to_it(world: World) -> None:
    execution = world.submit("run-on")
    node = world.node()
    run = world.run_in_background(node, execution.id)
    wait_until(lambda: world.engine.starts[execution.id], 30, "it runs")
    world.queue.waiting.clear()
    node.detach()
    run.result(5)
    hand_back(node, execution.id)
    assert world.queue.waiting == [("one", execution.id)]


def test_what_is_over_or_another_node_s_is_not_handed_back(world: World) -> None:
    ended, others = world.submit(), world.submit("run-on")
    run_execution(world.node(), ended.id)
    world.run_in_background(world.node(node="two"), others.id)
    wait_until(lambda: world.engine.starts[others.id], 30, "it runs")
    world.queue.waiting.clear()
    for execution_id in (ended.id, others.id, "5a023792-1445-44e9-8a8b-cfe5ad05d1c6"):
        hand_back(world.node(), execution_id)
    assert world.queue.waiting == []


def test_a_hand_back_without_redis_is_told_and_left_to_the_next_start(world: World) -> None:
    execution = world.submit()
    world.queue.is_down = True
    hand_back(world.node(), execution.id)
    assert [event.where for event in world.announced(Trouble)] == ["hand back"]


def test_what_a_dead_worker_took_and_did_not_claim_is_sent_again(world: World) -> None:
    waiting, ended = world.submit(), world.submit()
    run_execution(world.node(), ended.id)
    world.queue.waiting.clear()
    return_unclaimed(world.node(), [waiting.id, ended.id, "5a023792-1445-44e9-8a8b-cfe5ad05d1c6"])
    assert world.queue.waiting == [(None, waiting.id)]
    assert world.get(waiting).state is State.ENQUEUED


def test_the_message_of_an_execution_that_is_over_is_forgotten_where_its_worker_did_not(world: World) -> None:
    waiting, ended = world.submit(), world.submit()
    run_execution(world.node(), ended.id)
    world.queue.waiting = [(None, ended.id), (None, waiting.id)]
    return_unclaimed(world.node(), [ended.id])
    assert world.queue.waiting == [(None, waiting.id)]
    world.queue.waiting = [(None, ended.id), (None, waiting.id)]
    assert all(forget_message(world.node(), execution_id) for execution_id in (ended.id, waiting.id))
    assert world.queue.waiting == [(None, waiting.id)]


def test_a_message_that_cannot_be_forgotten_now_is_kept_for_later(world: World) -> None:
    ended = world.submit()
    run_execution(world.node(), ended.id)
    world.queue.is_down = True
    assert not forget_message(world.node(), ended.id)
    assert [event.where for event in world.announced(Trouble)] == ["forget message"]


# ------------------------------------------------------------------------------------------------------- duties


def test_a_duty_is_done_at_once_and_again_and_ends_when_told(world: World) -> None:
    stopping, times = threading.Event(), []
    duty = Duty("count", 0.001, lambda: times.append(1), stopping=stopping, announce=world.events.append)
    duty.start()
    wait_until(lambda: len(times) > 3, 30, "it is done again and again")
    stopping.set()
    duty.join(5)
    assert not duty.is_alive()


@pytest.mark.parametrize("error", [StoreUnavailable("MongoDB does not answer"), ZeroDivisionError("by zero")])
def test_a_duty_that_fails_is_told_and_goes_on(world: World, error: Exception) -> None:
    def fail() -> None:
        raise error

    stopping = threading.Event()
    duty = Duty("sweep", 0.001, fail, stopping=stopping, announce=world.events.append)
    duty.start()
    wait_until(lambda: len(world.announced(Trouble)) > 3, 30, "it is tried again")
    stopping.set()
    duty.join(5)
    told = world.announced(Trouble)[0]
    assert told.where == "sweep"
    assert str(error) in told.error


def test_an_interval_ends_at_once_when_the_process_is_to_end(world: World) -> None:
    stopping = threading.Event()
    duty = Duty("rare", 3600, lambda: None, stopping=stopping, announce=world.events.append)
    duty.start()
    stopping.set()
    duty.join(5)
    assert not duty.is_alive()

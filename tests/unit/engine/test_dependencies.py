"""A job that waits for others starts once they have ended as it asks, once, or never; whoever dies meanwhile."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from jobrunner.domain.dependencies import When
from jobrunner.domain.executions import Execution
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.outcomes import Cause, Outcome
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.engine import cancel, queries
from jobrunner.engine.farm import Farm
from jobrunner.engine.finish import close
from jobrunner.engine.fire import fire
from jobrunner.engine.janitors.follow_up import follow_up_owed
from jobrunner.engine.janitors.owed import make_owed_retries
from jobrunner.engine.move import move
from jobrunner.engine.rerun import rerun
from jobrunner.engine.submit import resubmit, submit
from jobrunner.errors import InvalidRequest, ServiceUnavailable
from tests.support.engine_world import IMAGE, TASK, World
from tests.support.port_faults import Crash, Kind, Trouble

SUCCESS = Outcome(State.DONE, Cause.SUCCESS)
FAILURE = Outcome(State.FAILED, Cause.EXIT_CODE, exit_code=1)
OUTCOMES = {"done": SUCCESS, "failed": FAILURE, "stopped": Outcome(State.STOPPED, Cause.STOPPED)}


def after(*jobs: Execution, when: str = "succeeds") -> list[dict[str, str]]:
    return [{"job": job.job_id, "when": when} for job in jobs]


def finish(farm: Farm, execution: Execution, outcome: Outcome) -> None:
    """As its node would."""
    current: Execution | None = farm.store.executions.get(execution.id)
    for state in (State.PULLING, State.RUNNING):
        assert current is not None
        current = move(farm, current, state)
    assert current is not None
    close(farm, current, outcome)


def state_of(world: World, execution: Execution) -> State:
    return world.get(execution).state


def sent(world: World, execution: Execution) -> int:
    """How many messages wait for it."""
    return [execution_id for _, execution_id in world.queue.waiting].count(execution.id)


def test_it_waits_without_a_time_and_starts_when_the_other_has_succeeded(world: World) -> None:
    first = world.submit()
    second = world.submit(after=after(first))
    assert (second.state, second.due_at, second.waits_for) == (State.SCHEDULED, None, (first.job_id,))
    assert sent(world, second) == 0
    finish(world.farm(), first, SUCCESS)
    assert (state_of(world, second), world.get(second).waits_for) == (State.ENQUEUED, ())
    assert sent(world, second) == 1


def test_nothing_fires_it_before(world: World) -> None:
    second = world.submit(after=after(world.submit()))
    fire(world.farm(), second.id)
    world.clock.move(10_000)
    follow_up_owed(world.farm())
    assert state_of(world, second) is State.SCHEDULED
    assert world.store.executions.next_scheduled(10) == []


@pytest.mark.parametrize(
    ("ended", "starts"),
    [("done", {"succeeds", "finishes"}), ("failed", {"fails", "finishes"}), ("stopped", {"finishes"})],
)
def test_what_starts_after_an_ending(world: World, ended: str, starts: set[str]) -> None:
    first = world.submit()
    waiting = {when: world.submit(after=after(first, when=when)) for when in When}
    finish(world.farm(), first, OUTCOMES[ended])
    assert {when for when, one in waiting.items() if state_of(world, one) is State.ENQUEUED} == starts
    for when in set(waiting) - starts:
        closed = world.get(waiting[when])
        assert (closed.state, closed.cause) == (State.STOPPED, Cause.DEPENDENCY_FAILED)
        assert first.job_id in closed.reason


def test_it_starts_after_the_last_of_several(world: World) -> None:
    others = [world.submit() for _ in range(3)]
    last = world.submit(after=after(*others))
    for other in others:
        assert state_of(world, last) is State.SCHEDULED
        finish(world.farm(), other, SUCCESS)
    assert (state_of(world, last), sent(world, last)) == (State.ENQUEUED, 1)


@pytest.mark.parametrize("outcome", [SUCCESS, FAILURE])
def test_what_has_ended_before_counts(world: World, outcome: Outcome) -> None:
    first = world.submit()
    finish(world.farm(), first, outcome)
    second = world.submit(after=after(first))
    assert state_of(world, second) is (State.ENQUEUED if outcome is SUCCESS else State.STOPPED)


def test_a_retry_that_is_to_come_is_no_end(world: World) -> None:
    first = world.submit(retries=1)
    waiting = world.submit(after=after(first)), world.submit(after=after(first, when="fails"))
    finish(world.farm(), first, FAILURE)
    late = world.submit(after=after(first))
    assert {state_of(world, one) for one in (*waiting, late)} == {State.SCHEDULED}
    retry = world.attempts(first)[1]
    world.clock.move(1000)
    fire(world.farm(), retry.id)
    finish(world.farm(), retry, SUCCESS)
    assert [state_of(world, one) for one in (*waiting, late)] == [State.ENQUEUED, State.STOPPED, State.ENQUEUED]


def test_a_retry_that_is_stopped_while_it_waits_is_an_end(world: World) -> None:
    first = world.submit(retries=1)
    waiting = world.submit(after=after(first, when="finishes"))
    finish(world.farm(), first, FAILURE)
    cancel.stop_job(world.farm(), queries.job(world.farm(), TASK, first.job_id))
    assert state_of(world, waiting) is State.ENQUEUED


def test_what_can_never_start_is_passed_on_and_cleaning_up_is_done(world: World) -> None:
    first = world.submit()
    second = world.submit(after=after(first))
    third = world.submit(after=after(second))
    clean_up = world.submit(after=after(third, when="finishes"))
    finish(world.farm(), first, FAILURE)
    assert world.get(third).cause is Cause.DEPENDENCY_FAILED
    assert second.job_id in world.get(third).reason
    assert state_of(world, clean_up) is State.ENQUEUED


def test_a_long_chain_is_closed_to_its_end(world: World) -> None:
    chain = [world.submit()]
    for _ in range(400):
        chain.append(world.submit(after=after(chain[-1])))
    finish(world.farm(), chain[0], FAILURE)
    follow_up_owed(world.farm())
    assert {state_of(world, one) for one in chain[1:]} == {State.STOPPED}


def test_it_can_be_stopped_and_run_by_hand_while_it_waits(world: World) -> None:
    first = world.submit()
    second = world.submit(after=after(first))
    job = queries.job(world.farm(), TASK, second.job_id)
    by_hand = rerun(world.farm(), job).execution
    assert by_hand.state is State.ENQUEUED
    cancel.stop_job(world.farm(), job)
    finish(world.farm(), first, SUCCESS)
    assert (state_of(world, second), world.get(second).cause) == (State.STOPPED, Cause.STOPPED)


def test_jobs_that_are_not_there_are_named(world: World) -> None:
    unknown = new_id()
    with pytest.raises(InvalidRequest) as refused:
        world.submit(after=[*after(world.submit()), {"job": unknown}])
    assert [fault.field for fault in refused.value.faults] == ["after.1.job"]


def test_a_job_that_is_there_does_not_get_to_wait(world: World) -> None:
    """So no two can wait for each other."""
    first = world.submit()
    second = world.submit(after=after(first))
    with pytest.raises(InvalidRequest):
        resubmit(world.farm(), TASK, first.job_id, JobSpec(image=IMAGE, after=after(second)))


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("outcome", [SUCCESS, FAILURE])
def test_whoever_dies_while_a_job_ends_those_that_wait_are_settled_once(
    world: World, kind: Kind, outcome: Outcome
) -> None:
    for at in range(1, 100):
        first, other = world.submit(), world.submit()
        waiting = world.submit(after=after(first, other)), world.submit(after=after(first))
        then = world.submit(after=after(waiting[1], when="finishes"))
        finish(world.farm(), other, SUCCESS)
        trouble = Trouble(at=at, kind=kind)
        _try(lambda farm, first=first: finish(farm, first, outcome), world.troubled_farm(trouble))
        if len(trouble.calls) < at:
            return
        if not world.get(first).state.is_terminal:
            continue  # it never ended: nothing follows
        _janitors(world)
        states = {state_of(world, one) for one in waiting}
        assert states == {State.ENQUEUED if outcome is SUCCESS else State.STOPPED}, (at, trouble.calls)
        assert state_of(world, then) is (State.SCHEDULED if outcome is SUCCESS else State.ENQUEUED)
        assert world.store.dependencies.owing_follow_up(10) == []
    raise AssertionError("it ends before")


@pytest.mark.parametrize("kind", list(Kind))
def test_whoever_dies_while_a_job_begins_to_wait_it_starts(world: World, kind: Kind) -> None:
    for at in range(1, 100):
        first = world.submit()
        finish(world.farm(), first, SUCCESS)
        trouble = Trouble(at=at, kind=kind)
        spec, token = JobSpec(image=IMAGE, after=after(first)), new_id()
        _try(lambda farm, token=token, spec=spec: submit(farm, TASK, spec, token=token), world.troubled_farm(trouble))
        if len(trouble.calls) < at:
            return
        _janitors(world)
        made = submit(world.farm(), TASK, spec, token=token).execution  # sent again
        assert state_of(world, made) is State.ENQUEUED, (at, trouble.calls)
        assert len(world.attempts(made)) == 1
    raise AssertionError("it ends before")


def _try(action: Any, farm: Farm) -> None:
    with suppress(Crash, ServiceUnavailable, AssertionError):  # the last: a node finds that it made no move
        action(farm)


def _janitors(world: World) -> None:
    make_owed_retries(world.farm())
    follow_up_owed(world.farm())


def test_of_a_job_that_was_defined_anew_the_end_of_the_new_definition_counts(world: World) -> None:
    first = world.submit(start_in="1h")
    second = world.submit(after=after(first))
    world.clock.move(1)
    anew = resubmit(world.farm(), TASK, first.job_id, JobSpec(image=IMAGE, start_in="2h")).execution
    assert (state_of(world, first), state_of(world, second)) == (State.STOPPED, State.SCHEDULED)
    world.clock.move(2 * 3600 + 1)
    fire(world.farm(), anew.id)
    finish(world.farm(), anew, SUCCESS)
    assert state_of(world, second) is State.ENQUEUED


def test_a_tick_that_was_left_out_ends_no_waiting(world: World) -> None:
    tick = world.submit(cron="0 * * * *")
    second = world.submit(after=after(tick))
    close(world.farm(), world.get(tick), Outcome(State.EXPIRED, Cause.MISFIRED))
    follow_up_owed(world.farm())
    assert state_of(world, second) is State.SCHEDULED

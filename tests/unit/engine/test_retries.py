"""Retries in the life of a job: which outcomes lead to one, what links the attempts, and what ends the chain."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest

from jobrunner.domain.deliveries import DeliveryKind
from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.hooks import Moment
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.retry import RetryPolicy
from jobrunner.domain.states import State
from jobrunner.engine.cancel import Stopped, stop_execution, stop_job
from jobrunner.engine.finish import make_retry
from jobrunner.engine.fire import fire
from jobrunner.engine.janitors.owed import make_owed_retries
from jobrunner.engine.janitors.rescue import Rescue
from jobrunner.engine.presence import Presence
from jobrunner.engine.run import run_execution
from jobrunner.errors import ImagePullFailed, ServiceUnavailable
from jobrunner.executors.fake import Script
from tests.support.engine_world import IMAGE, World
from tests.support.port_faults import Crash, Kind, Trouble

WEBHOOKS = {"fails": [{"url": "https://example.org/fails"}], "finishes": [{"url": "https://example.org/finishes"}]}


def job_of(world: World, execution: Execution) -> Job:
    job = world.store.jobs.get(execution.job_id)
    assert job is not None
    return job


def failed(world: World, command: str = "fail", **spec: object) -> Execution:
    """An execution that has failed, with what it leads to."""
    execution = world.submit(command, **spec)
    run_execution(world.node(), execution.id)
    return world.get(execution)


def told(world: World, execution: Execution) -> list[Moment]:
    """Of which moments of an execution its webhooks are told."""
    deliveries = world.store.deliveries.of_execution(execution.id)
    return sorted(d.moment for d in deliveries if d.kind is DeliveryKind.WEBHOOK)


# --------------------------------------------------------------------------------------------------- on what


def test_only_an_outcome_that_the_policy_names_is_tried_again(world: World) -> None:
    world.engine.scripts[("oom",)] = Script(exit_code=137, oom_killed=True)
    policy = RetryPolicy(on=("outOfMemory",))
    assert len(world.attempts(failed(world, "oom", retries=1, retry_policy=policy))) == 2
    assert len(world.attempts(failed(world, "fail", retries=1, retry_policy=policy))) == 1


def test_only_the_exit_codes_that_the_policy_lists_are_tried_again(world: World) -> None:
    world.engine.scripts[("busy",)] = Script(exit_code=75)
    policy = RetryPolicy(exit_codes=(75,))
    assert len(world.attempts(failed(world, "busy", retries=1, retry_policy=policy))) == 2
    assert len(world.attempts(failed(world, "fail", retries=1, retry_policy=policy))) == 1


def test_an_image_that_could_not_be_pulled_is_tried_again_where_the_policy_says_so(world: World) -> None:
    world.engine.images.clear()
    world.engine.pull_errors[IMAGE] = ImagePullFailed("the registry does not answer")
    for policy, count in ((RetryPolicy(on=("imagePull",)), 2), (RetryPolicy(on=("exitCode",)), 1)):
        ended = failed(world, "speak", retries=1, retry_policy=policy)
        assert ended.cause is Cause.IMAGE_PULL_FAILED
        assert len(world.attempts(ended)) == count


# ---------------------------------------------------------------------------------------- number, links, time


def test_attempts_are_numbered_and_linked_both_ways(world: World) -> None:
    first = failed(world, retries=2)
    second = world.attempts(first)[1]
    world.clock.move_to(second.due_at)  # type: ignore[arg-type]
    fire(world.farm(), second.id)
    run_execution(world.node(), second.id)
    chain = world.attempts(first)
    assert [e.attempt for e in chain] == [1, 2, 3]
    assert [e.retried_from for e in chain] == [None, first.id, second.id]
    assert [e.retried_by for e in chain] == [second.id, chain[2].id, None]


def test_the_job_s_own_back_off_goes_before_the_farm_s(world: World) -> None:
    policy = RetryPolicy(first_delay_seconds=3, factor=5, longest_delay_seconds=12)
    execution = failed(world, retries=3, retry_policy=policy)
    waits = []
    for number in range(1, 4):
        ended, following = world.attempts(execution)[number - 1 : number + 1]
        assert following.due_at is not None and ended.finished_at is not None
        waits.append(following.due_at - ended.finished_at)
        world.clock.move_to(max(following.due_at, world.clock.now()))
        fire(world.farm(), following.id)
        run_execution(world.node(), following.id)
    assert waits == [timedelta(seconds=3), timedelta(seconds=12), timedelta(seconds=12)]


@pytest.mark.parametrize("kind", list(Kind))
def test_whatever_happens_while_it_is_made_there_is_one_retry_at_one_time(world: World, kind: Kind) -> None:
    policy = RetryPolicy(jitter=1)
    for at in range(1, 10):
        ended = failed(world, retries=1, retry_policy=policy)
        due_at = world.attempts(ended)[1].due_at
        trouble = Trouble(at, kind)
        with suppress(Crash, ServiceUnavailable):
            make_retry(world.troubled_farm(trouble), ended)
        world.clock.move(1)
        make_retry(world.farm(), ended)
        assert [e.due_at for e in world.attempts(ended)[1:]] == [due_at]
        if len(trouble.calls) < at:
            return
    raise AssertionError("it has no end")


# ------------------------------------------------------------------------------------------------------- stop


def test_what_failed_by_itself_before_its_stop_came_is_not_tried_again_and_its_end_is_told(world: World) -> None:
    execution, node, run = world.running(retries=3, webhooks=WEBHOOKS)
    node.detach()
    run.result(5)
    world.engine.exit(execution.id, 7)
    world.clock.move(3600)
    stop_execution(world.farm(), execution)
    run_execution(world.node(), execution.id)
    ended = world.get(execution)
    assert (ended.state, ended.owes_retry) == (State.FAILED, False)
    assert world.attempts(execution) == [ended]
    assert told(world, ended) == [Moment.FAILS, Moment.FINISHES]


def test_a_stop_that_comes_while_the_end_is_written_prevents_the_retry(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = world.submit("fail", retries=3)
    node = world.node()
    wait = node.executor.wait

    def stop_then_wait(*arguments: object) -> object:
        ended = wait(*arguments)  # type: ignore[arg-type]
        world.clock.move(3600)
        stop_execution(world.farm(), world.get(execution))
        return ended

    monkeypatch.setattr(node.executor, "wait", stop_then_wait)
    run_execution(node, execution.id)
    assert len(world.attempts(execution)) == 1


def test_a_lost_node_s_execution_that_was_to_stop_is_not_tried_again(world: World) -> None:
    execution, node, run = world.running(retries=3)
    Presence(node, "x").beat()
    node.detach()
    run.result(5)
    stop_execution(world.farm(), execution)
    rescue = Rescue()
    for _ in range(12):  # it has to listen for some time before it calls a node silent
        rescue.look(world.farm())
        world.clock.move(5)
    assert [e.state for e in world.attempts(execution)] == [State.LOST]


@pytest.mark.parametrize("what", ["job", "retry", "failed attempt"])
def test_a_stop_during_the_back_off_ends_it(world: World, what: str) -> None:
    first = failed(world, retries=3, webhooks=WEBHOOKS)
    second = world.attempts(first)[1]
    if what == "job":
        assert stop_job(world.farm(), job_of(world, first)).before_start == 1
    elif what == "retry":
        assert stop_execution(world.farm(), second) is Stopped.BEFORE_START
    else:
        assert stop_execution(world.farm(), first) is Stopped.NEXT_ATTEMPT
        assert stop_execution(world.farm(), first) is Stopped.ALREADY_OVER
    assert world.get(second).state is State.STOPPED
    assert second.id not in world.triggers.alarms
    world.clock.move(3600)
    fire(world.farm(), second.id)
    make_owed_retries(world.farm())
    assert [e.state for e in world.attempts(first)] == [State.FAILED, State.STOPPED]
    assert told(world, first) == []
    assert told(world, second) == [Moment.FINISHES]


def test_a_stop_of_a_failed_attempt_reaches_a_retry_that_was_not_made_yet(world: World) -> None:
    """The process that closed it died before it made the retry."""
    trouble = Trouble()
    execution = world.submit("fail", retries=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobrunner.engine.finish.make_retry", lambda farm, ended: None)
        run_execution(world.troubled_node(trouble), execution.id)
    assert world.get(execution).owes_retry
    assert stop_execution(world.farm(), execution) is Stopped.NEXT_ATTEMPT
    make_owed_retries(world.farm())
    assert [e.state for e in world.attempts(execution)] == [State.FAILED, State.STOPPED]


# ------------------------------------------------------------------------------------------------- expiration


def test_a_retry_that_is_due_after_the_expiration_expires_and_says_so(world: World) -> None:
    expiration = (world.clock.now() + timedelta(seconds=5)).timestamp()
    first = failed(world, retries=3, expiration=expiration, webhooks=WEBHOOKS)
    second = world.attempts(first)[1]
    world.clock.move_to(second.due_at)  # type: ignore[arg-type]
    fire(world.farm(), second.id)
    expired = world.get(second)
    assert (expired.state, expired.cause) == (State.EXPIRED, Cause.EXPIRED)
    assert "did not start before its expiration" in expired.reason
    assert len(world.attempts(first)) == 2
    assert told(world, second) == [Moment.FAILS, Moment.FINISHES]

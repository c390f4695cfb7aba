"""What is owed is written with the move that it tells of, and becomes deliveries once, whatever breaks in between."""

from __future__ import annotations

import pytest

from jobrunner.domain import outcomes
from jobrunner.domain.deliveries import Delivery, DeliveryState
from jobrunner.domain.executions import Execution
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.engine.cancel import stop_execution, stop_job
from jobrunner.engine.fire import fire
from jobrunner.engine.janitors.owed import make_owed_retries
from jobrunner.engine.janitors.unsent import make_owed_deliveries
from jobrunner.engine.run import run_execution
from jobrunner.engine.submit import submit
from jobrunner.errors import InvalidRequest, QueueUnavailable
from tests.support.engine_world import IMAGE, TASK, World
from tests.support.port_faults import Crash, Kind, Trouble

MOMENTS = ("starts", "succeeds", "fails", "finishes")
HOOKS = {moment: [{"url": f"https://example.org/{moment}"}] for moment in MOMENTS}


def told(world: World, execution: Execution) -> list[str]:
    """The moments that deliveries of the execution tell of, by name."""
    return sorted(one.moment.value for one in world.store.deliveries.of_execution(execution.id))


def run(world: World, command: str, **spec: object) -> Execution:
    execution = world.submit(command, webhooks=HOOKS, **spec)
    run_execution(world.node(), execution.id)
    return execution


def test_a_success_is_told_by_its_hooks(world: World) -> None:
    assert told(world, run(world, "speak")) == ["finishes", "starts", "succeeds"]


def test_a_failure_is_told_by_its_hooks(world: World) -> None:
    assert told(world, run(world, "fail")) == ["fails", "finishes", "starts"]


def test_once_deliveries_are_made_the_execution_owes_none(world: World) -> None:
    assert world.get(run(world, "speak")).owed_deliveries == ()


def test_those_who_send_are_woken(world: World) -> None:
    rung: list[str] = []
    farm = world.farm()
    object.__setattr__(farm, "wake_deliverers", lambda: rung.append("rung"))
    execution = world.submit(webhook={"url": "https://example.org/"})
    stop_execution(farm, execution)
    assert rung == ["rung"]


def test_a_redis_that_does_not_answer_keeps_nothing_from_being_told(world: World) -> None:
    def is_down() -> None:
        raise QueueUnavailable("Redis does not answer: the test says so")

    farm = world.farm()
    object.__setattr__(farm, "wake_deliverers", is_down)
    execution = world.submit(webhooks=HOOKS)
    stop_execution(farm, execution)
    assert told(world, execution) == ["finishes"]


def test_an_execution_that_is_stopped_before_it_starts_tells_that_it_has_finished(world: World) -> None:
    execution = world.submit(webhooks=HOOKS)
    stop_execution(world.farm(), execution)
    assert told(world, execution) == ["finishes"]


def test_a_failed_attempt_that_is_tried_again_tells_only_its_start(world: World) -> None:
    assert told(world, run(world, "fail", retries=1)) == ["starts"]


def test_the_last_attempt_tells_the_failure(world: World) -> None:
    first = run(world, "fail", retries=1)
    second = world.attempts(first)[1]
    assert second.due_at is not None
    world.clock.move_to(second.due_at)
    fire(world.farm(), second.id)
    run_execution(world.node(), second.id)
    assert told(world, second) == ["fails", "finishes", "starts"]
    assert told(world, first) == ["starts"]


def test_a_failed_attempt_whose_job_was_stopped_is_the_last_one_and_tells_its_end(world: World) -> None:
    execution = world.submit("fail", webhooks=HOOKS, retries=5)
    job = world.store.jobs.get(execution.job_id)
    assert job is not None
    node = world.node()
    world.store.jobs.set_stopped(job.id, world.clock.now())
    run_execution(node, execution.id)
    assert world.get(execution).state is State.FAILED
    assert told(world, execution) == ["fails", "finishes", "starts"]
    assert len(world.attempts(execution)) == 1


def test_a_retry_that_is_stopped_while_it_waits_tells_that_it_has_finished(world: World) -> None:
    first = run(world, "fail", retries=1)
    job = world.store.jobs.get(first.job_id)
    assert job is not None
    stop_job(world.farm(), job)
    assert told(world, world.attempts(first)[1]) == ["finishes"]


def calls_of_a_run(world: World) -> int:
    trouble = Trouble()
    execution = world.submit("fail", webhooks=HOOKS)
    run_execution(world.troubled_node(trouble), execution.id)
    return len(trouble.calls)


@pytest.mark.parametrize("kind", list(Kind))
def test_whatever_call_of_a_run_the_process_dies_at_or_a_service_fails_at_each_hook_is_owed_once(
    world: World, kind: Kind
) -> None:
    for at in range(1, calls_of_a_run(world) + 1):
        execution = world.submit("fail", webhooks=HOOKS)
        try:
            run_execution(world.troubled_node(Trouble(at=at, kind=kind)), execution.id)
        except Crash:
            run_execution(world.node(), execution.id)  # the worker is started again
        make_owed_deliveries(world.farm())
        assert world.get(execution).state is State.FAILED, at
        assert told(world, execution) == ["fails", "finishes", "starts"], at
        assert world.get(execution).owed_deliveries == (), at


@pytest.mark.parametrize("kind", [Kind.CRASH_BEFORE, Kind.CRASH_AFTER])
def test_a_crash_between_the_close_and_the_deliveries_loses_none_and_doubles_none(world: World, kind: Kind) -> None:
    for at in range(1, 12):
        execution = world.submit(webhooks=HOOKS)
        trouble = Trouble(at=at, kind=kind)
        try:
            stop_execution(world.troubled_farm(trouble), execution)
        except Crash:
            pass
        stop_execution(world.farm(), world.get(execution))
        make_owed_retries(world.farm())
        make_owed_deliveries(world.farm())
        assert told(world, execution) == ["finishes"], at


def test_what_a_crash_left_of_the_start_is_not_lost_by_the_close(world: World) -> None:
    execution = world.submit(webhooks=HOOKS)
    node = world.node()
    world.store.deliveries.add = lambda delivery: (_ for _ in ()).throw(Crash())  # type: ignore[method-assign]
    with pytest.raises(Crash):
        run_execution(node, execution.id)
    del world.store.deliveries.add
    running = world.get(execution)
    assert running.state is State.RUNNING
    assert [owed.moment.value for owed in running.owed_deliveries] == ["starts"]

    run_execution(world.node(), execution.id)

    assert told(world, execution) == ["finishes", "starts", "succeeds"]


def test_making_deliveries_twice_changes_nothing(world: World) -> None:
    execution = world.submit(webhooks=HOOKS)
    owing = world.get(execution)
    stop_execution(world.farm(), execution)
    (before,) = world.store.deliveries.of_execution(execution.id)
    world.clock.move(60)
    assert owing.owed_deliveries == ()
    make_owed_deliveries(world.farm())
    assert world.store.deliveries.of_execution(execution.id) == [before]


def test_a_delivery_names_its_receiver_without_secrets(world: World) -> None:
    url = "https://ada:geheim@example.org:8443/hook?token=geheim&x=1"
    execution = world.submit(webhook={"url": url, "retries": 2})
    stop_execution(world.farm(), execution)
    (delivery,) = world.store.deliveries.of_execution(execution.id)
    assert (delivery.target, delivery.host) == ("https://***@example.org:8443/hook?token=***&x=1", "example.org:8443")
    assert delivery.most_attempts == 3


def test_a_hook_that_does_not_say_is_tried_as_often_as_the_farm_says(world: World) -> None:
    execution = world.submit(webhook={"url": "http://example.org/"})
    stop_execution(world.farm(delivery_retries=7), execution)
    (delivery,) = world.store.deliveries.of_execution(execution.id)
    assert (delivery.most_attempts, delivery.host, delivery.state) == (8, "example.org:80", DeliveryState.OWED)


def test_each_address_gets_a_delivery_of_its_own(world: World) -> None:
    world.settings |= {"smtp_host": "mail.example.org", "smtp_from": "jobrunner@example.org"}
    execution = world.submit(notify={"finishes": ["ada@example.org", "bob@example.org"]})
    stop_execution(world.farm(), execution)
    made: list[Delivery] = world.store.deliveries.of_execution(execution.id)
    assert sorted(one.target for one in made) == ["ada@example.org", "bob@example.org"]


def test_a_job_that_wants_email_is_refused_by_a_farm_that_sends_none(world: World) -> None:
    spec = JobSpec(image=IMAGE, notify={"fails": ["ada@example.org"]})
    with pytest.raises(InvalidRequest) as caught:
        submit(world.farm(), TASK, spec)
    assert [fault.field for fault in caught.value.faults] == ["notify"]
    assert world.store.tasks.get(TASK) is None


def test_an_expired_execution_has_failed(world: World) -> None:
    execution = world.submit(webhooks=HOOKS, expiration=world.clock.now().timestamp() + 5)
    world.clock.move(10)
    run_execution(world.node(), execution.id)
    assert world.get(execution).cause == outcomes.Cause.EXPIRED
    assert told(world, execution) == ["fails", "finishes"]

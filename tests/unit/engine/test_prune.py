"""Retention: what was kept for long enough goes, whoever dies meanwhile; what is needed stays."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from jobrunner.domain.deliveries import DeliveryState
from jobrunner.domain.events import Pruned
from jobrunner.domain.executions import Execution
from jobrunner.domain.retention import Retention
from jobrunner.domain.states import State
from jobrunner.engine.fire import fire
from jobrunner.engine.forget import may_be_forgotten
from jobrunner.engine.janitors import prune as prune_module
from jobrunner.engine.janitors.prune import Prune
from jobrunner.engine.removal import Rehearsal
from jobrunner.engine.rerun import rerun
from jobrunner.engine.run import run_execution
from jobrunner.errors import ServiceUnavailable
from jobrunner.store.documents.collections import ALL_DOCUMENTS
from tests.support.engine_world import World
from tests.support.port_faults import Crash, Kind, Trouble

DAY = 86_400
FOR_EVER = {"execution_retention_days": 0, "output_retention_days": 0}
HOOK = {"webhooks": {"finishes": [{"url": "http://receiver.test/"}]}}


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune_module, "BATCH", 2)
    monkeypatch.setattr(prune_module, "PAUSE_SECONDS", 0)
    monkeypatch.setattr("jobrunner.engine.capture.CHUNK_BYTES", 4)
    monkeypatch.setattr("jobrunner.engine.forget.CHUNKS", 1)


@pytest.fixture(autouse=True)
def one_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Containers end at the time of the farm's clock."""
    monkeypatch.setattr("jobrunner.executors.fake.datetime", SimpleNamespace(now=lambda zone: world.clock.now()))


def ended(world: World, command: str = "speak", **spec: Any) -> Execution:
    execution = world.submit(command, **spec)
    run_execution(world.node(), execution.id)
    return world.get(execution)


def again(world: World, first: Execution) -> Execution:
    """The job once more, a second later, to its end."""
    world.clock.move(1)
    job = world.store.jobs.get(first.job_id)
    assert job is not None
    execution = rerun(world.farm(), job).execution
    run_execution(world.node(), execution.id)
    return world.get(execution)


def runs(world: World, count: int, **spec: Any) -> list[Execution]:
    """So many executions of one job, all over."""
    first = ended(world, **spec)
    return [first] + [again(world, first) for _ in range(count - 1)]


def prune(world: World, **settings: Any) -> None:
    Prune().look(world.farm(**(FOR_EVER | settings)))


def left(world: World, executions: list[Execution]) -> list[int]:
    """Which of them are still there; nothing is left of the others."""
    there = []
    for number, execution in enumerate(executions):
        if world.store.executions.get(execution.id) is not None:
            there.append(number)
        else:
            assert world.store.output.last(execution.id) is None
            assert world.store.deliveries.of_execution(execution.id) == []
    return there


# ------------------------------------------------------------------------------------------------------ the farm


def test_what_ended_long_ago_goes_and_what_did_not_stays(world: World) -> None:
    executions = runs(world, 3)
    world.clock.move(2 * DAY)
    executions.append(again(world, executions[0]))
    prune(world, execution_retention_days=3)
    assert left(world, executions) == [0, 1, 2, 3]
    prune(world, execution_retention_days=1)
    assert left(world, executions) == [3]
    assert world.announced(Pruned) == [Pruned(execution.id, what="execution") for execution in executions[:3]]


def test_zero_is_for_ever(world: World) -> None:
    executions = runs(world, 2)
    world.clock.move(10_000 * DAY)
    prune(world)
    assert left(world, executions) == [0, 1]


def test_the_last_execution_of_a_job_stays_however_old_it_is(world: World) -> None:
    executions = [ended(world) for _ in range(3)]
    world.clock.move(10_000 * DAY)
    prune(world, execution_retention_days=1)
    assert left(world, executions) == [0, 1, 2]


def test_a_tick_that_waits_for_its_time_is_not_the_last_execution_of_its_job(world: World) -> None:
    tick = world.submit(cron="0 0 1 1 *")
    world.clock.move(400 * DAY)
    fire(world.farm(), tick.id)
    run_execution(world.node(), tick.id)
    world.clock.move(DAY)
    assert len(world.attempts(tick)) == 2
    prune(world, execution_retention_days=0.1)
    assert left(world, [tick]) == [0]


def test_what_had_to_stay_goes_within_a_day_of_its_successor(world: World) -> None:
    first = ended(world)
    world.clock.move(9 * DAY)
    janitor, farm = Prune(), world.farm(**FOR_EVER | {"execution_retention_days": 1})
    janitor.look(farm)
    second = again(world, first)
    janitor.look(farm)
    assert left(world, [first, second]) == [0, 1]
    world.clock.move(DAY)
    janitor.look(farm)
    assert left(world, [first, second]) == [1]


def test_what_becomes_old_enough_goes_without_going_through_all_again(world: World) -> None:
    janitor, farm = Prune(), world.farm(**FOR_EVER | {"execution_retention_days": 1})
    old = runs(world, 2)
    world.clock.move(DAY / 2)
    young = runs(world, 2)
    for waited_days, there in ((0.6, [1, 2, 3]), (0.6, [1, 3])):
        world.clock.move(waited_days * DAY)
        janitor.look(farm)
        assert left(world, [*old, *young]) == there


def test_a_long_history_does_not_keep_the_janitor_from_what_jobs_want(world: World) -> None:
    """One look goes through a bounded part of it; the next ones go on from there."""
    old = runs(world, 6)
    world.clock.move(2 * DAY)
    janitor, farm = Prune(most_batches=2), world.farm(**FOR_EVER | {"execution_retention_days": 1})
    janitor.look(farm)
    assert left(world, old) == [4, 5]
    wished = runs(world, 2, retention=Retention(keep_last=1))
    janitor.look(farm)
    assert (left(world, old), left(world, wished)) == ([5], [1])


def test_output_goes_earlier_than_its_execution_which_says_so(world: World) -> None:
    executions = runs(world, 2, **HOOK)
    world.clock.move(2 * DAY)
    prune(world, execution_retention_days=100, output_retention_days=1)
    for execution in executions:
        pruned = world.get(execution)
        assert (pruned.output_deleted_at, pruned.prune_at) == (world.clock.now(), None)
        assert world.store.output.last(execution.id) is None
        assert len(world.store.deliveries.of_execution(execution.id)) == 1
    assert world.announced(Pruned) == [Pruned(execution.id, what="output") for execution in executions]


def test_an_execution_that_wrote_nothing_has_no_output_to_be_deleted(world: World) -> None:
    execution = ended(world, "nothing")
    world.clock.move(2 * DAY)
    prune(world, output_retention_days=1)
    assert world.get(execution).output_deleted_at is None
    assert world.announced(Pruned) == []


def test_what_has_not_ended_is_left_alone(world: World) -> None:
    execution, _, _ = world.running()
    world.clock.move(1000 * DAY)
    prune(world, execution_retention_days=1, output_retention_days=1)
    assert world.get(execution).state is State.RUNNING
    assert world.get(execution).output_deleted_at is None


def test_deleted_executions_do_not_count_any_more(world: World) -> None:
    executions = runs(world, 3)
    world.clock.move(2 * DAY)
    prune(world, execution_retention_days=1)
    job = world.store.jobs.get(executions[0].job_id)
    assert job is not None and job.executions_count == 1


# ---------------------------------------------------------------------------------------------- what is needed


@pytest.mark.parametrize("debt", [{"owes_retry": True}, {"due_at": 5}, {"state": State.LOST}])
def test_what_owes_something_or_might_be_made_again_stays(world: World, debt: dict[str, Any]) -> None:
    first, _ = runs(world, 2)
    assert may_be_forgotten(world.farm(), first)
    if "due_at" in debt:
        debt = {"due_at": world.clock.move(0).replace(year=world.clock.now().year + 1)}
    assert not may_be_forgotten(world.farm(), replace(first, **debt))


def test_an_execution_that_owes_a_delivery_stays_until_it_is_made_or_given_up(world: World) -> None:
    executions = runs(world, 2, **HOOK)
    world.clock.move(2 * DAY)
    prune(world, execution_retention_days=1)
    assert left(world, executions) == [0, 1]
    (delivery,) = world.store.deliveries.of_execution(executions[0].id)
    assert delivery.state is DeliveryState.OWED


def test_an_attempt_stays_while_the_one_before_may_make_it_again(world: World) -> None:
    first, second = runs(world, 2)
    third = again(world, first)
    tried = replace(second, retried_from=first.id)
    assert may_be_forgotten(world.farm(), tried)
    world.store.executions.compare_and_set(first.id, states=[State.DONE], claim=None, changes={"owes_retry": True})
    assert not may_be_forgotten(world.farm(), tried)
    assert third.state is State.DONE


# ------------------------------------------------------------------------------------------------------ the job


@pytest.mark.parametrize("keep", [1, 2, 3, 9])
def test_a_job_keeps_as_many_of_its_last_executions_as_it_says(world: World, keep: int) -> None:
    executions = runs(world, 5, retention=Retention(keep_last=keep))
    prune(world)
    assert left(world, executions) == list(range(5))[-keep:]
    assert all(world.get(executions[n]).prune_at is None for n in left(world, executions))


def test_a_job_keeps_its_executions_for_as_long_as_it_says(world: World) -> None:
    executions = runs(world, 3, retention=Retention(keep_seconds=60))
    prune(world)
    assert left(world, executions) == [0, 1, 2]
    world.clock.move(61)
    prune(world)
    assert left(world, executions) == [2]


def test_a_job_keeps_its_output_for_as_long_as_it_says_and_then_its_executions(world: World) -> None:
    executions = runs(world, 2, retention=Retention(keep_seconds=600, keep_output_seconds=60))
    world.clock.move(61)
    prune(world)
    assert left(world, executions) == [0, 1]
    assert all(world.get(execution).output_deleted_at for execution in executions)
    world.clock.move(600)
    prune(world)
    assert left(world, executions) == [1]


def test_of_the_ages_of_farm_and_job_the_lower_holds(world: World) -> None:
    executions = runs(world, 2, retention=Retention(keep_seconds=10 * DAY, keep_output_seconds=10 * DAY))
    world.clock.move(2 * DAY)
    prune(world, execution_retention_days=1)
    assert left(world, executions) == [1]
    assert world.get(executions[1]).output_deleted_at is None
    prune(world, output_retention_days=1)
    assert world.get(executions[1]).output_deleted_at is not None


def test_what_its_job_wants_gone_and_has_to_stay_is_looked_at_again_a_day_later(world: World) -> None:
    execution = ended(world, retention=Retention(keep_seconds=60))
    world.clock.move(61)
    prune(world)
    look_at = world.get(execution).prune_at
    assert look_at is not None and (look_at - world.clock.now()).total_seconds() == DAY
    again(world, execution)
    world.clock.move(DAY)
    prune(world)
    assert left(world, [execution]) == []


def test_what_has_to_stay_does_not_keep_from_what_lies_behind_it(world: World) -> None:
    """More of the newest ones than are looked at together owe something."""
    executions = runs(world, 6, retention=Retention(keep_last=1))
    for owing in executions[2:5]:
        world.store.executions.compare_and_set(owing.id, states=[State.DONE], claim=None, changes={"owes_retry": True})
    prune(world)
    assert left(world, executions)[-1] == 5
    for owing in executions[2:5]:
        world.store.executions.compare_and_set(owing.id, states=[State.DONE], claim=None, changes={"owes_retry": False})
    world.clock.move(DAY)
    prune(world)
    assert left(world, executions) == [5]


# --------------------------------------------------------------------------------------------------- rehearsals


@pytest.mark.parametrize(
    ("retention", "settings"),
    [
        (Retention(), {"execution_retention_days": 1, "output_retention_days": 0.5}),
        (Retention(), {"output_retention_days": 1}),
        (Retention(keep_last=2), {}),
        (Retention(keep_last=2, keep_output_seconds=60), {"execution_retention_days": 1, "output_retention_days": 1}),
        (Retention(keep_seconds=60, keep_output_seconds=30), {"execution_retention_days": 1}),
    ],
)
def test_a_rehearsal_announces_what_would_go_and_writes_nothing(
    world: World, retention: Retention, settings: dict[str, float]
) -> None:
    executions = runs(world, 7, retention=retention)
    world.clock.move(2 * DAY)
    before = [list(document._get_collection().find()) for document in ALL_DOCUMENTS]
    Prune(Rehearsal()).look(world.farm(**(FOR_EVER | settings)))
    assert [list(document._get_collection().find()) for document in ALL_DOCUMENTS] == before
    rehearsed = world.announced(Pruned)
    prune(world, **settings)
    done = world.announced(Pruned)[len(rehearsed) :]
    assert set(rehearsed) == set(done) and len(rehearsed) == len(done) > 0
    assert len(left(world, executions)) <= 7


# ------------------------------------------------------------------------------------------------------ trouble


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("by_farm", [True, False])
def test_whatever_goes_wrong_nothing_is_left_that_nobody_finds(world: World, kind: Kind, by_farm: bool) -> None:
    settings = FOR_EVER | ({"execution_retention_days": 1, "output_retention_days": 0.5} if by_farm else {})
    retention = Retention() if by_farm else Retention(keep_last=1, keep_output_seconds=3600)
    at = 0
    while True:
        at += 1
        executions = runs(world, 2, retention=retention)
        world.clock.move(1.5 * DAY)
        trouble = Trouble(at, kind)
        janitor = Prune()
        farm = world.troubled_farm(trouble, **settings)
        try:
            janitor.look(farm)
        except Crash:
            janitor = Prune()  # of the scheduler that leads then
        except ServiceUnavailable:
            world.clock.move(DAY)  # what went wrong was one look, of which the next one is tomorrow's
        janitor.look(world.farm(**settings))
        assert left(world, executions) == [1], at
        last = world.get(executions[1])
        assert last.output_deleted_at is not None and last.prune_at is None
        assert world.store.output.last(last.id) is None
        for document in ALL_DOCUMENTS:  # so that the next look makes as many calls as this one
            document.objects.delete()
        if len(trouble.calls) < at:
            break
    assert at > 10

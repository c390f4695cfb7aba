"""What the store promises about what has ended: it is found by its age, its job or its time, and deleted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobrunner.domain.deliveries import Delivery, DeliveryKind, DeliveryState, OwedDelivery
from jobrunner.domain.executions import EndedExecution, Execution, Job
from jobrunner.domain.hooks import Moment
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.ports.store import Store
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import TERMINAL, State
from tests.support.mongodb_profile import profiled

NOW = datetime(2026, 5, 1, 12, 0, 0, 123_000, tzinfo=UTC)
SPEC = JobSpec(image="a")
JOB_ID = new_id()


def stored(store: Store, minutes: int = 0, state: State = State.DONE, **fields: Any) -> Execution:
    """An execution, stored: made so many minutes from the start, and over at once where its state says so."""
    at = NOW + timedelta(minutes=minutes)
    finished_at = at if state.is_terminal else None
    fields = {"id": new_id(), "job_id": JOB_ID, "finished_at": finished_at, "times": {state: at}} | fields
    made = Execution(task_id="task", spec=SPEC, state=state, created_at=at, **fields)
    assert store.executions.add(made)
    return made


def as_ended(execution: Execution) -> EndedExecution:
    assert execution.finished_at is not None
    return EndedExecution(execution.id, execution.job_id, execution.created_at, execution.finished_at)


def test_what_has_ended_is_gone_through_by_its_end_also_where_ends_are_the_same(store: Store) -> None:
    tied = sorted((stored(store, 3) for _ in range(3)), key=lambda execution: execution.id)
    first, late = stored(store, 1, State.FAILED), stored(store, 9)
    stored(store, 2, State.RUNNING)
    in_order = [as_ended(execution) for execution in (first, *tied)]
    before = NOW + timedelta(minutes=8)
    assert store.executions.ended(before, None, 10) == in_order
    seen, batch = [], store.executions.ended(before, None, 2)
    while batch:
        seen += batch
        batch = store.executions.ended(before, batch[-1], 2)
    assert seen == in_order
    assert store.executions.ended(NOW + timedelta(minutes=9), seen[-1], 9) == [as_ended(late)]


def test_what_is_to_be_pruned_comes_by_its_time(store: Store) -> None:
    second, first, later = (stored(store, prune_at=NOW + timedelta(minutes=minutes)) for minutes in (2, 1, 3))
    stored(store)
    assert [e.id for e in store.executions.to_prune(NOW + timedelta(minutes=2))] == [first.id, second.id]
    assert next(store.executions.to_prune(NOW + timedelta(minutes=9))).id == first.id
    store.executions.compare_and_set(first.id, states=TERMINAL, claim=None, changes={"prune_at": None})
    assert [e.id for e in store.executions.to_prune(NOW + timedelta(minutes=9))] == [second.id, later.id]
    found = store.executions.get(first.id)
    assert found is not None and found.prune_at is None


def test_the_ended_executions_of_a_job_come_without_its_newest(store: Store) -> None:
    ended = [stored(store, minutes, state) for minutes, state in enumerate((State.DONE, State.LOST, State.FAILED))]
    stored(store, 8, State.RUNNING)
    stored(store, 9, job_id=new_id())
    assert [e.id for e in store.executions.ended_of_job(JOB_ID, 1, 9)] == [ended[1].id, ended[0].id]
    assert [e.id for e in store.executions.ended_of_job(JOB_ID, 1, 1)] == [ended[1].id]
    assert store.executions.ended_of_job(JOB_ID, 3, 9) == []


def test_an_execution_was_followed_by_a_newer_one_that_does_not_merely_wait(store: Store) -> None:
    first, second = stored(store, 0), stored(store, 1)
    stored(store, 2, State.SCHEDULED)
    stored(store, 3, job_id=new_id())
    assert store.executions.was_followed(first)
    assert store.executions.was_followed(as_ended(first))
    assert not store.executions.was_followed(second)
    third = stored(store, 4, State.RUNNING)
    assert store.executions.was_followed(second)
    assert not store.executions.was_followed(third)


def test_of_executions_made_in_the_same_instant_exactly_one_is_the_last(store: Store) -> None:
    made = [stored(store) for _ in range(5)]
    last = [execution.id for execution in made if not store.executions.was_followed(execution)]
    found = store.executions.last_of_job(JOB_ID)
    assert found is not None and last == [found.id]


def test_only_what_has_ended_and_owes_nothing_is_deleted(store: Store) -> None:
    owed = OwedDelivery(new_id(), Moment.FINISHES, DeliveryKind.WEBHOOK, 0)
    kept = [
        stored(store, state=State.RUNNING),
        stored(store, owes_retry=True),
        stored(store, owed_deliveries=(owed,)),
    ]
    free = stored(store)
    assert [store.executions.delete(execution.id) for execution in (*kept, free)] == [False, False, False, True]
    assert store.executions.get(free.id) is None
    assert all(store.executions.get(execution.id) for execution in kept)
    assert store.executions.delete(free.id) is False


def test_a_deleted_execution_does_not_count_for_its_job(store: Store) -> None:
    store.jobs.add(Job(JOB_ID, "task", SPEC, NOW, NOW, executions_count=3))
    store.jobs.discount_execution(JOB_ID)
    store.jobs.discount_execution(new_id())
    job = store.jobs.get(JOB_ID)
    assert job is not None and (job.executions_count, job.modified_at) == (2, NOW)


def test_the_deliveries_of_an_execution_are_deleted_and_no_others(store: Store) -> None:
    one, other = new_id(), new_id()
    for execution_id in (one, one, other):
        kind, state = DeliveryKind.WEBHOOK, DeliveryState.DELIVERED
        made = Delivery(
            new_id(), execution_id, JOB_ID, "task", Moment.FINISHES, kind, 0, "x", "x", 1, NOW, NOW, NOW, state
        )
        assert store.deliveries.add(made)
    store.deliveries.delete_of_execution(one)
    assert store.deliveries.of_execution(one) == []
    assert len(store.deliveries.of_execution(other)) == 1


LATER = NOW + timedelta(days=1)
QUERIES: dict[str, Callable[[Store, Execution], Any]] = {
    "ended": lambda store, some: store.executions.ended(LATER, None, 5),
    "ended after": lambda store, some: store.executions.ended(LATER, as_ended(some), 5),
    "to_prune": lambda store, some: list(store.executions.to_prune(LATER)),
    "ended_of_job": lambda store, some: store.executions.ended_of_job(some.job_id, 1, 5),
    "was_followed": lambda store, some: [store.executions.was_followed(some)],
}


@pytest.mark.services
def test_no_query_of_retention_reads_more_than_it_answers(mongodb: Store) -> None:
    """Among hundreds that have ended and wait, and a job that has as many: MongoDB's profile says what was read."""
    some = [stored(mongodb, minutes) for minutes in range(300)][150]
    for minutes in range(300):
        stored(mongodb, minutes, State.SCHEDULED, job_id=new_id())
        stored(mongodb, minutes, State.FAILED, job_id=new_id())
    for minutes in range(5):
        stored(mongodb, minutes, job_id=new_id(), prune_at=NOW)
    for name, query in QUERIES.items():
        answer, looked_at = profiled(lambda query=query: query(mongodb, some))  # type: ignore[misc]
        assert answer, name
        assert looked_at, name
        for plan, documents, keys in looked_at:
            assert documents <= 12, (name, plan, documents, keys)
            assert keys <= 20, (name, plan, documents, keys)

"""The contract of DependencyStore."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobrunner.domain.identifiers import new_id
from jobrunner.domain.ports.store import Store
from jobrunner.domain.states import State
from tests.contracts.test_store_executions import execution, stored


def test_those_that_wait_for_a_job_are_listed_in_order_a_batch_at_a_time(store: Store) -> None:
    job, other = new_id(), new_id()
    waiting = stored(store, *(execution(State.SCHEDULED, waits_for=(other, job)) for _ in range(3)))
    stored(store, execution(State.SCHEDULED), execution(State.SCHEDULED, waits_for=(other,)))
    stored(store, execution(State.STOPPED, waits_for=(job,)))
    ids = sorted(one.id for one in waiting)
    assert store.dependencies.waiting_for(job, "", 2) == ids[:2]
    assert store.dependencies.waiting_for(job, ids[1], 2) == ids[2:]


def test_the_last_job_that_is_waited_for_is_not_taken_away(store: Store) -> None:
    one, two = new_id(), new_id()
    (waiting,) = stored(store, execution(State.SCHEDULED, waits_for=(one, two)))
    assert not store.dependencies.wait_no_more(waiting.id, new_id())
    assert store.dependencies.wait_no_more(waiting.id, one)
    assert not store.dependencies.wait_no_more(waiting.id, one)
    assert not store.dependencies.wait_no_more(waiting.id, two)
    assert store.executions.get(waiting.id) == replace(waiting, waits_for=(two,))


def test_a_follow_up_is_owed_until_it_is_settled_in_the_same_state(store: Store) -> None:
    owing, _ = stored(store, execution(State.SCHEDULED, owes_follow_up=True), execution(State.DONE))
    store.dependencies.settle_follow_up(replace(owing, state=State.DONE))
    assert store.dependencies.owing_follow_up(10) == [owing]
    assert not store.executions.delete(owing.id)
    store.dependencies.settle_follow_up(owing)
    assert store.dependencies.owing_follow_up(10) == []


@pytest.mark.services
def test_who_waits_is_found_by_an_index(mongodb: Store) -> None:
    from jobrunner.store.documents.executions import ExecutionDocument

    collection = ExecutionDocument._get_collection()
    for query in ({"waits_for": "x", "state": "scheduled", "_id": {"$gt": ""}}, {"owes_follow_up": True}):
        plan = str(collection.find(query).sort([("_id", 1)]).explain()["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in plan
        assert "waits_for" in plan or "owes_follow_up" in plan

"""What the store of deliveries promises (domain/ports/delivery_store.py), in memory and on a real MongoDB."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient

from jobrunner.domain.deliveries import (
    MOST_ATTEMPTS_KEPT,
    Delivery,
    DeliveryAttempt,
    DeliveryKind,
    DeliveryState,
    OwedDelivery,
    delivery_id,
)
from jobrunner.domain.executions import Execution
from jobrunner.domain.hooks import Moment
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.ports.delivery_store import DeliveryStore
from jobrunner.domain.ports.store import Store
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.settings import Settings
from jobrunner.store import connection
from jobrunner.wiring import mongo_store
from tests.support.engine_world import mongomock_store

NOW = datetime(2026, 5, 1, 12, 0, 0, 123_000, tzinfo=UTC)
LEASE = timedelta(seconds=30)


@pytest.fixture(params=["mongomock", pytest.param("mongodb", marks=pytest.mark.services)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "mongomock":
        with mongomock_store() as made:
            yield made
        return
    url, database = request.getfixturevalue("mongodb_url"), request.getfixturevalue("database")
    connection.connect(Settings(mongodb_url=url, mongodb_database=database))
    connection.ensure_indexes()
    yield mongo_store()
    connection.disconnect()


@pytest.fixture
def deliveries(store: Store) -> DeliveryStore:
    return store.deliveries


def delivery(seconds: float = 0, **fields: Any) -> Delivery:
    execution_id = fields.pop("execution_id", new_id())
    index = fields.pop("index", 0)
    made = Delivery(
        id=delivery_id(execution_id, Moment.FAILS, DeliveryKind.WEBHOOK, index),
        execution_id=execution_id,
        job_id=new_id(),
        task_id="task",
        moment=Moment.FAILS,
        kind=DeliveryKind.WEBHOOK,
        index=index,
        target="https://example.org/",
        host="example.org:443",
        most_attempts=3,
        created_at=NOW,
        next_attempt_at=NOW + timedelta(seconds=seconds),
        claimed_until=NOW,
    )
    return replace(made, **fields)


def attempt(number: int = 0, error: str = "no") -> DeliveryAttempt:
    return DeliveryAttempt(NOW + timedelta(seconds=number), 0.25, 500, error)


def test_a_delivery_comes_back_as_it_was_stored(deliveries: DeliveryStore) -> None:
    stored = delivery(attempts=(attempt(),), attempts_count=1)
    assert deliveries.add(stored)
    assert deliveries.get(stored.id) == stored
    assert deliveries.get(new_id()) is None


def test_what_is_there_already_is_not_changed_by_being_made_again(deliveries: DeliveryStore) -> None:
    stored = delivery()
    deliveries.add(stored)
    claimed = deliveries.claim(stored.id, NOW, NOW + LEASE)
    assert not deliveries.add(stored)
    assert deliveries.get(stored.id) == claimed


def test_only_what_is_owed_and_due_and_free_is_found_the_longest_due_first(deliveries: DeliveryStore) -> None:
    late, later, future = delivery(-5), delivery(-1), delivery(1)
    done = delivery(-9, state=DeliveryState.DELIVERED)
    taken = delivery(-9, claimed_until=NOW + LEASE)
    for one in (later, future, done, taken, late):
        deliveries.add(one)
    assert deliveries.due(NOW, 10) == [late, later]
    assert deliveries.due(NOW, 1) == [late]


def test_what_goes_to_a_host_that_is_left_out_is_not_found(deliveries: DeliveryStore) -> None:
    slow, quick = delivery(-5, host="slow:80"), delivery(-1, host="quick:80")
    deliveries.add(slow)
    deliveries.add(quick)
    assert deliveries.due(NOW, 10, ["slow:80"]) == [quick]


def test_a_delivery_is_claimed_by_one(deliveries: DeliveryStore) -> None:
    stored = delivery()
    deliveries.add(stored)
    with ThreadPoolExecutor(8) as threads:
        claims = list(threads.map(lambda _: deliveries.claim(stored.id, NOW, NOW + LEASE), range(8)))
    (claimed,) = [claim for claim in claims if claim]
    assert (claimed.claim, claimed.claimed_until) == (1, NOW + LEASE)


def test_a_claim_ends_by_itself_and_its_late_holder_can_write_nothing(deliveries: DeliveryStore) -> None:
    stored = delivery()
    deliveries.add(stored)
    first = deliveries.claim(stored.id, NOW, NOW + LEASE)
    second = deliveries.claim(stored.id, NOW + LEASE, NOW + 2 * LEASE)
    assert first is not None
    assert second is not None
    assert not deliveries.record(first, attempt(), DeliveryState.DELIVERED, NOW)
    assert deliveries.get(stored.id) == second


@pytest.mark.parametrize("state", list(DeliveryState))
def test_an_attempt_is_noted_with_what_follows_and_ends_the_claim(
    deliveries: DeliveryStore, state: DeliveryState
) -> None:
    stored = delivery()
    deliveries.add(stored)
    claimed = deliveries.claim(stored.id, NOW, NOW + LEASE)
    assert claimed is not None
    again_at = NOW + timedelta(seconds=5)
    assert deliveries.record(claimed, attempt(), state, again_at)
    found = deliveries.get(stored.id)
    assert found is not None
    assert (found.state, found.attempts, found.attempts_count) == (state, (attempt(),), 1)
    assert [one.id for one in deliveries.due(again_at, 10)] == ([stored.id] if state is DeliveryState.OWED else [])


def test_only_the_newest_attempts_are_kept_and_all_are_counted(deliveries: DeliveryStore) -> None:
    stored = delivery()
    deliveries.add(stored)
    for number in range(MOST_ATTEMPTS_KEPT + 3):
        claimed = deliveries.claim(stored.id, NOW, NOW + LEASE)
        assert claimed is not None
        deliveries.record(replace(claimed), attempt(-number), DeliveryState.OWED, NOW)
    found = deliveries.get(stored.id)
    assert found is not None
    assert found.attempts_count == MOST_ATTEMPTS_KEPT + 3
    assert found.attempts == tuple(attempt(-number) for number in range(3, MOST_ATTEMPTS_KEPT + 3))


def test_what_was_given_up_can_be_owed_again_for_one_more_attempt(deliveries: DeliveryStore) -> None:
    stored = delivery(state=DeliveryState.GIVEN_UP, attempts_count=3)
    deliveries.add(stored)
    owed = deliveries.owe_again(stored.id, NOW + LEASE)
    assert owed is not None
    assert (owed.state, owed.most_attempts) == (DeliveryState.OWED, 4)
    assert deliveries.due(NOW + LEASE, 10) == [owed]


def test_owing_again_brings_forward_what_waits_and_takes_no_attempt_away(deliveries: DeliveryStore) -> None:
    stored = delivery(3600, attempts_count=1)
    deliveries.add(stored)
    owed = deliveries.owe_again(stored.id, NOW)
    assert owed is not None
    assert (owed.next_attempt_at, owed.most_attempts) == (NOW, 3)


def test_what_is_being_delivered_is_not_owed_again(deliveries: DeliveryStore) -> None:
    stored = delivery()
    deliveries.add(stored)
    deliveries.claim(stored.id, NOW, NOW + LEASE)
    assert deliveries.owe_again(stored.id, NOW) is None
    assert deliveries.owe_again(new_id(), NOW) is None


def test_the_deliveries_of_an_execution_are_its_own(deliveries: DeliveryStore) -> None:
    execution_id = new_id()
    mine = [delivery(execution_id=execution_id, index=index) for index in range(3)]
    for one in (*mine, delivery()):
        deliveries.add(one)
    assert {one.id for one in deliveries.of_execution(execution_id)} == {one.id for one in mine}


# ---- what an execution owes


def owing(*owed: OwedDelivery) -> Execution:
    spec = JobSpec(image="busybox")
    return Execution(new_id(), new_id(), "task", spec, State.RUNNING, NOW, owed_deliveries=owed)


def owed(index: int) -> OwedDelivery:
    return OwedDelivery(new_id(), Moment.FAILS, DeliveryKind.EMAIL, index)


def test_what_an_execution_owes_is_stored_with_it_and_found(store: Store) -> None:
    execution, free = owing(owed(0), owed(1)), owing()
    store.executions.add(execution)
    store.executions.add(free)
    assert store.executions.get(execution.id) == execution
    assert store.executions.owing_deliveries(10) == [execution]


def test_what_is_settled_is_taken_out_and_what_came_meanwhile_stays(store: Store) -> None:
    first, second = owed(0), owed(1)
    execution = owing(first)
    store.executions.add(execution)
    store.executions.compare_and_set(
        execution.id, states=[State.RUNNING], claim=None, changes={"owed_deliveries": (first, second)}
    )
    store.executions.settle_deliveries(execution.id, [first.id])
    (found,) = store.executions.owing_deliveries(10)
    assert found.owed_deliveries == (second,)
    store.executions.settle_deliveries(execution.id, [second.id])
    assert store.executions.owing_deliveries(10) == []


@pytest.mark.services
def test_both_questions_that_are_asked_all_the_time_are_answered_by_an_index(mongodb_url: str, database: str) -> None:
    connection.connect(Settings(mongodb_url=mongodb_url, mongodb_database=database))
    connection.ensure_indexes()
    store = mongo_store()
    for _ in range(50):
        store.executions.add(owing())
        store.deliveries.add(delivery(state=DeliveryState.DELIVERED))
    store.executions.add(owing(owed(0)))
    store.deliveries.add(delivery())
    with MongoClient(mongodb_url) as client:
        client[database].command("profile", 2)
        assert len(store.executions.owing_deliveries(10)) == 1
        assert len(store.deliveries.due(NOW, 10)) == 1
        client[database].command("profile", 0)
        asked = list(
            client[database]["system.profile"].find({"op": "query", "ns": {"$regex": "executions|deliveries"}})
        )
    connection.disconnect()
    assert len(asked) == 2
    assert [(question["docsExamined"], question["planSummary"][:6]) for question in asked] == [(1, "IXSCAN")] * 2

"""What the store promises about measures: each end is counted exactly once, whoever counts, dies or deletes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobrunner.domain.deliveries import DeliveryKind, DeliveryState, OwedDelivery, delivery_id
from jobrunner.domain.executions import Execution
from jobrunner.domain.hooks import Moment
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.measures import Activity, DutyRuns
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.ports.store import Store
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.store import tallies
from jobrunner.store.documents.farm import TallyDocument
from tests.contracts.test_delivery_store import delivery
from tests.support.mongodb_profile import profiled

NOW = datetime(2026, 5, 1, 12, 0, 0, 123_000, tzinfo=UTC)
SPEC = JobSpec(image="a")


def stored(store: Store, state: State = State.RUNNING, **fields: Any) -> Execution:
    fields = {"id": new_id(), "job_id": new_id(), "times": {State.ENQUEUED: NOW}} | fields
    made = Execution(task_id="task", spec=SPEC, state=state, created_at=NOW, **fields)
    assert store.executions.add(made)
    return made


def end(store: Store, execution: Execution, state: State = State.DONE, **changes: Any) -> None:
    changes = {"state": state, "moved_at": NOW, "cause": Cause.SUCCESS, "finished_at": NOW} | changes
    assert store.executions.compare_and_set(execution.id, states=[execution.state], claim=None, changes=changes)


def ended(store: Store, **changes: Any) -> Execution:
    execution = stored(store)
    end(store, execution, **changes)
    return execution


def counted(store: Store) -> dict[tuple[State, Cause | None], int]:
    """All totals, once nothing is left to count."""
    while store.measures.count_ended(2):
        pass
    return dict(store.measures.ended().ended)


def test_each_end_is_counted_once_by_state_and_cause(store: Store) -> None:
    for _ in range(5):
        ended(store)
    ended(store, state=State.LOST, cause=Cause.NODE_LOST)
    stored(store)
    expected = {(State.DONE, Cause.SUCCESS): 5, (State.LOST, Cause.NODE_LOST): 1}
    assert counted(store) == counted(store) == expected


def test_many_that_end_in_one_step_are_counted(store: Store) -> None:
    executions = [stored(store, State.ENQUEUED) for _ in range(3)]
    changes = {"state": State.STOPPED, "moved_at": NOW, "cause": Cause.STOPPED}
    assert store.executions.set_all([e.id for e in executions], state=State.ENQUEUED, claim=0, changes=changes) == 3
    stored(store, State.EXPIRED)
    assert counted(store) == {(State.STOPPED, Cause.STOPPED): 3, (State.EXPIRED, None): 1}


def test_what_is_deleted_stays_counted_also_if_nobody_had_counted_it_before(store: Store) -> None:
    early, late = ended(store), ended(store)
    assert store.executions.delete(early.id)
    assert counted(store) == {(State.DONE, Cause.SUCCESS): 2}
    assert store.executions.delete(late.id)
    assert counted(store) == {(State.DONE, Cause.SUCCESS): 2}


def test_an_ended_execution_can_be_deleted_at_once(store: Store) -> None:
    assert store.executions.delete(ended(store).id)


def test_many_who_count_at_once_count_each_end_once(mongodb: Store) -> None:
    executions = [stored(mongodb) for _ in range(120)]

    def end_and_count(execution: Execution) -> None:
        end(mongodb, execution)
        mongodb.measures.count_ended(7)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(end_and_count, executions))
    assert counted(mongodb) == {(State.DONE, Cause.SUCCESS): 120}


def test_a_count_that_was_broken_off_is_completed_and_nothing_is_counted_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark: Callable[..., None] = tallies._mark
    calls = []

    def dies_after_the_totals(execution_ids: list[str]) -> None:
        calls.append(execution_ids)
        if len(calls) == 2:
            raise KeyboardInterrupt
        mark(execution_ids)

    for _ in range(3):
        ended(store)
    monkeypatch.setattr(tallies, "_mark", dies_after_the_totals)
    with pytest.raises(KeyboardInterrupt):
        store.measures.count_ended(2)
    monkeypatch.setattr(tallies, "_mark", mark)
    assert counted(store) == {(State.DONE, Cause.SUCCESS): 3}


def test_what_was_told_is_not_taken_back_by_a_primary_that_knows_less(store: Store) -> None:
    ended(store)
    assert counted(store) == {(State.DONE, Cause.SUCCESS): 1}
    TallyDocument.objects.delete()
    assert dict(store.measures.ended().ended) == {(State.DONE, Cause.SUCCESS): 1}


def test_how_long_executions_waited_and_ran_is_kept(store: Store) -> None:
    for waited, ran in ((0.2, 2.0), (20.0, 100_000.0)):
        started_at = NOW + timedelta(seconds=waited)
        ended(store, started_at=started_at, finished_at=started_at + timedelta(seconds=ran))
    ended(store, state=State.STOPPED)
    counted(store)
    totals = store.measures.ended()
    delay, duration = totals.start_delay, totals.duration
    assert [delay.below(bound) for bound in (0.1, 0.25, 10, 30, float("inf"))] == [0, 1, 1, 2, 2]
    assert [duration.below(bound) for bound in (1, 5, 86400, float("inf"))] == [0, 1, 1, 2]
    assert (delay.sum_seconds, duration.sum_seconds) == (pytest.approx(20.2), pytest.approx(100_002))


def test_what_counting_costs_does_not_grow_with_what_was_counted(mongodb: Store) -> None:
    for _ in range(50):
        ended(mongodb)
    counted(mongodb)
    ended(mongodb)
    _, operations = profiled(lambda: mongodb.measures.count_ended(1000))
    assert max(operation.documents for operation in operations) <= 2
    assert counted(mongodb) == {(State.DONE, Cause.SUCCESS): 51}


def test_open_executions_are_counted_by_state(store: Store) -> None:
    for state in (State.SCHEDULED, State.RUNNING, State.RUNNING, State.DONE):
        stored(store, state)
    assert store.measures.open_executions() == {
        State.SCHEDULED: 1,
        State.ENQUEUED: 0,
        State.PULLING: 0,
        State.RUNNING: 2,
    }


def test_what_is_past_its_time_is_told_but_for_what_is_held(store: Store) -> None:
    for minutes, held in ((-10, True), (-5, False), (-1, False), (5, False)):
        stored(store, State.SCHEDULED, due_at=NOW + timedelta(minutes=minutes), held=held)
    stored(store, State.SCHEDULED)
    waiting = store.measures.waiting_for_time(NOW)
    assert (waiting.count, waiting.late, waiting.due_at) == (4, 2, NOW - timedelta(minutes=5))


def test_deliveries_that_are_owed_are_told_also_those_that_nobody_has_made(store: Store) -> None:
    made = delivery()
    for one in (made, delivery(60), delivery(state=DeliveryState.GIVEN_UP), delivery(state=DeliveryState.DELIVERED)):
        assert store.deliveries.add(one)
    owing = new_id()
    owed = (OwedDelivery(delivery_id(owing, Moment.FAILS, DeliveryKind.EMAIL, 0), Moment.FAILS, DeliveryKind.EMAIL, 0),)
    stored(store, State.FAILED, id=owing, owed_deliveries=owed)
    counts = store.measures.deliveries()
    assert (counts.owed, counts.given_up, counts.oldest_owed_at) == (3, 1, made.created_at)


def test_what_processes_have_done_is_added_up(store: Store) -> None:
    assert store.measures.activity() == Activity()
    first = DutyRuns(runs=2, failures=1, repairs=3, seconds=0.5, last_success_at=NOW)
    store.measures.add_activity(Activity({"requeue": first}, {"failed": 2}))
    store.measures.add_activity(Activity({"requeue": DutyRuns(runs=1, failures=1), "lead": first}, {"delivered": 1}))
    total = DutyRuns(runs=3, failures=2, repairs=3, seconds=0.5, last_success_at=NOW)
    assert store.measures.activity() == Activity({"requeue": total, "lead": first}, {"failed": 2, "delivered": 1})

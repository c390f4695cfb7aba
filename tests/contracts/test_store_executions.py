"""What the store promises of executions (domain/ports/execution_store.py), on a MongoDB in memory and on a real one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobrunner.domain.executions import Execution
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.ports.store import Store
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.domain.usage import ResourceUsage
from jobrunner.store.errors import translating_errors

NOW = datetime(2026, 5, 1, 12, 0, 0, 123_000, tzinfo=UTC)
SPEC = JobSpec(
    image="registry:5000/a:1",
    command=("sh", "-c", "echo $HOME"),
    envs={"A.B": "$x", "SECRET": "hunter2"},
    metadata={"$set": {"a.b": [1, None, 2.5]}, "": "x"},
    retries=3,
)
USAGE = ResourceUsage(NOW, 1.5, 2**40, 2**33, 0, None, 4096)


def execution(state: State = State.ENQUEUED, minutes: int = 0, **fields: object) -> Execution:
    at = NOW + timedelta(minutes=minutes)
    made = Execution(new_id(), new_id(), "task", SPEC, state, at, times={state: at})
    return replace(made, **fields)  # type: ignore[arg-type]


def stored(store: Store, *executions: Execution) -> list[Execution]:
    for made in executions:
        assert store.executions.add(made)
    return list(executions)


def test_an_execution_comes_back_as_it_was(store: Store) -> None:
    full = execution(
        State.FAILED,
        attempt=2,
        claim=3,
        node="one",
        engine_host="localhost",
        engine_port=2376,
        container_id="c" * 64,
        timeout_seconds=1.5,
        stop_grace_seconds=10.0,
        due_at=NOW,
        stop_requested_at=NOW,
        started_at=NOW,
        finished_at=NOW + timedelta(milliseconds=1),
        cause=Cause.OUT_OF_MEMORY,
        reason="killed",
        caller_address="192.0.2.1",
        exit_code=137,
        oom_killed=True,
        retried_from=new_id(),
        retried_by=new_id(),
        owes_retry=True,
        usage=USAGE,
    )
    bare = execution()
    stored(store, full, bare)
    assert store.executions.get(full.id) == full
    assert store.executions.get(bare.id) == bare
    found = store.executions.get(bare.id)
    assert found is not None
    assert found.created_at.utcoffset() == timedelta(0)


def test_what_is_not_there_is_none(store: Store) -> None:
    assert store.executions.get(new_id()) is None
    assert store.executions.last_of_job(new_id()) is None
    assert store.tasks.get("no-such-task") is None
    assert store.jobs.get(new_id()) is None
    assert store.nodes.get("nobody") is None
    assert store.output.last(new_id()) is None


def test_an_execution_is_added_once_and_not_changed_by_the_second_time(store: Store) -> None:
    (first,) = stored(store, execution())
    assert not store.executions.add(replace(first, state=State.SCHEDULED, attempt=9))
    assert store.executions.get(first.id) == first


def test_a_change_is_made_when_state_and_claim_are_as_expected(store: Store) -> None:
    (made,) = stored(store, execution(claim=4))
    later = NOW + timedelta(seconds=1)
    changes = {"state": State.PULLING, "moved_at": later, "claim": 5, "node": "one", "cause": None}
    changed = store.executions.compare_and_set(made.id, states=[State.ENQUEUED], claim=4, changes=changes)
    times = {State.ENQUEUED: NOW, State.PULLING: later}
    assert changed == replace(made, state=State.PULLING, claim=5, node="one", times=times)
    assert store.executions.get(made.id) == changed


@pytest.mark.parametrize(
    ("states", "claim"), [([State.SCHEDULED], 0), ([State.ENQUEUED], 1), ([], 0), ([State.DONE, State.LOST], None)]
)
def test_a_change_is_not_made_when_they_are_not(store: Store, states: list[State], claim: int | None) -> None:
    (made,) = stored(store, execution())
    changes = {"state": State.STOPPED, "moved_at": NOW}
    assert store.executions.compare_and_set(made.id, states=states, claim=claim, changes=changes) is None
    assert store.executions.compare_and_set(new_id(), states=[State.ENQUEUED], claim=None, changes=changes) is None
    assert store.executions.get(made.id) == made


def test_a_change_of_any_claim_leaves_the_claim(store: Store) -> None:
    (made,) = stored(store, execution(claim=7))
    changed = store.executions.compare_and_set(
        made.id, states=[State.ENQUEUED, State.RUNNING], claim=None, changes={"stop_requested_at": NOW}
    )
    assert changed == replace(made, stop_requested_at=NOW)


@pytest.mark.services
def test_of_many_claims_at_once_one_succeeds(mongodb: Store) -> None:
    for _ in range(20):
        (made,) = stored(mongodb, execution())

        def claim(node: int, made: Execution = made) -> Execution | None:
            changes = {"state": State.PULLING, "moved_at": NOW, "claim": 1, "node": f"n{node}"}
            return mongodb.executions.compare_and_set(made.id, states=[State.ENQUEUED], claim=0, changes=changes)

        with ThreadPoolExecutor(8) as threads:
            winners = [claimed for claimed in threads.map(claim, range(8)) if claimed]
        assert len(winners) == 1
        assert mongodb.executions.get(made.id) == winners[0]


@pytest.mark.services
def test_of_many_adds_of_one_id_at_once_one_succeeds(mongodb: Store) -> None:
    made = execution()
    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(lambda _: mongodb.executions.add(made), range(8))) == [False] * 7 + [True]


def test_the_executions_of_a_job_come_in_pages_the_newest_first(store: Store) -> None:
    job_id = new_id()
    made = stored(store, *(execution(minutes=n, job_id=job_id) for n in range(5)), execution())
    newest_first = [e.id for e in reversed(made[:5])]
    pages = [[e.id for e in store.executions.page_of_job(job_id, n, 2)] for n in (1, 2, 3, 4)]
    assert pages == [newest_first[:2], newest_first[2:4], newest_first[4:], []]
    last = store.executions.last_of_job(job_id)
    assert last is not None
    assert last.id == newest_first[0]
    waiting = stored(store, *(execution(State.SCHEDULED, minutes=9, job_id=job_id) for _ in range(2)))
    assert {e.id for e in store.executions.page_of_job(job_id, 1, 5, [State.SCHEDULED])} == {e.id for e in waiting}
    assert [e.id for e in store.executions.page_of_job(job_id, 2, 2, [State.ENQUEUED])] == newest_first[2:4]


def test_the_open_executions_of_a_job_are_those_that_have_not_ended_the_oldest_first(store: Store) -> None:
    job_id = new_id()
    stored(store, *(execution(state, minutes=-n, job_id=job_id) for n, state in enumerate(State)), execution())
    found = [e.state for e in store.executions.open_of_job(job_id, 10)]
    assert found == [State.RUNNING, State.PULLING, State.ENQUEUED, State.SCHEDULED]
    assert len(store.executions.open_of_job(job_id, 2)) == 2


def test_what_is_being_stopped_does_not_hide_the_rest_of_a_job(store: Store) -> None:
    job_id = new_id()
    stopping = [execution(State.RUNNING, minutes=-9, job_id=job_id, stop_requested_at=NOW) for _ in range(3)]
    (rest,) = stored(store, execution(job_id=job_id))
    stored(store, *stopping)
    assert [e.id for e in store.executions.open_of_job(job_id, 2)] == [rest.id]


def test_a_node_holds_what_is_pulling_or_running_on_it(store: Store) -> None:
    made = stored(store, *(execution(state, node="one") for state in State))
    stored(store, execution(State.RUNNING, node="two"), execution(State.RUNNING))
    held = {e.id for e in made if e.state in (State.PULLING, State.RUNNING)}
    assert {e.id for e in store.executions.held_by("one", 10)} == held
    assert {e.id for e in store.executions.on_silent_nodes(["one", "three"], 10)} == held
    assert store.executions.on_silent_nodes([], 10) == []
    assert len(store.executions.held_by("one", 1)) == 1


def test_what_is_enqueued_is_found_the_oldest_first_a_batch_at_a_time(store: Store) -> None:
    early = stored(store, *(execution(minutes=n) for n in (3, 1, 1, 1, 2)))
    stored(store, execution(minutes=9), execution(State.RUNNING))
    before, found, after = NOW + timedelta(minutes=3), [], None
    while batch := store.executions.enqueued(before, after, 2):
        found += [place.id for place in batch]
        after = batch[-1]
    assert found == [e.id for e in sorted(early, key=lambda e: (e.created_at, e.id))]


def test_what_is_scheduled_is_found_by_when_it_is_due(store: Store) -> None:
    due, _ = stored(
        store,
        execution(State.SCHEDULED, minutes=-60, due_at=NOW),
        execution(State.SCHEDULED, minutes=-60, due_at=NOW + timedelta(seconds=1)),
    )
    assert store.executions.overdue(NOW, None, 10) == [due.id]


def test_what_owes_a_retry_is_found(store: Store) -> None:
    owing, _ = stored(store, execution(State.FAILED, owes_retry=True), execution(State.FAILED))
    assert [e.id for e in store.executions.owing_retry(10)] == [owing.id]
    store.executions.compare_and_set(owing.id, states=[State.FAILED], claim=None, changes={"owes_retry": False})
    assert store.executions.owing_retry(10) == []


def test_the_wishes_to_stop_of_a_node_are_those_of_what_it_holds(store: Store) -> None:
    wished = execution(State.RUNNING, node="one", stop_requested_at=NOW)
    stored(
        store,
        wished,
        execution(State.RUNNING, node="one"),
        execution(State.STOPPED, node="one", stop_requested_at=NOW),
        execution(State.RUNNING, node="two", stop_requested_at=NOW),
    )
    assert store.executions.stop_wishes("one") == [wished.id]


@pytest.mark.services
def test_queries_of_janitors_and_pages_use_an_index(mongodb: Store) -> None:
    """No list that grows without bound is read whole: each of these has its index."""
    from jobrunner.store.documents.executions import ExecutionDocument

    collection = ExecutionDocument._get_collection()
    for query, sort in [
        ({"job_id": "x"}, [("created_at", -1), ("_id", -1)]),
        ({}, [("created_at", -1), ("_id", -1)]),
        ({"state": {"$in": ["done", "lost"]}}, [("created_at", -1), ("_id", -1)]),
        ({"task_id": "x"}, [("created_at", -1), ("_id", -1)]),
        ({"state": "enqueued", "times.enqueued": {"$lte": NOW}}, [("_id", 1)]),
        ({"node": "one", "state": {"$in": ["running"]}}, [("_id", 1)]),
        ({"owes_retry": True}, None),
    ]:
        with translating_errors():
            cursor = collection.find(query)
            plan = (cursor.sort(sort) if sort else cursor).explain()["queryPlanner"]["winningPlan"]
        assert "IXSCAN" in str(plan), query
        assert "COLLSCAN" not in str(plan), query


def test_a_sample_of_usage_is_stored_under_the_newest_claim_only_and_not_after_the_end(store: Store) -> None:
    running, superseded, ended = stored(
        store, execution(State.RUNNING, claim=2), execution(State.RUNNING, claim=3), execution(State.DONE, claim=2)
    )
    for one in (running, superseded, ended):
        store.executions.note_usage(one.id, 2, USAGE)
    store.executions.note_usage(new_id(), 2, USAGE)
    assert store.executions.get(running.id) == replace(running, usage=USAGE)
    assert store.executions.get(superseded.id) == superseded
    assert store.executions.get(ended.id) == ended


def test_a_close_stores_a_last_sample(store: Store) -> None:
    (running,) = stored(store, execution(State.RUNNING))
    closed = store.executions.compare_and_set(
        running.id, states=[State.RUNNING], claim=0, changes={"state": State.DONE, "moved_at": NOW, "usage": USAGE}
    )
    assert closed is not None
    assert closed.usage == USAGE

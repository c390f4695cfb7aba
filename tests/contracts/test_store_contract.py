"""What the store promises (jobrunner.domain.ports): the same on a MongoDB in memory and on a real one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobrunner.domain.executions import Execution, Job, Node
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.ports import Chunk, Fragment, Store, Stream
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.errors import Conflict, StoreUnavailable, Superseded
from jobrunner.settings import Settings
from jobrunner.store import connection
from jobrunner.store.errors import translating_errors
from jobrunner.store.farm import farm_id
from jobrunner.wiring import mongo_store
from tests.support.engine_world import mongomock_store

NOW = datetime(2026, 5, 1, 12, 0, 0, 123_000, tzinfo=UTC)
SPEC = JobSpec(
    image="registry:5000/a:1",
    command=("sh", "-c", "echo $HOME"),
    envs={"A.B": "$x", "SECRET": "hunter2"},
    metadata={"$set": {"a.b": [1, None, 2.5]}, "": "x"},
    retries=3,
)


def real_store(url: str, database: str) -> Iterator[Store]:
    connection.connect(Settings(mongodb_url=url, mongodb_database=database, mongodb_timeout_seconds=2))
    connection.ensure_indexes()
    yield mongo_store()
    connection.disconnect()


@pytest.fixture(params=["mongomock", pytest.param("mongodb", marks=pytest.mark.services)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "mongomock":
        with mongomock_store() as made:
            yield made
    else:
        yield from real_store(request.getfixturevalue("mongodb_url"), request.getfixturevalue("database"))


@pytest.fixture
def mongodb(mongodb_url: str, database: str) -> Iterator[Store]:
    """Only a real one: for what a MongoDB in memory cannot show."""
    yield from real_store(mongodb_url, database)


def execution(state: State = State.ENQUEUED, minutes: int = 0, **fields: object) -> Execution:
    at = NOW + timedelta(minutes=minutes)
    made = Execution(new_id(), new_id(), "task", SPEC, state, at, times={state: at})
    return replace(made, **fields)  # type: ignore[arg-type]


def stored(store: Store, *executions: Execution) -> list[Execution]:
    for made in executions:
        assert store.executions.add(made)
    return list(executions)


# -------------------------------------------------------------------------------------------------- executions


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
        exit_code=137,
        oom_killed=True,
        retried_from=new_id(),
        owes_retry=True,
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


def test_all_executions_come_in_pages_with_one_more_where_there_is_a_next(store: Store) -> None:
    made = stored(store, *(execution(minutes=n) for n in range(5)))
    newest_first = [e.id for e in reversed(made)]
    assert [e.id for e in store.executions.page(1, 2)] == newest_first[:3]
    assert [e.id for e in store.executions.page(3, 2)] == newest_first[4:]
    assert store.executions.page(4, 2) == []


def test_a_page_can_be_of_some_states_and_of_one_task(store: Store) -> None:
    running = execution(State.RUNNING, task_id="a")
    done = execution(State.DONE, minutes=1, task_id="b")
    stored(store, running, done, execution(State.LOST))
    assert [e.id for e in store.executions.page(1, 10, [State.RUNNING, State.DONE])] == [done.id, running.id]
    assert [e.id for e in store.executions.page(1, 10, [State.RUNNING], "a")] == [running.id]
    assert [e.id for e in store.executions.page(1, 10, (), "b")] == [done.id]
    assert store.executions.page(1, 10, [State.RUNNING], "b") == []


def test_the_open_executions_of_a_job_are_those_that_have_not_ended_the_oldest_first(store: Store) -> None:
    job_id = new_id()
    stored(store, *(execution(state, minutes=-n, job_id=job_id) for n, state in enumerate(State)), execution())
    found = [e.state for e in store.executions.open_of_job(job_id, 10)]
    assert found == [State.RUNNING, State.PULLING, State.ENQUEUED, State.SCHEDULED]
    assert len(store.executions.open_of_job(job_id, 2)) == 2


def test_a_node_holds_what_is_pulling_or_running_on_it(store: Store) -> None:
    made = stored(store, *(execution(state, node="one") for state in State))
    stored(store, execution(State.RUNNING, node="two"), execution(State.RUNNING))
    held = {e.id for e in made if e.state in (State.PULLING, State.RUNNING)}
    assert {e.id for e in store.executions.held_by("one", 10)} == held
    assert {e.id for e in store.executions.on_silent_nodes(["one", "three"], 10)} == held
    assert store.executions.on_silent_nodes([], 10) == []
    assert len(store.executions.held_by("one", 1)) == 1


def test_what_waits_is_found_by_its_time_in_the_order_of_ids_a_batch_at_a_time(store: Store) -> None:
    early = stored(store, *(execution(minutes=n) for n in range(5)))
    stored(store, execution(minutes=9), execution(State.RUNNING))
    before, ids, after = NOW + timedelta(minutes=4), [], None
    while batch := store.executions.waiting(State.ENQUEUED, before, after, 2):
        ids += [e.id for e in batch]
        after = batch[-1].id
    assert ids == sorted(e.id for e in early)


def test_what_is_scheduled_is_found_by_when_it_is_due(store: Store) -> None:
    due, _ = stored(
        store,
        execution(State.SCHEDULED, minutes=-60, due_at=NOW),
        execution(State.SCHEDULED, minutes=-60, due_at=NOW + timedelta(seconds=1)),
    )
    assert [e.id for e in store.executions.waiting(State.SCHEDULED, NOW, None, 10)] == [due.id]


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


# ------------------------------------------------------------------------------------------------- tasks, jobs


def test_a_task_is_made_by_its_first_touch_and_counts_its_jobs(store: Store) -> None:
    store.tasks.touch("a", NOW)
    store.tasks.touch("a", NOW + timedelta(minutes=1), new_jobs=1)
    store.tasks.touch("a", NOW + timedelta(minutes=2), new_jobs=1)
    task = store.tasks.get("a")
    assert task is not None
    assert (task.id, task.created_at, task.modified_at, task.jobs_count) == ("a", NOW, NOW + timedelta(minutes=2), 2)


def test_tasks_come_in_pages_the_oldest_first(store: Store) -> None:
    for number in range(5):
        store.tasks.touch(f"t{number}", NOW + timedelta(minutes=number))
    store.tasks.touch("t0", NOW + timedelta(hours=1))
    pages = [store.tasks.page(number, 2) for number in (1, 2, 3, 4)]
    assert [[task.id for task in page.items] for page in pages] == [["t0", "t1"], ["t2", "t3"], ["t4"], []]
    assert {(page.total, page.pages, page.per_page) for page in pages} == {(5, 3, 2)}


@pytest.mark.services
def test_many_first_touches_at_once_make_one_task_and_count_all_jobs(mongodb: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: mongodb.tasks.touch("a", NOW, new_jobs=1), range(40)))
    task = mongodb.tasks.get("a")
    assert task is not None
    assert task.jobs_count == 40


def job(minutes: int = 0, task_id: str = "task") -> Job:
    at = NOW + timedelta(minutes=minutes)
    return Job(new_id(), task_id, SPEC, created_at=at, modified_at=at)


def test_a_job_comes_back_as_it_was(store: Store) -> None:
    made = job()
    store.jobs.add(made)
    assert store.jobs.get(made.id) == made


def test_an_id_of_a_job_that_is_taken_is_a_conflict(store: Store) -> None:
    made = job()
    store.jobs.add(made)
    with pytest.raises(Conflict, match="is taken"):
        store.jobs.add(replace(made, task_id="other"))
    assert store.jobs.get(made.id) == made


def test_a_job_s_definition_is_replaced_and_it_is_not_stopped_any_more(store: Store) -> None:
    made = job()
    store.jobs.add(made)
    store.jobs.count_execution(made.id, NOW)
    store.jobs.set_stopped(made.id, NOW)
    stopped = store.jobs.get(made.id)
    assert stopped is not None
    assert stopped.stopped_at == NOW
    new = replace(made, spec=JobSpec(image="other"), revision=1, modified_at=NOW + timedelta(minutes=1))
    assert store.jobs.replace(new)
    assert store.jobs.get(made.id) == replace(new, executions_count=1)
    assert not store.jobs.replace(replace(new, task_id="other"))
    assert not store.jobs.replace(job())


def test_executions_of_a_job_are_counted(store: Store) -> None:
    made = job()
    store.jobs.add(made)
    for minute in (1, 2):
        store.jobs.count_execution(made.id, NOW + timedelta(minutes=minute))
    found = store.jobs.get(made.id)
    assert found is not None
    assert (found.executions_count, found.modified_at) == (2, NOW + timedelta(minutes=2))


def test_the_jobs_of_a_task_are_listed_the_oldest_first_from_any_one_on(store: Store) -> None:
    same_instant = sorted((job(minutes=1) for _ in range(3)), key=lambda made: made.id)
    made = [job(), *same_instant, job(minutes=2)]
    for each in [*made, job(task_id="other")]:
        store.jobs.add(each)
    ids = [each.id for each in made]
    assert store.jobs.ids_of_task("task", None, 10) == ids
    assert store.jobs.ids_of_task("task", None, 2) == ids[:2]
    for number, each in enumerate(ids):
        assert store.jobs.ids_of_task("task", each, 10) == ids[number + 1 :]


# ------------------------------------------------------------------------------------------------------ output


def chunk(execution_id: str, sequence: int, *contents: bytes, writer: str = "w", cut: bool = False) -> Chunk:
    fragments = tuple(Fragment(stream, content) for stream, content in zip(Stream, contents, strict=False))
    return Chunk(execution_id, sequence, fragments, {Stream.STDOUT: sequence, Stream.STDERR: 2}, writer, cut)


def test_a_chunk_comes_back_as_it_was_bytes_and_all(store: Store) -> None:
    made = chunk(new_id(), 0, bytes(range(256)), b"", cut=True)
    store.output.append(made)
    assert list(store.output.chunks(made.execution_id)) == [made]


def test_chunks_come_in_order_after_any_one_and_as_many_as_asked_for(store: Store) -> None:
    execution_id, other = new_id(), new_id()
    for sequence in range(20, -1, -1):
        store.output.append(chunk(execution_id, sequence, b"%d" % sequence))
    store.output.append(chunk(other, 7, b"x"))
    assert [c.sequence for c in store.output.chunks(execution_id)] == list(range(21))
    assert [c.sequence for c in store.output.chunks(execution_id, after=17)] == [18, 19, 20]
    assert [c.sequence for c in store.output.chunks(execution_id, after=2, limit=2)] == [3, 4]
    assert list(store.output.chunks(new_id())) == []


def test_the_last_chunk_is_the_newest_without_its_bytes(store: Store) -> None:
    execution_id = new_id()
    for sequence in (0, 2, 1):
        store.output.append(chunk(execution_id, sequence, b"x"))
    assert store.output.last(execution_id) == chunk(execution_id, 2)


def test_the_same_writer_may_append_a_chunk_again_and_it_is_stored_once(store: Store) -> None:
    made = chunk(new_id(), 0, b"x")
    store.output.append(made)
    store.output.append(made)
    assert list(store.output.chunks(made.execution_id)) == [made]


def test_another_writer_of_the_same_sequence_number_is_told_that_it_was_superseded(store: Store) -> None:
    made = chunk(new_id(), 0, b"x")
    store.output.append(made)
    with pytest.raises(Superseded):
        store.output.append(replace(made, writer="other"))
    assert list(store.output.chunks(made.execution_id)) == [made]


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (0, (b"", True)),
        (1, (b"f", True)),
        (2, (b"ef", True)),
        (3, (b"def", True)),
        (6, (b"abcdef", False)),
        (7, (b"abcdef", False)),
    ],
)
def test_the_tail_of_a_stream_crosses_chunks(store: Store, limit: int, expected: tuple[bytes, bool]) -> None:
    execution_id = new_id()
    for sequence, contents in enumerate([(b"ab", b"1"), (b"", b"22"), (b"cd", b""), (b"ef", b"3"), (b"", b"4")]):
        store.output.append(chunk(execution_id, sequence, *contents))
    assert store.output.tail(execution_id, Stream.STDOUT, limit) == expected


def test_the_tail_of_nothing_is_nothing(store: Store) -> None:
    assert store.output.tail(new_id(), Stream.STDERR, 10) == (b"", False)


# ------------------------------------------------------------------------------------------------- nodes, farm


def node(name: str, minutes: int = 0) -> Node:
    at = NOW + timedelta(minutes=minutes)
    return Node(name, "machine", 1234, 16, 3, seen_at=at, started_at=NOW, engine_version="20.10")


def test_a_node_is_as_it_beat_last(store: Store) -> None:
    store.nodes.beat(replace(node("b"), stopped_at=NOW))
    store.nodes.beat(node("b", minutes=1))
    store.nodes.beat(node("a"))
    assert store.nodes.all() == [node("a"), node("b", minutes=1)]
    assert store.nodes.get("a") == node("a")


def test_a_node_is_silent_that_was_not_heard_of_since(store: Store) -> None:
    store.nodes.beat(node("early"))
    store.nodes.beat(node("late", minutes=5))
    assert store.nodes.silent_since(NOW) == []
    assert store.nodes.silent_since(NOW + timedelta(minutes=1)) == ["early"]
    assert set(store.nodes.silent_since(NOW + timedelta(hours=1))) == {"early", "late"}


def test_the_farm_has_one_id_for_all_its_processes(store: Store) -> None:
    assert farm_id() == farm_id() != ""


@pytest.mark.services
def test_processes_that_start_at_once_agree_on_the_farm_s_id(mongodb: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: farm_id(), range(16)))) == 1


# ------------------------------------------------------------------------------------------------------ outages


@pytest.mark.services
def test_a_mongodb_that_does_not_answer_is_unavailable_within_its_timeout() -> None:
    nowhere = Settings(mongodb_url="mongodb://u:hunter2@127.0.0.1:9/", mongodb_timeout_seconds=0.3)
    connection.connect(nowhere)
    try:
        store = mongo_store()
        for ask in (
            lambda: store.executions.get(new_id()),
            lambda: store.executions.add(execution()),
            lambda: store.tasks.touch("a", NOW),
            lambda: store.output.append(chunk(new_id(), 0, b"x")),
            lambda: list(store.output.chunks(new_id())),
            lambda: store.nodes.all(),
            lambda: store.health.check(),
        ):
            since = datetime.now(UTC)
            with pytest.raises(StoreUnavailable) as caught:
                ask()
            assert (datetime.now(UTC) - since).total_seconds() < 2.5
            assert "hunter2" not in str(caught.value)
    finally:
        connection.disconnect()


@pytest.mark.services
def test_a_mongodb_that_answers_is_healthy(mongodb: Store) -> None:
    mongodb.health.check()


@pytest.mark.services
def test_queries_of_janitors_and_pages_use_an_index(mongodb: Store) -> None:
    """No list that grows without bound is read whole: each of these has its index."""
    from jobrunner.store.documents import ExecutionDocument

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

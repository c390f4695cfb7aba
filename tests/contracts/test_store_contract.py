"""What the store promises of tasks, jobs and nodes, in memory and on a real MongoDB; and of a MongoDB that is away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from jobrunner.domain.executions import Drain, Job, Node
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.ports.store import Store
from jobrunner.domain.resources import Resources
from jobrunner.domain.specs import JobSpec
from jobrunner.errors import Conflict, StoreUnavailable
from jobrunner.settings import Settings
from jobrunner.store import connection
from jobrunner.store.farm import farm_id
from jobrunner.wiring import mongo_store

NOW = datetime(2026, 5, 1, 12, 0, 0, 123_000, tzinfo=UTC)
SPEC = JobSpec(
    image="registry:5000/a:1",
    command=("sh", "-c", "echo $HOME"),
    envs={"A.B": "$x", "SECRET": "hunter2"},
    metadata={"$set": {"a.b": [1, None, 2.5]}, "": "x"},
    retries=3,
)


# -------------------------------------------------------------------------------------------------------- tasks, jobs


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
    return Job(new_id(), task_id, SPEC, created_at=at, modified_at=at, caller_address="192.0.2.1")


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
    store.jobs.set_stopped(made.id, NOW + timedelta(hours=1))
    assert store.jobs.get(made.id) == stopped  # once
    stopped = store.jobs.get(made.id)
    assert stopped is not None
    assert stopped.stopped_at == NOW
    later = NOW + timedelta(minutes=1)
    new = replace(made, spec=JobSpec(image="other"), revision=1, modified_at=later, caller_address="2001:db8::5")
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


# -------------------------------------------------------------------------------------------------------- nodes, farm


def node(name: str, minutes: int = 0) -> Node:
    at = NOW + timedelta(minutes=minutes)
    return Node(name, "machine", 1234, 16, 3, seen_at=at, started_at=NOW, engine_version="20.10")


def test_a_node_keeps_what_it_has_its_pools_and_its_labels(store: Store) -> None:
    registered = replace(
        node("a"),
        address="10.0.0.1",
        pools=("default", "render"),
        labels={"zone.of": "a=b", "empty": ""},
        total=Resources(cpu_millis=64_000, memory_bytes=2**40, gpus=2, storage_bytes=2**45),
        capacity=Resources(slots=3, cpu_millis=1500),
        reserved=Resources(slots=1, cpu_millis=500),
        gpu_names=("A100", "A100"),
        limits_storage=True,
    )
    store.nodes.beat(registered)
    assert store.nodes.get("a") == registered


def test_a_node_is_as_it_beat_last(store: Store) -> None:
    store.nodes.beat(replace(node("b"), stopped_at=NOW))
    store.nodes.beat(node("b", minutes=1))
    store.nodes.beat(node("a"))
    assert store.nodes.all() == [node("a"), node("b", minutes=1)]
    assert store.nodes.get("a") == node("a")


def test_the_store_tells_when_each_node_was_last_heard(store: Store) -> None:
    assert store.nodes.last_seen() == {}
    store.nodes.beat(node("early"))
    store.nodes.beat(node("late"))
    store.nodes.beat(node("late", minutes=5))
    assert store.nodes.last_seen() == {"early": NOW, "late": NOW + timedelta(minutes=5)}


def test_the_farm_has_one_id_for_all_its_processes(store: Store) -> None:
    assert farm_id() == farm_id() != ""


@pytest.mark.services
def test_processes_that_start_at_once_agree_on_the_farm_s_id(mongodb: Store) -> None:
    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(lambda _: farm_id(), range(16)))) == 1


# ------------------------------------------------------------------------------------------------------------ outages


@pytest.mark.services
@pytest.mark.timed
def test_a_mongodb_that_does_not_answer_is_unavailable_within_its_timeout() -> None:
    nowhere = Settings(mongodb_url="mongodb://u:hunter2@127.0.0.1:9/", mongodb_timeout_seconds=0.3)
    connection.connect(nowhere)
    try:
        store = mongo_store()
        for ask in (
            lambda: store.tasks.touch("a", NOW),
            lambda: store.nodes.all(),
            lambda: store.output.last(new_id()),
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


def test_a_node_is_drained_until_that_is_taken_back_whatever_it_beats(store: Store) -> None:
    order = Drain(NOW, NOW + timedelta(hours=1))
    store.nodes.beat(node("a"))
    store.nodes.set_drain("a", order)
    store.nodes.beat(node("a", minutes=1))
    assert store.nodes.drain_of("a") == order
    assert store.nodes.get("a") == replace(node("a", minutes=1), drain=order)
    assert [each.drain for each in store.nodes.all()] == [order]
    store.nodes.set_drain("a", Drain(NOW))
    assert store.nodes.drain_of("a") == Drain(NOW)
    store.nodes.set_drain("a", None)
    assert store.nodes.drain_of("a") is None

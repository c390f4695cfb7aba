"""What the store promises about reading: search, filters, what is scheduled, counts; and that each has its index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.listing import ExecutionFilter, JobFilter, JobState, Position
from jobrunner.domain.ports.store import Store
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from tests.support.mongodb_profile import profiled

NOW = datetime(2026, 5, 1, 12, 0, 0, 123_000, tzinfo=UTC)
SPEC = JobSpec(image="a")
LABELLED = JobSpec(image="a", labels={"a": "b"})
JOB_ID = new_id()


def stored(store: Store, state: State = State.ENQUEUED, minutes: int = 0, **fields: Any) -> Execution:
    """An execution, stored: made (and, where it is scheduled, due) so many minutes from the start."""
    at = NOW + timedelta(minutes=minutes)
    due_at = at if state is State.SCHEDULED else None
    made = replace(Execution(new_id(), JOB_ID, "task", SPEC, state, at, due_at=due_at, times={state: at}), **fields)
    assert store.executions.add(made)
    return made


def test_a_task_is_found_by_all_of_its_words_the_oldest_first(store: Store) -> None:
    for minute, task_id in enumerate(("train-ResNet_50", "render 50", "train-bert")):
        store.tasks.touch(task_id, NOW + timedelta(minutes=minute))
    found = {
        words: store.tasks.search(words.split(), 1, 10) for words in ("train", "50", "50 resnet", "50 bert", "res")
    }
    assert {words: [task.id for task in page.items] for words, page in found.items()} == {
        "train": ["train-ResNet_50", "train-bert"],
        "50": ["train-ResNet_50", "render 50"],
        "50 resnet": ["train-ResNet_50"],
        "50 bert": [],
        "res": [],
    }
    second = store.tasks.search(["train"], 2, 1)
    assert ([task.id for task in second.items], second.total, second.pages) == (["train-bert"], 2, 2)


def test_tasks_and_jobs_are_counted(store: Store) -> None:
    assert (store.tasks.count(), store.jobs.count()) == (0, 0)
    for name in ("a", "b", "a"):
        store.tasks.touch(name, NOW)
        store.jobs.add(Job(new_id(), name, SPEC, NOW, NOW))
    assert (store.tasks.count(), store.jobs.count()) == (2, 3)


def test_executions_are_chosen_by_node_job_and_time(store: Store) -> None:
    first = stored(store, State.RUNNING, 0, node="one")
    second = stored(store, State.DONE, 1, node="two", job_id=new_id())
    third = stored(store, State.DONE, 2, node="one", job_id=second.job_id)
    nowhere = stored(store, State.ENQUEUED, 3)

    def ids(*states: State, **chosen: Any) -> list[str]:
        return [found.id for found in store.executions.slice(ExecutionFilter(states, **chosen), 10).items]

    assert ids(node="one") == [third.id, first.id]
    assert ids(node="three") == []
    assert ids(job_id=second.job_id) == [third.id, second.id]
    assert ids(since=third.created_at) == [nowhere.id, third.id]
    assert ids(State.DONE, node="one", since=second.created_at, task_id="task") == [third.id]


def test_the_next_of_a_job_is_its_earliest_first_attempt_that_waits(store: Store) -> None:
    assert store.executions.next_of_job(JOB_ID) is None
    stored(store, State.SCHEDULED, 1, attempt=2)
    stored(store, State.SCHEDULED, 2, job_id=new_id())
    stored(store, State.STOPPED, 3)
    later, earlier = (stored(store, State.SCHEDULED, minutes) for minutes in (9, 8))
    assert store.executions.next_of_job(JOB_ID) == earlier
    assert later.due_at is not None


def test_what_is_scheduled_is_counted_and_listed_the_earliest_first(store: Store) -> None:
    assert (store.executions.next_scheduled(5), store.executions.count_scheduled()) == ([], 0)
    third, first, second = (stored(store, State.SCHEDULED, minutes) for minutes in (3, 1, 2))
    stored(store, State.ENQUEUED, 0)
    assert store.executions.next_scheduled(2) == [first, second]
    assert store.executions.next_scheduled(5) == [first, second, third]
    assert store.executions.count_scheduled() == 3


Query = Callable[[Store], Any]
QUERIES: dict[str, Query] = {
    "search": lambda store: store.tasks.search(["seven"], 1, 10),
    "node": lambda store: store.executions.slice(ExecutionFilter(node="one"), 10),
    "since": lambda store: store.executions.slice(ExecutionFilter(since=NOW + timedelta(minutes=996)), 10),
    "job": lambda store: store.executions.slice(ExecutionFilter(job_id=JOB_ID), 10),
    "task and state": lambda store: store.executions.slice(ExecutionFilter([State.RUNNING], task_id="task"), 10),
    "label and state": lambda store: store.executions.slice(ExecutionFilter([State.RUNNING], labels=["a=b"]), 10),
    "label": lambda store: store.executions.slice(ExecutionFilter(labels=["a"]), 10),
    "label and time": lambda store: store.executions.slice(
        ExecutionFilter(labels=["a"], since=NOW, until=NOW + timedelta(minutes=3)), 10
    ),
    "the last slice": lambda store: store.executions.slice(
        ExecutionFilter(), 10, Position(NOW + timedelta(minutes=1), new_id())
    ),
    "jobs": lambda store: store.jobs.slice(JobFilter(), 10),
    "jobs of a task": lambda store: store.jobs.slice(JobFilter(task_id="task"), 10),
    "jobs by label": lambda store: store.jobs.slice(JobFilter(labels=["a=b"]), 10),
    "scheduled jobs": lambda store: store.jobs.slice(JobFilter(state=JobState.SCHEDULED, at=NOW), 10),
    "stopped jobs": lambda store: store.jobs.slice(JobFilter(state=JobState.STOPPED), 10),
    "next_of_job": lambda store: store.executions.next_of_job(JOB_ID),
    "next_scheduled": lambda store: store.executions.next_scheduled(10),
    "count_scheduled": lambda store: store.executions.count_scheduled(),
    "tasks": lambda store: store.tasks.count(),
    "jobs counted": lambda store: store.jobs.count(),
}


@pytest.mark.services
def test_no_query_reads_more_than_it_answers(mongodb: Store) -> None:
    """Five of each kind among hundreds of others: MongoDB's own profile says what was looked at. (A page: 10 and 1;
    to count what is scheduled, the keys of that are counted.)"""
    for minutes in range(200):
        stored(mongodb, State.DONE, minutes, node=f"other-{minutes}")
        stored(mongodb, State.SCHEDULED, 1000 - minutes, job_id=new_id())
        mongodb.tasks.touch(f"task {minutes}", NOW)
        mongodb.jobs.add(Job(new_id(), "task", SPEC, NOW, NOW))
    for minutes in range(5):
        stored(mongodb, State.SCHEDULED, minutes)
        stored(mongodb, State.RUNNING, minutes, job_id=new_id(), node="one", spec=LABELLED)
        job = Job(new_id(), "labelled", LABELLED, NOW, NOW, scheduled_until=NOW + timedelta(hours=minutes))
        mongodb.jobs.add(job)
        mongodb.jobs.set_stopped(job.id, NOW)
        mongodb.jobs.add(replace(job, id=new_id()))
        mongodb.tasks.touch(f"seven {minutes}", NOW)
    for name, query in QUERIES.items():
        _, looked_at = profiled(lambda query=query: query(mongodb))  # type: ignore[misc]
        assert looked_at, name
        for plan, documents, keys in looked_at:
            assert documents <= 11, (name, plan, documents)
            assert keys <= (206 if name == "count_scheduled" else 12 + 2 * len(State)), (name, plan, keys)

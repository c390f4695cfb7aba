"""What the store promises to schedules, on a MongoDB in memory and on a real one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.ports.store import Store
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
SPEC = JobSpec(image="a", cron="* * * * *", misfire={"policy": "runAll", "most": 3}, overlap="skip", jitter_seconds=5)


def job(store: Store) -> Job:
    made = Job(new_id(), "task", SPEC, created_at=NOW, modified_at=NOW)
    store.jobs.add(made)
    return made


def execution(store: Store, job_id: str, state: State = State.SCHEDULED, minutes: int = 0, **fields: object) -> str:
    due = NOW + timedelta(minutes=minutes)
    made = Execution(new_id(), job_id, "task", SPEC, state, NOW, due_at=due, times={state: NOW})
    assert store.executions.add(replace(made, **fields))  # type: ignore[arg-type]
    return made.id


def ids(executions: list[Execution]) -> list[str]:
    return [found.id for found in executions]


def test_a_tick_comes_back_as_it_was(store: Store) -> None:
    fields = {"revision": 2, "tick_at": NOW, "fired_at": NOW + timedelta(seconds=1), "held": True}
    found = store.executions.get(execution(store, new_id(), **fields))
    assert found is not None
    assert {name: getattr(found, name) for name in fields} == fields
    assert found.spec == SPEC


# --------------------------------------------------------------------------------------------------------- jobs


def test_a_job_is_paused_once_and_resumed_once(store: Store) -> None:
    made, later = job(store), NOW + timedelta(hours=1)
    assert store.jobs.pause(made.id, NOW)
    assert not store.jobs.pause(made.id, later)
    found = store.jobs.get(made.id)
    assert found is not None
    assert found.paused_at == NOW
    assert store.jobs.resume(made.id, later)
    assert not store.jobs.resume(made.id, later)
    found = store.jobs.get(made.id)
    assert found is not None
    assert found.paused_at is None


def test_a_new_definition_ends_the_pause(store: Store) -> None:
    made = job(store)
    store.jobs.pause(made.id, NOW)
    assert store.jobs.replace(replace(made, revision=1))
    found = store.jobs.get(made.id)
    assert found is not None
    assert found.paused_at is None


def test_a_turn_is_passed_on_to_one_of_two(store: Store) -> None:
    made = job(store)
    assert store.jobs.take_turn(made.id, None, "one")
    assert not store.jobs.take_turn(made.id, None, "two")
    assert store.jobs.take_turn(made.id, "one", "two")
    assert not store.jobs.take_turn(made.id, "one", "three")
    found = store.jobs.get(made.id)
    assert found is not None
    assert found.turn == "two"


def test_many_jobs_are_read_and_counted_in_one_step(store: Store) -> None:
    made = [job(store) for _ in range(3)]
    store.jobs.count_executions([made[0].id, made[1].id], NOW)
    found = {found.id: found.executions_count for found in store.jobs.get_all([one.id for one in made] + [new_id()])}
    assert found == {made[0].id: 1, made[1].id: 1, made[2].id: 0}


# --------------------------------------------------------------------------------------------------- executions


def test_what_waits_is_found_by_job_the_earliest_first(store: Store) -> None:
    job_id = new_id()
    second = execution(store, job_id, minutes=2, held=True)
    first = execution(store, job_id, minutes=1, revision=1)
    execution(store, job_id, State.ENQUEUED)
    execution(store, new_id())
    find = store.executions.scheduled_of_job
    assert ids(find(job_id, 10)) == [first, second]
    assert ids(find(job_id, 1)) == [first]
    assert ids(find(job_id, 10, held=True)) == [second]
    assert ids(find(job_id, 10, held=False)) == [first]
    assert ids(find(job_id, 10, below_revision=1)) == [second]


def test_in_the_way_is_what_is_under_way_or_to_be_tried_again(store: Store) -> None:
    job_id = new_id()
    there = {execution(store, job_id, state) for state in (State.ENQUEUED, State.PULLING, State.RUNNING)}
    there |= {execution(store, job_id, attempt=2), execution(store, job_id, State.FAILED, owes_retry=True)}
    for state in (State.SCHEDULED, State.DONE, State.FAILED, State.EXPIRED):
        execution(store, job_id, state)
    execution(store, new_id(), State.RUNNING)
    assert set(ids(store.executions.in_the_way(job_id, 10))) == there
    assert len(store.executions.in_the_way(job_id, 2)) == 2


def test_what_is_held_is_not_overdue(store: Store) -> None:
    job_id = new_id()
    due, held = execution(store, job_id), execution(store, job_id, held=True)
    assert store.executions.overdue(NOW, None, 10) == [due]
    assert ids(store.executions.next_scheduled(10)) == [due]
    assert held not in ids(store.executions.next_scheduled(10))


def test_of_many_that_are_added_at_once_those_that_are_new_are_told(store: Store) -> None:
    job_id = new_id()
    there = store.executions.get(execution(store, job_id))
    assert there is not None
    new = [replace(there, id=new_id()) for _ in range(3)]
    changed = replace(there, attempt=9)
    assert store.executions.add_all([new[0], changed, *new[1:]]) == {one.id for one in new}
    assert store.executions.add_all(new) == set()
    assert store.executions.get(there.id) == there
    assert {found.id for found in store.executions.get_all([one.id for one in new])} == {one.id for one in new}


def test_many_are_changed_at_once_each_if_its_state_and_claim_are_as_expected(store: Store) -> None:
    job_id = new_id()
    two = [execution(store, job_id), execution(store, job_id)]
    others = [execution(store, job_id, State.STOPPED), execution(store, job_id, claim=1)]
    changes = {"state": State.ENQUEUED, "moved_at": NOW}
    set_all = store.executions.set_all
    assert set_all([*two, *others], state=State.SCHEDULED, claim=0, changes=changes) == 2
    assert set_all(two, state=State.SCHEDULED, claim=0, changes=changes) == 0
    states = [found.state for found in map(store.executions.get, [*two, *others]) if found is not None]
    assert states == [State.ENQUEUED, State.ENQUEUED, State.STOPPED, State.SCHEDULED]
    moved = store.executions.get(two[0])
    assert moved is not None
    assert moved.times[State.ENQUEUED] == NOW

"""What the store promises about API keys, the audit trail, and lists of what a key sees; each has its index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from mongoengine.connection import get_db

from jobrunner.domain.api_keys import ApiKey, Limits, Role, new_token
from jobrunner.domain.audit import AuditEntry, AuditQuery, new_entry_id
from jobrunner.domain.executions import Execution
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.listing import ExecutionFilter
from jobrunner.domain.ports.store import Store
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State

NOW = datetime.now(UTC).replace(microsecond=0)
YEAR = timedelta(days=365)
LIMITS = Limits("^ci-", "^a", 3, 1.5, 1024)


def new_key(store: Store, **fields: Any) -> ApiKey:
    token = new_token()
    key = replace(ApiKey(token.id, "ci", Role.SUBMIT, NOW, token.secret_hash), **fields)
    store.api_keys.add(key)
    return key


def test_a_key_comes_back_as_it_was_stored(store: Store) -> None:
    assert not store.api_keys.any()
    plain, held = new_key(store), new_key(store, limits=LIMITS, expires_at=NOW + YEAR)
    assert [store.api_keys.get(key.id) for key in (plain, held)] == [plain, held]
    assert store.api_keys.any()
    assert store.api_keys.get("0" * 12) is None


def test_keys_are_listed_a_page_at_a_time(store: Store) -> None:
    ids = sorted(new_key(store).id for _ in range(5))
    first = store.api_keys.page(None, 3)
    assert [key.id for key in first] == ids[:3]
    assert [key.id for key in store.api_keys.page(first[-1].id, 3)] == ids[3:]


def test_a_key_is_revoked_once(store: Store) -> None:
    key = new_key(store)
    assert store.api_keys.revoke(key.id, NOW) == replace(key, revoked_at=NOW)
    assert store.api_keys.revoke(key.id, NOW + YEAR) == replace(key, revoked_at=NOW)
    assert store.api_keys.revoke("0" * 12, NOW) is None


def test_the_last_use_of_a_key_never_goes_back(store: Store) -> None:
    key = new_key(store)
    for at in (NOW, NOW + YEAR, NOW):
        store.api_keys.note_use(key.id, at)
    assert store.api_keys.get(key.id) == replace(key, last_used_at=NOW + YEAR)


def noted(minutes: int = 0, **fields: Any) -> AuditEntry:
    return replace(AuditEntry(new_entry_id(), NOW + timedelta(minutes=minutes), "job.submit", 200), **fields)


def test_the_audit_trail_is_read_the_newest_first_and_by_what_is_asked_for(store: Store) -> None:
    first = noted(1, key_id="k", key_name="ci", address="::1", request_id="r", things={"a": "b"}, reason="why")
    second = noted(2, task_id="t", job_id="j", execution_id="e", action="job.stop")
    third = noted(3, task_id="t", key_id="k")
    store.audit.add([first, second], YEAR)
    store.audit.add([second, third], YEAR)  # once more, as after an answer that was lost

    def page(limit: int = 10, **chosen: Any) -> list[AuditEntry]:
        return store.audit.page(AuditQuery(**chosen), limit)

    assert page() == [third, second, first]
    assert page(limit=2) == [third, second]
    assert page(key_id="k") == [third, first]
    assert page(task_id="t", action="job.stop") == [second]
    assert page(job_id="j") == [second]
    assert page(since=second.at) == [third, second]
    assert page(until=second.at) == [first]
    assert page(since=first.at, before=(third.at, third.id)) == [second, first]


def test_entries_of_one_instant_are_paged_without_loss(store: Store) -> None:
    same = sorted((noted() for _ in range(5)), key=lambda entry: entry.id, reverse=True)
    store.audit.add(same, YEAR)
    seen: list[AuditEntry] = []
    while page := store.audit.page(AuditQuery(before=(seen[-1].at, seen[-1].id) if seen else None), 2):
        seen += page
    assert seen == same


@pytest.mark.services
def test_mongodb_forgets_an_entry_when_its_time_is_over(mongodb: Store) -> None:
    entry = noted()
    mongodb.audit.add([entry], YEAR)
    assert get_db()["audit"].find_one()["forget_at"] == entry.at + YEAR
    indexes = get_db()["audit"].index_information()
    assert indexes["forget_at_1"]["expireAfterSeconds"] == 0


def stored(store: Store, task_id: str, minutes: int = 0, state: State = State.DONE, **fields: Any) -> Execution:
    at = NOW + timedelta(minutes=minutes)
    due_at = at if state is State.SCHEDULED else None
    made = replace(
        Execution(new_id(), new_id(), task_id, JobSpec(image="a"), state, at, due_at=due_at, times={state: at}),
        **fields,
    )
    assert store.executions.add(made)
    return made


def listed(store: Store, limit: int = 10, **chosen: Any) -> list[Execution]:
    return list(store.executions.slice(ExecutionFilter(**chosen), limit).items)


@pytest.mark.parametrize("others", [3, 150], ids=["few tasks", "more tasks than are named"])
def test_a_list_shows_only_what_belongs_to_visible_tasks(store: Store, others: int) -> None:
    for number in range(others):
        for name in (f"ci-{number}", f"x-ci-{number}"):
            store.tasks.touch(name, NOW + timedelta(minutes=number), new_jobs=2)
    hidden = [stored(store, "x-ci-0", 5), stored(store, "x-ci-1", 6, State.SCHEDULED)]
    seen = [stored(store, "ci-2", 4, State.SCHEDULED), stored(store, "ci-1", 3), stored(store, "ci-0", 2)]
    assert listed(store, visible="^ci-") == seen
    assert listed(store, limit=1, visible="^ci-") == seen[:1]
    assert listed(store, states=[State.DONE], visible="^ci-") == seen[1:]
    assert listed(store, task_id="x-ci-0", visible="^ci-") == []
    assert listed(store, task_id="ci-0", visible="^ci-") == seen[2:]
    assert listed(store, visible="^none$") == []
    assert store.executions.next_scheduled(10, visible="^ci-") == seen[:1]
    assert store.executions.count_scheduled(visible="^ci-") == 1
    assert len(listed(store)) == len(hidden + seen)
    page = store.tasks.page(1, 2, visible="^ci-")
    assert ([task.id for task in page.items], page.total) == (["ci-0", "ci-1"], others)
    assert store.tasks.search(["ci"], 1, 2, visible="^ci-").total == others
    assert store.tasks.count_visible("^ci-") == (others, 2 * others)
    assert store.tasks.count_visible("^none$") == (0, 0)


def test_what_a_key_has_at_work_is_counted_up_to_a_bound(store: Store) -> None:
    for state in State:
        stored(store, "t", state=state, api_key_id="mine")
        stored(store, "t", state=state, api_key_id="other")
        stored(store, "t", state=state)
    assert store.executions.count_at_work("mine", 10) == 3  # enqueued, pulling, running
    assert store.executions.count_at_work("mine", 2) == 2
    assert store.executions.count_at_work("nobody", 10) == 0


QUERIES: dict[str, Callable[[Store], Any]] = {
    "audit": lambda store: store.audit.page(AuditQuery(), 5),
    "audit of a key": lambda store: store.audit.page(AuditQuery(key_id="seven"), 5),
    "audit of a task": lambda store: store.audit.page(AuditQuery(task_id="seven"), 5),
    "audit of a job": lambda store: store.audit.page(AuditQuery(job_id="seven"), 5),
    "audit of an action": lambda store: store.audit.page(AuditQuery(action="seven"), 5),
    "audit from a place on": lambda store: store.audit.page(AuditQuery(before=(NOW, "f")), 5),
    "at work": lambda store: store.executions.count_at_work("seven", 5),
    "rare visible tasks": lambda store: listed(store, limit=5, visible="^seven-"),
    "visible tasks": lambda store: store.tasks.page(1, 5, visible="^seven-"),
}


@pytest.mark.services
@pytest.mark.parametrize("name", QUERIES)
def test_no_query_reads_more_than_it_answers(mongodb: Store, name: str) -> None:
    """Five of each kind among hundreds of others: MongoDB's own profile says what was looked at."""
    for number in range(300):
        mongodb.audit.add([noted(number, key_id="o", task_id="o", job_id="o", action="o")], YEAR)
        mongodb.tasks.touch(f"task-{number}", NOW)
        stored(mongodb, f"task-{number}", number, State.ENQUEUED, api_key_id="o")
    for number in range(5):
        mongodb.audit.add([noted(-number, key_id="seven", task_id="seven", job_id="seven", action="seven")], YEAR)
        mongodb.tasks.touch(f"seven-{number}", NOW)
        stored(mongodb, f"seven-{number}", -number, State.ENQUEUED, api_key_id="seven")
    get_db().command("profile", 2)
    QUERIES[name](mongodb)
    get_db().command("profile", 0)
    looked_at = [
        (operation.get("planSummary"), operation["docsExamined"], operation["keysExamined"])
        for operation in get_db()["system.profile"].find({"docsExamined": {"$exists": True}})
    ]
    assert looked_at
    for plan, documents, keys in looked_at:
        assert documents <= 10, (plan, documents)
        assert keys <= 20, (plan, keys)

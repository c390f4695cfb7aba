"""Who presents a key, what a key may run, and the audit trail: the engine's part, without services."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jobrunner.domain.api_keys import ANYBODY, Token, caller_of, new_token
from jobrunner.domain.audit import AuditEntry, AuditQuery, new_entry_id
from jobrunner.domain.events import Event, Unaudited
from jobrunner.domain.key_wish import KeyWish
from jobrunner.domain.listing import ExecutionFilter
from jobrunner.domain.specs import JobSpec
from jobrunner.engine import keys, queries
from jobrunner.engine.audit import AuditTrail
from jobrunner.engine.cancel import stop_execution
from jobrunner.engine.farm import Farm
from jobrunner.engine.finish import next_attempt
from jobrunner.engine.rerun import rerun
from jobrunner.engine.status import farm_status
from jobrunner.engine.submit import resubmit, submit
from jobrunner.errors import (
    Forbidden,
    InvalidRequest,
    JobrunnerError,
    NotFound,
    StoreUnavailable,
    TooManyRequests,
    Unauthenticated,
)
from tests.support.engine_world import World
from tests.support.farm import wait_until

SPEC = JobSpec(image="registry.example/ci/tool:1")


def holder(world: World, **wish: Any) -> Farm:
    """The farm as the holder of a new key sees it."""
    key, _ = keys.create_key(world.farm(), KeyWish(**{"name": "ci", "role": "submit"} | wish))
    return replace(world.farm(), caller=caller_of(key))


def refused(gatekeeper: keys.Gatekeeper, presented: str) -> str:
    with pytest.raises(Unauthenticated) as raised:
        gatekeeper.caller(presented)
    return raised.value.fault.reason


def test_a_key_says_who_its_holder_is(world: World) -> None:
    key, token = keys.create_key(world.farm(), KeyWish(name="ci", role="submit", task_pattern="^ci-"))
    assert keys.Gatekeeper(world.farm()).caller(str(token)) == caller_of(key)


def test_what_is_no_good_key_gets_the_same_answer_whether_there_is_one_of_its_id_or_not(world: World) -> None:
    key, _ = keys.create_key(world.farm(), KeyWish(name="ci", role="read"))
    gatekeeper = keys.Gatekeeper(world.farm())
    presented = ("", "hunter2", str(new_token()), str(Token(key.id, new_token().secret)))
    assert {refused(gatekeeper, each) for each in presented} == {"is not one of this farm"}


def test_a_guess_is_looked_up_each_time_also_after_the_key_was_used(world: World) -> None:
    _, token = keys.create_key(world.farm(), KeyWish(name="ci", role="read"))
    gatekeeper = keys.Gatekeeper(world.farm())
    gatekeeper.caller(str(token))
    assert refused(gatekeeper, str(Token(token.id, new_token().secret))) == "is not one of this farm"


def test_only_the_holder_of_an_ended_key_hears_why_it_is_refused(world: World) -> None:
    key, token = keys.create_key(world.farm(), KeyWish(name="ci", role="read", expires_in="1h"))
    guess = str(Token(token.id, new_token().secret))
    world.clock.move(3600)
    assert refused(keys.Gatekeeper(world.farm()), str(token)) == "is expired"
    keys.revoke_key(world.farm(), key.id)
    assert refused(keys.Gatekeeper(world.farm()), str(token)) == "is revoked"
    assert refused(keys.Gatekeeper(world.farm()), guess) == "is not one of this farm"


def test_a_key_that_expires_is_refused_at_once_although_it_is_remembered(world: World) -> None:
    _, token = keys.create_key(world.farm(), KeyWish(name="ci", role="read", expires_in="1h"))
    gatekeeper = keys.Gatekeeper(world.farm())
    gatekeeper.caller(str(token))
    world.clock.move(3600)
    assert refused(gatekeeper, str(token)) == "is expired"


def test_a_revoked_key_is_forgotten_within_the_bound(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "CACHE_SECONDS", 0.2)
    key, token = keys.create_key(world.farm(), KeyWish(name="ci", role="read"))
    gatekeeper = keys.Gatekeeper(world.farm())
    gatekeeper.caller(str(token))
    keys.revoke_key(world.farm(), key.id)  # by another process: nobody tells this one

    def is_refused() -> bool:
        try:
            gatekeeper.caller(str(token))
        except Unauthenticated:
            return True
        return False

    wait_until(is_refused, 30, "the key is refused")


def test_revoking_twice_keeps_the_first_time(world: World) -> None:
    key, _ = keys.create_key(world.farm(), KeyWish(name="ci", role="read"))
    first = keys.revoke_key(world.farm(), key.id).revoked_at
    world.clock.move(60)
    assert keys.revoke_key(world.farm(), key.id).revoked_at == first
    with pytest.raises(NotFound):
        keys.revoke_key(world.farm(), "0" * 12)


def test_use_is_noted_now_and_then(world: World) -> None:
    key, token = keys.create_key(world.farm(), KeyWish(name="ci", role="read"))
    first = world.clock.now()
    for seconds in (0, 30, 20):
        world.clock.move(seconds)
        keys.Gatekeeper(world.farm()).caller(str(token))
    assert keys.key(world.farm(), key.id).last_used_at == first
    world.clock.move(20)
    keys.Gatekeeper(world.farm()).caller(str(token))
    assert keys.key(world.farm(), key.id).last_used_at == first + timedelta(seconds=70)


def test_from_the_first_key_on_keys_are_asked_for_even_if_it_is_revoked(world: World) -> None:
    gatekeeper = keys.Gatekeeper(world.farm())
    assert not gatekeeper.asks_for_keys()
    key, _ = keys.create_key(world.farm(), KeyWish(name="ci", role="admin"))
    gatekeeper.forget()
    assert gatekeeper.asks_for_keys()
    keys.revoke_key(world.farm(), key.id)
    assert keys.Gatekeeper(world.farm()).asks_for_keys()


def test_a_key_that_would_be_over_already_is_refused(world: World) -> None:
    with pytest.raises(InvalidRequest):
        keys.create_key(world.farm(), KeyWish(name="ci", role="read", expires_at=1e9))


# ------------------------------------------------------------------------------------------------- limits


def test_a_key_that_is_held_to_tasks_submits_to_those_only(world: World) -> None:
    farm = holder(world, task_pattern="^ci-")
    accepted = submit(farm, "ci-1", SPEC)
    assert accepted.execution.api_key_id == accepted.job.api_key_id == farm.caller.key_id
    with pytest.raises(NotFound):
        submit(farm, "other", SPEC)


def test_what_belongs_to_other_tasks_is_not_there(world: World) -> None:
    farm = holder(world, task_pattern="^ci-")
    mine, other = submit(farm, "ci-1", SPEC), submit(world.farm(), "other", SPEC)
    submit(world.farm(), "other", JobSpec(image="a", start_in="1h"))
    for look in (
        lambda: queries.task(farm, "other"),
        lambda: queries.job(farm, "other", other.job.id),
        lambda: queries.execution(farm, "other", other.job.id, other.execution.id),
        lambda: queries.any_execution(farm, other.execution.id),
    ):
        with pytest.raises(NotFound):
            look()
    assert [task.id for task in queries.tasks(farm, 1).items] == ["ci-1"]
    assert queries.search(farm, "other", 1).items == ()
    assert [one.id for one in queries.executions(farm, ExecutionFilter()).items] == [mine.execution.id]
    status = farm_status(farm)
    assert (list(status.running), status.scheduled, status.scheduled_count) == ([], [], 0)
    assert (status.tasks_count, status.jobs_count) == (1, 1)


def test_a_key_runs_only_its_images(world: World) -> None:
    farm = holder(world, image_pattern=r"^registry\.example/ci/")
    submit(farm, "t", SPEC)
    with pytest.raises(Forbidden, match="image"):
        submit(farm, "t", JobSpec(image="evil.example/registry.example/ci/tool"))
    other = submit(world.farm(), "t", JobSpec(image="other"))
    for attempt in (lambda: resubmit(farm, "t", other.job.id, JobSpec(image="x")), lambda: rerun(farm, other.job)):
        with pytest.raises(Forbidden, match="image"):
            attempt()


def test_a_key_has_no_more_at_work_than_it_may(world: World) -> None:
    farm = holder(world, most_running=2)
    first = submit(farm, "t", SPEC)
    submit(world.farm(), "t", SPEC)  # somebody else's
    submit(farm, "t", JobSpec(image="a", start_in="1h"))  # waits for its time only
    submit(farm, "t", SPEC)
    with pytest.raises(TooManyRequests, match="may have 2 executions"):
        submit(farm, "t", SPEC)
    with pytest.raises(TooManyRequests):
        rerun(farm, first.job)
    stop_execution(farm, first.execution)
    submit(farm, "t", SPEC)


def test_another_attempt_is_on_the_account_of_the_key_that_the_first_was_on(world: World) -> None:
    farm = holder(world)
    taken = submit(farm, "t", JobSpec(image="a", retries=1))
    retry = next_attempt(world.farm(), taken.execution)
    assert retry.api_key_id == taken.execution.api_key_id == farm.caller.key_id


def test_many_that_submit_at_once_do_not_pass_the_bound(world: World) -> None:
    farm = holder(world, most_running=3)
    outcomes: list[str] = []

    def post() -> None:
        try:
            submit(farm, "t", SPEC)
            outcomes.append("accepted")
        except TooManyRequests:
            outcomes.append("refused")

    threads = [threading.Thread(target=post) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["accepted"] * 3 + ["refused"] * 9


@pytest.mark.parametrize("wish", [{"most_cpus": 1}, {"most_memory_bytes": 1024}])
def test_a_key_that_is_held_to_resources_asks_for_a_job_that_says_what_it_needs(
    world: World, wish: dict[str, int]
) -> None:
    with pytest.raises(InvalidRequest, match="is required with this API key"):
        submit(holder(world, **wish), "t", SPEC)


# ---------------------------------------------------------------------------------------------- audit trail


def entry(world: World, **fields: Any) -> AuditEntry:
    return AuditEntry(new_entry_id(), world.clock.now(), "job.submit", 200, **fields)


class Outage:
    """An AuditStore that does not answer, for as long as the test wants."""

    def __init__(self, inner: Any) -> None:
        self.inner, self.is_down = inner, True

    def add(self, *arguments: Any) -> None:
        """Store, where it answers."""
        if self.is_down:
            raise StoreUnavailable("down")
        self.inner.add(*arguments)


def test_every_entry_is_stored_after_an_outage(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobrunner.engine.audit.RETRY_SECONDS", 0.01)
    outage = Outage(world.farm().store.audit)
    trail = AuditTrail(replace(world.farm(), store=replace(world.farm().store, audit=outage)))
    noted = [entry(world, task_id=f"t{number}") for number in range(50)]
    for one in noted:
        trail.record(one)
    assert world.farm().store.audit.page(AuditQuery(), 100) == []
    outage.is_down = False
    wait_until(lambda: len(world.farm().store.audit.page(AuditQuery(), 100)) == 50, 30, "all are stored")
    trail.close(5)


def test_what_waits_is_stored_when_the_trail_closes(world: World) -> None:
    trail = AuditTrail(world.farm())
    one = entry(world, things={"delivery_id": "d"}, reason="because")
    trail.record(one)
    trail.close(5)
    assert world.farm().store.audit.page(AuditQuery(), 10) == [one]


def test_what_cannot_be_stored_before_the_end_is_announced(world: World) -> None:
    announced: list[Event] = []
    store = replace(world.farm().store, audit=Outage(world.farm().store.audit))
    trail = AuditTrail(replace(world.farm(), store=store, announce=announced.append))
    for name in ("one", "two"):
        trail.record(entry(world, task_id=name))
    trail.close(3)
    told = [event.entry for event in announced if isinstance(event, Unaudited)]
    assert len(told) == 2
    assert ["one" in told[0], "two" in told[1]] == [True, True]


def test_a_full_trail_stores_at_once_or_says_that_it_cannot(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobrunner.engine.audit.MOST_WAITING", 1)
    outage = Outage(world.farm().store.audit)
    trail = AuditTrail(replace(world.farm(), store=replace(world.farm().store, audit=outage)))

    def is_full() -> bool:
        try:
            trail.record(entry(world))
        except JobrunnerError:
            return True
        return False

    wait_until(is_full, 30, "the trail is full")
    trail.close(0.1)


def test_nobody_is_held_to_anything_who_needs_no_key(world: World) -> None:
    assert world.farm().caller == ANYBODY
    assert ANYBODY.limits.allows_task("any") and ANYBODY.limits.allows_image("any")

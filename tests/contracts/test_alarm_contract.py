"""What the alarms promise, on a Redis in memory and on a real one; and which of several schedulers leads."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
from redis import Redis
from rq.job import Job

from jobrunner.domain.identifiers import new_id
from jobrunner.engine.farm import SystemClock
from jobrunner.errors import QueueUnavailable, StoreUnavailable
from jobrunner.queueing import names
from jobrunner.queueing.ringing import Ringer
from jobrunner.queueing.rq_schedule import Leadership, RqTriggers
from tests.support.farm import wait_until


def ring(triggers: RqTriggers) -> list[str]:
    rung = triggers.due(10)
    triggers.settle(dict.fromkeys(rung))
    return rung


@pytest.fixture
def triggers(connection: Redis, farm_id: str) -> RqTriggers:
    return RqTriggers(connection, farm_id, SystemClock())


def test_an_alarm_rings_at_its_time_and_not_before(triggers: RqTriggers, execution_id: str) -> None:
    due_at = datetime.now(UTC) + timedelta(milliseconds=300)
    triggers.at(execution_id, due_at)
    asked_at = datetime.now(UTC)
    while not (rung := ring(triggers)):
        assert asked_at < due_at + timedelta(milliseconds=5)  # the clock of the farm has no more than milliseconds
        asked_at = datetime.now(UTC)
    assert datetime.now(UTC) >= due_at
    assert rung == [execution_id]
    assert ring(triggers) == []


def test_an_alarm_that_is_set_again_rings_once(triggers: RqTriggers, execution_id: str) -> None:
    for seconds in (3600, -2, -1):
        triggers.at(execution_id, datetime.now(UTC) + timedelta(seconds=seconds))
    assert ring(triggers) == [execution_id]


def test_an_alarm_that_is_cancelled_does_not_ring(connection: Redis, triggers: RqTriggers, execution_id: str) -> None:
    triggers.at(execution_id, datetime.now(UTC))
    triggers.cancel(execution_id)
    triggers.cancel(execution_id)
    assert ring(triggers) == []
    assert not connection.exists(Job.key_for(names.alarm(execution_id)))


def test_an_alarm_that_is_to_ring_again_rings_then(triggers: RqTriggers, execution_id: str) -> None:
    triggers.at(execution_id, datetime.now(UTC) - timedelta(seconds=1))
    triggers.settle({execution_id: datetime.now(UTC) + timedelta(seconds=3600)})
    assert triggers.due(10) == []
    assert triggers.without_alarm([execution_id]) == []
    triggers.settle({execution_id: SystemClock().now()})
    assert triggers.due(10) == [execution_id]


def test_an_alarm_that_was_cancelled_while_it_rang_does_not_ring_again(triggers: RqTriggers, execution_id: str) -> None:
    triggers.at(execution_id, datetime.now(UTC))
    triggers.cancel(execution_id)
    triggers.settle({execution_id: datetime.now(UTC)})
    assert triggers.due(10) == []


def test_executions_without_an_alarm_are_told(triggers: RqTriggers) -> None:
    ids = [new_id() for _ in range(4)]
    for there in ids[1:3]:
        triggers.at(there, datetime.now(UTC) + timedelta(seconds=60))
    assert triggers.without_alarm(ids) == [ids[0], ids[3]]
    assert triggers.without_alarm([]) == []


# ------------------------------------------------------------------------------------------------------------ ringing


@pytest.fixture
def ringers() -> Iterator[list[Ringer]]:
    made: list[Ringer] = []
    yield made
    for ringer in made:
        ringer.close()


def overdue(triggers: RqTriggers, count: int) -> list[str]:
    past = datetime.now(UTC) - timedelta(seconds=100)
    ids = [new_id() for _ in range(count)]
    for number, made in enumerate(ids):
        triggers.at(made, past + timedelta(milliseconds=number))
    return ids


def test_everything_that_is_due_is_fired_once_in_one_pass(triggers: RqTriggers, ringers: list[Ringer]) -> None:
    ids, fired = overdue(triggers, 500), []
    ringers.append(Ringer(triggers, fired.append, threads=8))
    ringers[0].ring(lambda: True)
    assert sorted(fired) == sorted(ids)
    assert triggers.due(10) == []
    assert triggers.without_alarm(ids) == ids


@pytest.mark.parametrize("error", [KeyError("a fault in the program"), StoreUnavailable("the test says so")])
def test_an_alarm_that_fails_keeps_no_other_from_ringing_and_rings_again(
    triggers: RqTriggers, ringers: list[Ringer], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AFTER_A_FAULT", "AFTER_AN_OUTAGE"):
        monkeypatch.setattr(f"jobrunner.queueing.ringing.{name}", timedelta(milliseconds=200))
    ids, fired = overdue(triggers, 20), Counter[str]()

    def fire(execution_id: str) -> None:
        fired[execution_id] += 1
        if execution_id == ids[3] and fired[execution_id] < 3:
            raise error

    ringers.append(Ringer(triggers, fire, threads=2))
    ringers[0].ring(lambda: True)
    assert fired == dict.fromkeys(ids, 1)
    assert triggers.without_alarm(ids) == [made for made in ids if made != ids[3]]

    def ring() -> bool:
        ringers[0].ring(lambda: True)
        return fired[ids[3]] == 3 and triggers.without_alarm(ids) == ids

    wait_until(ring, 30, "it has rung again, and again")


def test_an_alarm_that_is_slow_holds_up_no_other(triggers: RqTriggers, ringers: list[Ringer]) -> None:
    ids, fired, go_on = overdue(triggers, 300), [], threading.Event()

    def fire(execution_id: str) -> None:
        if execution_id == ids[0]:
            assert go_on.wait(10)
        fired.append(execution_id)

    ringers.append(Ringer(triggers, fire, threads=2))
    ringers[0].ring(lambda: len(fired) < 299)
    assert sorted(fired) == sorted(ids[1:])
    assert ids[0] not in triggers.without_alarm(ids)
    go_on.set()
    ringers[0].ring(lambda: True)
    assert triggers.without_alarm(ids) == ids


def test_what_was_fired_rings_again_where_redis_could_not_be_told(
    triggers: RqTriggers, ringers: list[Ringer], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, fired = overdue(triggers, 5), Counter[str]()
    ringers.append(Ringer(triggers, lambda execution_id: fired.update([execution_id]), threads=2))
    with monkeypatch.context() as patched:
        patched.setattr(triggers, "settle", Mock(side_effect=QueueUnavailable("the test says so")))
        with pytest.raises(QueueUnavailable):
            ringers[0].ring(lambda: True)
        wait_until(lambda: fired.total() == 5, 30, "all were fired")
    ringers[0].ring(lambda: True)
    assert set(fired) == set(ids)
    assert fired.total() > 5
    assert triggers.without_alarm(ids) == ids


# --------------------------------------------------------------------------------------------------------- leadership


@pytest.mark.services
def test_one_of_two_schedulers_leads(redis: Redis, farm_id: str) -> None:
    first, second = Leadership(redis, farm_id, "first"), Leadership(redis, farm_id, "second")
    assert first.hold()
    assert not second.hold()
    assert first.hold()
    assert 0 < redis.ttl(names.leader_key(farm_id)) <= Leadership.TTL_SECONDS


@pytest.mark.services
def test_a_lead_that_is_given_up_is_taken_at_once_and_only_its_holder_can_give_it_up(
    redis: Redis, farm_id: str
) -> None:
    first, second = Leadership(redis, farm_id, "first"), Leadership(redis, farm_id, "second")
    first.hold()
    second.release()
    assert not second.hold()
    first.release()
    assert second.hold()
    assert not first.hold()


@pytest.mark.services
def test_a_lead_that_is_not_refreshed_goes_to_another(
    redis: Redis, farm_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Leadership, "TTL_SECONDS", 1)
    first, second = Leadership(redis, farm_id, "first"), Leadership(redis, farm_id, "second")
    assert first.hold()
    deadline = time.monotonic() + 3
    while not second.hold():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not first.hold()


@pytest.mark.services
def test_two_farms_have_a_leader_each(redis: Redis, farm_id: str) -> None:
    assert Leadership(redis, farm_id, "first").hold()
    assert Leadership(redis, f"{farm_id}-other", "second").hold()

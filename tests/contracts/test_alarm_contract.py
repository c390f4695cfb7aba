"""What the alarms promise, on a Redis in memory and on a real one; and which of several schedulers leads."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis
from rq.job import Job

from jobrunner.domain.identifiers import new_id
from jobrunner.errors import StoreUnavailable
from jobrunner.queueing import names
from jobrunner.queueing.rq_schedule import Leadership, RqTriggers


def ring(triggers: RqTriggers) -> list[str]:
    rung: list[str] = []
    triggers.ring(rung.append, lambda: True)
    return rung


@pytest.fixture
def triggers(connection: Redis, farm_id: str) -> RqTriggers:
    return RqTriggers(connection, farm_id)


def test_an_alarm_rings_at_its_time_and_not_before(triggers: RqTriggers, execution_id: str) -> None:
    due_at = datetime.now(UTC) + timedelta(milliseconds=300)
    triggers.at(execution_id, due_at)
    while datetime.now(UTC) < due_at - timedelta(milliseconds=5):
        assert ring(triggers) == []
    while not (rung := ring(triggers)):
        assert datetime.now(UTC) < due_at + timedelta(milliseconds=200)
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


def test_an_alarm_that_fails_keeps_no_other_from_ringing_and_rings_again(triggers: RqTriggers) -> None:
    past = datetime.now(UTC) - timedelta(seconds=10)
    ids = [new_id() for _ in range(5)]
    for number, made in enumerate(ids):
        triggers.at(made, past + timedelta(seconds=number))
    rung = []

    def fire(execution_id: str) -> None:
        if execution_id == ids[1]:
            raise KeyError("a fault in the program")
        rung.append(execution_id)

    assert triggers.ring(fire, lambda: True) == 4
    assert rung == [ids[0], *ids[2:]]
    assert ring(triggers) == [ids[1]]


def test_a_service_that_is_away_ends_the_pass_and_loses_no_alarm(triggers: RqTriggers) -> None:
    past = datetime.now(UTC) - timedelta(seconds=10)
    ids = [new_id() for _ in range(3)]
    for number, made in enumerate(ids):
        triggers.at(made, past + timedelta(seconds=number))
    asked = []

    def fire(execution_id: str) -> None:
        asked.append(execution_id)
        if execution_id == ids[1]:
            raise StoreUnavailable("the test says so")

    with pytest.raises(StoreUnavailable):
        triggers.ring(fire, lambda: True)
    assert asked == ids[:2]
    assert ring(triggers) == ids[1:]


def test_more_alarms_than_a_batch_ring_in_one_pass_unless_it_is_to_end(
    triggers: RqTriggers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobrunner.queueing.rq_schedule.BATCH", 3)
    past = datetime.now(UTC) - timedelta(seconds=10)
    for _ in range(10):
        triggers.at(new_id(), past)
    rung: list[str] = []
    assert triggers.ring(rung.append, lambda: len(rung) < 4) == 4
    assert triggers.ring(rung.append, lambda: True) == 6
    assert len(set(rung)) == 10


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

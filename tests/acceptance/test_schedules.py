"""Jobs that start later: by delay, at an instant, by cron; stopped, expired, and given a new definition."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pytest

from tests.support.farm import Farm, wait_until

pytestmark = pytest.mark.services


def job_of(farm: Farm, accepted: dict[str, Any]) -> dict[str, Any]:
    answer = farm.http.get(accepted["jobUrl"], timeout=10)
    assert answer.status_code == 200, answer.text
    job: dict[str, Any] = answer.json()["job"]
    return job


def executions(farm: Farm, accepted: dict[str, Any], *statuses: str) -> list[dict[str, Any]]:
    """The executions of a job, of some statuses, the oldest first."""
    found = [e for e in job_of(farm, accepted)["executions"] if not statuses or e["status"] in statuses]
    return sorted(found, key=lambda execution: execution["createdAt"])


def late_by(execution: dict[str, Any]) -> float:
    """Seconds between when it was due and when it was enqueued."""
    (enqueued,) = [move["at"] for move in execution["history"] if move["status"] == "enqueued"]
    return (datetime.fromisoformat(enqueued) - datetime.fromisoformat(execution["dueAt"])).total_seconds()


def test_a_job_with_a_delay_starts_then_and_not_before(farm: Farm) -> None:
    accepted = farm.post_job("echo", "later", startIn="2s")
    assert accepted["executionId"] is None
    (waiting,) = executions(farm, accepted)
    assert waiting["status"] == "scheduled"
    assert job_of(farm, accepted)["scheduled"]
    (done,) = wait_until(lambda: executions(farm, accepted, "done"), 15, "it is done")
    assert 0 <= late_by(done) < 1.5
    assert done["log"] == "later\n"
    assert not job_of(farm, accepted)["scheduled"]


def test_a_job_starts_at_its_instant(farm: Farm) -> None:
    accepted = farm.post_job("true", startAt=time.time() + 1.5)
    (done,) = wait_until(lambda: executions(farm, accepted, "done"), 15, "it is done")
    assert 0 <= late_by(done) < 1.5


def test_an_instant_in_the_past_is_now(farm: Farm) -> None:
    accepted = farm.post_job("true", startAt=1_000_000_000)
    wait_until(lambda: executions(farm, accepted, "done"), 15, "it is done")


def test_a_cron_starts_again_and_again_until_it_is_stopped(farm: Farm) -> None:
    accepted = farm.post_job("echo", "tick", cron="* * * * * */2")
    done = wait_until(lambda: (d := executions(farm, accepted, "done")) and len(d) >= 3 and d, 30, "three are done")
    farm.http.post(f"{accepted['jobUrl'].rstrip('/')}/stop/", timeout=10)
    dues = [datetime.fromisoformat(execution["dueAt"]) for execution in done]
    assert len(set(dues)) == len(dues)
    assert all(due.second % 2 == 0 for due in dues)
    assert executions(farm, accepted, "scheduled") == []
    assert not job_of(farm, accepted)["scheduled"]
    count = job_of(farm, accepted)["executionCount"]
    time.sleep(3)  # longer than its interval
    assert job_of(farm, accepted)["executionCount"] == count


def test_a_stopped_delay_never_starts(farm: Farm) -> None:
    accepted = farm.post_job("true", startIn="2s")
    farm.http.post(f"{accepted['jobUrl'].rstrip('/')}/stop/", timeout=10)
    time.sleep(3)  # past its time
    (stopped,) = executions(farm, accepted)
    assert stopped["status"] == "stopped"
    assert stopped["metadata"]["container_id"] is None


def test_what_cannot_start_before_its_expiration_expires(farm: Farm) -> None:
    accepted = farm.post_job("true", startIn="2s", expiration=int(time.time()) + 1)
    (expired,) = wait_until(lambda: executions(farm, accepted, "expired"), 15, "it has expired")
    assert expired["cause"] == "expired"
    assert "did not start before its expiration" in expired["error"]
    assert expired["metadata"]["container_id"] is None


def test_a_new_definition_takes_the_place_of_the_old_schedule(farm: Farm) -> None:
    accepted = farm.post_job("echo", "old", startIn="1h")
    body = {"image": farm.image, "command": ["echo", "new"]}
    answer = farm.http.put(f"{accepted['jobUrl'].rstrip('/')}/", json=body, timeout=10)
    assert answer.status_code == 200, answer.text
    farm.wait_for_status(answer.json(), "done")
    assert [e["status"] for e in executions(farm, accepted)] == ["stopped", "done"]
    assert farm.output(answer.json(), "stdout") == b"new\n"

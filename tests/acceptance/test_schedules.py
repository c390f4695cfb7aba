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
    (done,) = wait_until(lambda: executions(farm, accepted, "done"), 30, "it is done")
    assert 0 <= late_by(done) < 1.5
    assert done["log"] == "later\n"
    assert not job_of(farm, accepted)["scheduled"]


def test_a_job_starts_at_its_instant(farm: Farm) -> None:
    accepted = farm.post_job("true", startAt=time.time() + 1.5)
    (done,) = wait_until(lambda: executions(farm, accepted, "done"), 30, "it is done")
    assert 0 <= late_by(done) < 1.5


def test_an_instant_in_the_past_is_now(farm: Farm) -> None:
    accepted = farm.post_job("true", startAt=1_000_000_000)
    wait_until(lambda: executions(farm, accepted, "done"), 30, "it is done")


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
    (expired,) = wait_until(lambda: executions(farm, accepted, "expired"), 30, "it has expired")
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


def post(farm: Farm, accepted: dict[str, Any], verb: str) -> tuple[int, dict[str, Any]]:
    answer = farm.http.post(f"{accepted['jobUrl'].rstrip('/')}/{verb}/", timeout=10)
    return answer.status_code, answer.json()


def test_a_paused_cron_starts_nothing_until_it_is_resumed(farm: Farm) -> None:
    accepted = farm.post_job("true", cron="* * * * * */2")
    reference = {key: accepted[key] for key in ("jobId", "jobUrl", "taskId", "taskUrl")}
    wait_until(lambda: executions(farm, accepted, "done"), 30, "one is done")
    assert post(farm, accepted, "pause") == (200, {**reference, "schedule": "paused"})
    assert post(farm, accepted, "pause") == (200, {**reference, "schedule": "was paused already"})
    paused = job_of(farm, accepted)
    assert paused["pausedAt"] is not None
    assert paused["nextTimes"] == []
    started = len([e for e in executions(farm, accepted) if e["status"] not in ("scheduled", "expired")])
    time.sleep(4)  # twice its interval
    assert len([e for e in executions(farm, accepted) if e["status"] not in ("scheduled", "expired")]) == started
    assert post(farm, accepted, "resume") == (200, {**reference, "schedule": "resumed"})
    assert post(farm, accepted, "resume") == (200, {**reference, "schedule": "was not paused"})
    assert len(job_of(farm, accepted)["nextTimes"]) == 5
    wait_until(lambda: len(executions(farm, accepted, "done")) > started, 30, "it has started again")
    post(farm, accepted, "stop")
    status, answer = post(farm, accepted, "pause")
    assert (status, answer["errors"][0]["reason"]) == (409, "was stopped: its schedule has ended")


def test_a_job_without_a_schedule_cannot_be_paused(farm: Farm) -> None:
    accepted = farm.post_job("true")
    status, answer = post(farm, accepted, "pause")
    assert status == 409
    assert "has no schedule" in answer["error"]


def spans(farm: Farm, accepted: dict[str, Any], *statuses: str) -> list[tuple[datetime, datetime]]:
    """When the containers of a job ran, the earliest first."""
    ran = [e for e in executions(farm, accepted, *statuses) if e["startedAt"] and e["finishedAt"]]
    return sorted((datetime.fromisoformat(e["startedAt"]), datetime.fromisoformat(e["finishedAt"])) for e in ran)


@pytest.mark.parametrize(("overlap", "status"), [("skip", "done"), ("replace", "stopped")])
def test_containers_of_a_cron_that_may_not_overlap_never_do(farm: Farm, overlap: str, status: str) -> None:
    accepted = farm.post_job("sleep", "4", cron="* * * * * */2", overlap=overlap, stopGrace=1)
    wait_until(lambda: len(spans(farm, accepted, status)) >= 2, 120, f"two have run and are {status}")
    post(farm, accepted, "stop")
    over = ("done", "stopped", "expired")
    wait_until(lambda: len(executions(farm, accepted, *over)) == len(executions(farm, accepted)), 30, "all is over")
    ran = spans(farm, accepted)
    assert len(ran) >= 2
    assert all(earlier[1] <= later[0] for earlier, later in zip(ran, ran[1:], strict=False))  # noqa: RUF007


def test_misfire_overlap_and_jitter_need_a_cron(farm: Farm) -> None:
    for key, value in {"misfire": {}, "overlap": "skip", "jitterSeconds": 5}.items():
        body = {"image": farm.image, key: value, "startIn": "1h"}
        answer = farm.http.post(f"{farm.url}/tasks/test/", json=body, timeout=10)
        assert answer.status_code == 400
        assert answer.json()["errors"] == [{"field": key, "reason": "can be given only with cron"}]

"""Stopping through the API, at every stage; and time limits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.contracts.executor_registry import STUCK_LAYER, STUCK_MANIFEST, registry
from tests.support.containers import IGNORES_SIGTERM, SAYS_BYE
from tests.support.farm import Farm, wait_until

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def small_farm(make_farm: Any) -> Iterator[Farm]:
    """A farm whose worker has one slot, and may be ended."""
    farm = make_farm(slots=1)
    farm.start_all("one")
    yield farm
    farm.end_all()


def stop(farm: Farm, accepted: dict[str, Any], what: str = "executionUrl") -> dict[str, Any]:
    answer = farm.http.post(f"{accepted[what].rstrip('/')}/stop/", timeout=10)
    assert answer.status_code == 200, answer.text
    stopped: dict[str, Any] = answer.json()
    return stopped


def printed(farm: Farm, accepted: dict[str, Any], text: bytes) -> None:
    wait_until(lambda: farm.output(accepted, "stdout") == text, 30, f"it has printed {text!r}")


def test_a_running_execution_gets_sigterm_and_its_last_words_are_kept(farm: Farm) -> None:
    accepted = farm.post_job(*SAYS_BYE)
    printed(farm, accepted, b"up\n")
    stop(farm, accepted)
    ended = farm.wait_for_end(accepted)
    assert (ended["status"], ended["exitCode"]) == ("stopped", 0)
    assert farm.output(accepted, "stdout") == b"up\nbye\n"


def test_what_ignores_sigterm_is_killed_after_its_grace(farm: Farm) -> None:
    accepted = farm.post_job(*IGNORES_SIGTERM, stopGrace=1)
    printed(farm, accepted, b"up\n")
    stop(farm, accepted)
    ended = farm.wait_for_end(accepted)
    assert (ended["status"], ended["exitCode"]) == ("stopped", 137)


def test_stopping_twice_and_stopping_what_is_over_changes_nothing(farm: Farm) -> None:
    accepted = farm.post_job(*SAYS_BYE)
    printed(farm, accepted, b"up\n")
    for _ in range(3):
        stop(farm, accepted)
    ended = farm.wait_for_end(accepted)
    stop(farm, accepted)
    assert farm.execution(accepted) == ended
    done = farm.post_job("true")
    farm.wait_for_status(done, "done")
    stop(farm, done)
    assert farm.execution(done)["status"] == "done"


def test_stopping_a_job_stops_what_it_runs_and_its_retries(farm: Farm) -> None:
    accepted = farm.post_job(*SAYS_BYE, retries=5)
    printed(farm, accepted, b"up\n")
    stop(farm, accepted, "jobUrl")
    assert farm.wait_for_end(accepted)["status"] == "stopped"
    job = farm.http.get(accepted["jobUrl"], timeout=10).json()["job"]
    assert job["executionCount"] == 1
    assert job["stoppedAt"] is not None


def test_what_waits_on_the_queue_is_stopped_at_once_and_never_starts(small_farm: Farm) -> None:
    blocking = small_farm.post_job(*SAYS_BYE)
    printed(small_farm, blocking, b"up\n")
    waiting = small_farm.post_job("echo", "never")
    stop(small_farm, waiting)
    ended = small_farm.execution(waiting)
    assert (ended["status"], ended["metadata"]["container_id"]) == ("stopped", None)
    stop(small_farm, blocking)
    small_farm.wait_for_end(blocking)
    after = small_farm.post_job("echo", "after")
    small_farm.wait_for_status(after, "done")
    assert small_farm.execution(waiting) == ended
    assert small_farm.output(waiting, "stdout") == b""


def test_a_stop_while_the_worker_is_down_is_carried_out_when_it_is_back(small_farm: Farm) -> None:
    accepted = small_farm.post_job(*SAYS_BYE)
    printed(small_farm, accepted, b"up\n")
    small_farm.end("one")
    stop(small_farm, accepted)
    assert small_farm.execution(accepted)["status"] == "running"
    small_farm.start_worker("one")
    ended = small_farm.wait_for_end(accepted)
    assert (ended["status"], ended["exitCode"]) == ("stopped", 0)
    assert small_farm.output(accepted, "stdout") == b"up\nbye\n"


@pytest.mark.parametrize("name", [STUCK_MANIFEST, STUCK_LAYER])
def test_a_stop_while_the_image_is_pulled_ends_the_pull(farm: Farm, name: str) -> None:
    with registry() as stuck:
        accepted = farm.post_job("true", image=stuck.image(name), retries=3)
        assert stuck.asked.wait(20)
        assert stop(farm, accepted)["stopped"] == "stopping"
        ended = farm.wait_for_end(accepted)
    assert (ended["status"], ended["metadata"]["container_id"]) == ("stopped", None)
    assert [move["status"] for move in ended["history"]] == ["enqueued", "pulling", "stopped"]


def test_stopping_a_job_says_how_much_it_stopped_and_the_second_time_that_nothing_is_left(small_farm: Farm) -> None:
    running = small_farm.post_job(*SAYS_BYE)
    printed(small_farm, running, b"up\n")
    for _ in range(2):
        answer = small_farm.http.post(f"{running['jobUrl']}/retry/", timeout=10)
        assert answer.status_code == 200, answer.text
    did = stop(small_farm, running, "jobUrl")
    assert (did["stopped"], did["alreadyStopped"]) == ({"beforeStart": 2, "stopping": 1}, False)
    stopped_at = small_farm.http.get(running["jobUrl"], timeout=10).json()["job"]["stoppedAt"]
    small_farm.wait_for_status(running, "stopped")
    did = stop(small_farm, running, "jobUrl")
    assert (did["stopped"], did["alreadyStopped"]) == ({"beforeStart": 0, "stopping": 0}, True)
    job = small_farm.http.get(running["jobUrl"], timeout=10).json()["job"]
    assert job["stoppedAt"] == stopped_at
    assert [execution["status"] for execution in job["executions"]] == ["stopped"] * 3


def test_stopping_an_execution_does_not_end_its_schedule_and_stopping_the_job_does(farm: Farm) -> None:
    accepted = farm.post_job("sleep", "100", cron="* * * * * */2", stopGrace=0)

    def of_status(status: str) -> list[dict[str, Any]]:
        found = farm.http.get(accepted["jobUrl"], timeout=10).json()["job"]["executions"]
        return [execution for execution in found if execution["status"] == status]

    def stop_one(status: str) -> str:
        execution = wait_until(lambda: of_status(status), 30, f"one is {status}")[-1]
        url = f"{accepted['jobUrl']}/executions/{execution['executionId']}"
        stop(farm, {"executionUrl": url})
        wait_until(lambda: execution["executionId"] in {e["executionId"] for e in of_status("stopped")}, 30, "stopped")
        return str(execution["createdAt"])

    for status in ("running", "scheduled"):
        made_at = stop_one(status)
        wait_until(lambda at=made_at: [e for e in of_status("running") if e["createdAt"] > at], 30, "a later one runs")
    stop(farm, accepted, "jobUrl")
    wait_until(lambda: not (of_status("running") or of_status("scheduled")), 30, "all are stopped")
    count = farm.http.get(accepted["jobUrl"], timeout=10).json()["job"]["executionCount"]
    time.sleep(3)  # longer than its interval
    assert farm.http.get(accepted["jobUrl"], timeout=10).json()["job"]["executionCount"] == count


def test_what_runs_too_long_is_timedout_with_its_output(farm: Farm) -> None:
    accepted = farm.post_job(*SAYS_BYE, timeout=1)
    ended = farm.wait_for_end(accepted)
    assert (ended["status"], ended["cause"]) == ("timedout", "timeout")
    assert "longer than its timeout of 1 s" in ended["error"]
    assert farm.output(accepted, "stdout") == b"up\nbye\n"


def test_what_ends_within_its_timeout_is_done(farm: Farm) -> None:
    accepted = farm.post_job("sh", "-c", "sleep 0.5; echo in time", timeout=20)
    assert farm.wait_for_end(accepted)["status"] == "done"

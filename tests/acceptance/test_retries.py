"""Retries, on a whole farm: which outcomes are tried again and when, what links the attempts, and what ends them."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import pytest

from tests.support.containers import SAYS_BYE, containers_of
from tests.support.farm import Farm, wait_until

pytestmark = pytest.mark.services

ENDS = {"done", "failed", "timedout", "stopped", "expired", "lost"}
AT_ONCE = {"firstDelaySeconds": 0.1}
IN_A_MINUTE = {"firstDelaySeconds": 60}


def job_of(farm: Farm, accepted: dict[str, Any]) -> dict[str, Any]:
    answer = farm.http.get(accepted["jobUrl"], timeout=10)
    assert answer.status_code == 200, answer.text
    job: dict[str, Any] = answer.json()["job"]
    return job


def attempts(farm: Farm, accepted: dict[str, Any]) -> list[dict[str, Any]]:
    """All executions of a job, the first attempt first. (A job shows what waits for its time last.)"""
    return sorted(job_of(farm, accepted)["executions"], key=lambda execution: execution["attempt"])


def ended(farm: Farm, accepted: dict[str, Any], count: int, seconds: float = 30) -> list[dict[str, Any]]:
    """The attempts, once there are so many and all are over."""

    def are_over() -> list[dict[str, Any]] | None:
        found = attempts(farm, accepted)
        return found if len(found) == count and {e["status"] for e in found} <= ENDS else None

    return wait_until(are_over, seconds, f"{count} attempts are over")


def waiting(farm: Farm, accepted: dict[str, Any]) -> dict[str, Any]:
    """The second attempt, once it waits for its time."""

    def waits() -> dict[str, Any] | None:
        found = attempts(farm, accepted)
        return found[1] if len(found) == 2 and found[1]["status"] == "scheduled" else None

    return wait_until(waits, 30, "a retry waits for its time")


def assert_no_more_than(farm: Farm, accepted: dict[str, Any], count: int) -> None:
    """A retry would have come by then: AT_ONCE."""
    time.sleep(2)
    assert job_of(farm, accepted)["executionCount"] == count


def stop(farm: Farm, url: str) -> Any:
    answer = farm.http.post(f"{url.rstrip('/')}/stop/", timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


# ------------------------------------------------------------------------------------------ attempts and waits


def test_each_attempt_is_an_execution_with_its_number_and_links_to_its_neighbours(farm: Farm) -> None:
    policy = {"firstDelaySeconds": 0.4, "factor": 3, "jitter": 0.1, "on": ["exitCode"], "exitCodes": [75]}
    accepted = farm.post_job("sh", "-c", "exit 75", retries=2, retryPolicy=policy)
    first, second, third = chain = ended(farm, accepted, 3)
    assert [e["attempt"] for e in chain] == [1, 2, 3]
    assert [e["retriedFrom"] for e in chain] == [None, first["executionId"], second["executionId"]]
    assert [e["retriedBy"] for e in chain] == [second["executionId"], third["executionId"], None]
    metadata = job_of(farm, accepted)["metadata"]
    assert (metadata["retries"], metadata["retryPolicy"], metadata["retry_count"]) == (2, policy, 2)
    listed = farm.http.get(f"{accepted['jobUrl']}/executions/", timeout=10).json()["items"]
    assert [item["attempt"] for item in listed] == [3, 2, 1]
    for (before, after), wait_seconds in zip(((first, second), (second, third)), (0.4, 1.2), strict=True):
        due_at, finished_at = (datetime.fromisoformat(at) for at in (after["dueAt"], before["finishedAt"]))
        assert (due_at - finished_at).total_seconds() == pytest.approx(wait_seconds, rel=0.11)
        assert after["startedAt"] >= after["dueAt"]


def test_a_policy_without_retries_is_refused_in_words(farm: Farm) -> None:
    body = {"image": farm.image, "retryPolicy": {"on": ["lost"]}}
    answer = farm.http.post(f"{farm.url}/tasks/test/", json=body, timeout=10)
    assert answer.status_code == 400
    assert answer.json()["error"] == "retryPolicy: is of no use without retries: give `retries` too, 1 or more"


# --------------------------------------------------------------------------------------------------- outcomes

NOT_THERE = {"image": "jobrunner/no-such-image:1", "pullPolicy": "never"}


@pytest.mark.parametrize(
    ("command", "spec", "word"),
    [
        (("sh", "-c", "exit 3"), {}, "exitCode"),
        (("sh", "-c", "kill -9 $$; exit 137"), {}, "killed"),
        (("sleep", "100"), {"timeout": 1, "stopGrace": 0}, "timeout"),
        (("true",), NOT_THERE, "imageNotFound"),
        (("no-such-command",), {}, "commandNotFound"),
        (("/etc",), {}, "commandNotExecutable"),
    ],
)
def test_an_outcome_is_tried_again_where_the_policy_names_it_and_not_where_it_does_not(
    farm: Farm, command: tuple[str, ...], spec: dict[str, Any], word: str
) -> None:
    others = [name for name in ("exitCode", "killed", "timeout", "lost", "imagePull") if name != word]
    named = farm.post_job(*command, retries=1, retryPolicy={**AT_ONCE, "on": [word]}, **spec)
    not_named = farm.post_job(*command, retries=1, retryPolicy={**AT_ONCE, "on": others}, **spec)
    ended(farm, named, 2)
    ended(farm, not_named, 1)
    assert_no_more_than(farm, not_named, 1)


def test_an_exit_code_that_is_not_listed_is_not_tried_again(farm: Farm) -> None:
    accepted = farm.post_job("sh", "-c", "exit 3", retries=1, retryPolicy={**AT_ONCE, "exitCodes": [1, 75]})
    ended(farm, accepted, 1)
    assert_no_more_than(farm, accepted, 1)


def test_a_container_that_is_killed_from_outside_is_tried_again_where_the_policy_says_so(farm: Farm) -> None:
    accepted = farm.post_job(*SAYS_BYE, retries=1, retryPolicy={**AT_ONCE, "on": ["killed"]})
    execution = farm.wait_for_status(accepted, "running")
    with containers_of(farm) as found:
        (container,) = [c for c in found if c.id == execution["metadata"]["container_id"]]
        container.kill()
    second = wait_until(lambda: attempts(farm, accepted)[1:], 30, "it is tried again")[0]
    stop(farm, accepted["jobUrl"])
    assert [e["status"] for e in ended(farm, accepted, 2)] == ["failed", "stopped"]
    assert second["attempt"] == 2


# ------------------------------------------------------------------------------------------------- what ends it


def test_a_stop_of_the_job_during_the_back_off_ends_it(farm: Farm) -> None:
    accepted = farm.post_job("sh", "-c", "exit 1", retries=5, retryPolicy=IN_A_MINUTE)
    retry = waiting(farm, accepted)
    assert stop(farm, accepted["jobUrl"])["stopped"] == {"beforeStart": 1, "stopping": 0}
    _, stopped = ended(farm, accepted, 2)
    assert (stopped["executionId"], stopped["status"]) == (retry["executionId"], "stopped")
    assert stopped["metadata"]["container_id"] is None
    assert stop(farm, accepted["jobUrl"])["alreadyStopped"]


def test_a_stop_of_the_failed_attempt_during_the_back_off_ends_it(farm: Farm) -> None:
    accepted = farm.post_job("sh", "-c", "exit 1", retries=5, retryPolicy=IN_A_MINUTE)
    waiting(farm, accepted)
    what = stop(farm, accepted["executionUrl"])["stopped"]
    assert what == "already over; the next attempt is stopped before it started"
    assert stop(farm, accepted["executionUrl"])["stopped"] == "already over"
    assert [e["status"] for e in ended(farm, accepted, 2)] == ["failed", "stopped"]


def test_what_is_stopped_while_it_runs_is_not_tried_again(farm: Farm) -> None:
    line = "trap 'exit 9' TERM; echo up; while :; do sleep 0.1; done"
    accepted = farm.post_job("sh", "-c", line, retries=5, retryPolicy=AT_ONCE)
    wait_until(lambda: farm.output(accepted, "stdout"), 30, "it is up")
    assert stop(farm, accepted["executionUrl"])["stopped"] == "stopping"
    execution = farm.wait_for_end(accepted)
    assert (execution["status"], execution["exitCode"]) == ("stopped", 9)
    assert_no_more_than(farm, accepted, 1)


def test_a_retry_that_comes_too_late_expires_and_says_so(farm: Farm) -> None:
    policy = {"firstDelaySeconds": 4}
    expiration = int(time.time()) + 3
    accepted = farm.post_job("sh", "-c", "exit 1", retries=5, retryPolicy=policy, expiration=expiration)
    first, second = ended(farm, accepted, 2)
    assert (first["status"], second["status"], second["cause"]) == ("failed", "expired", "expired")
    assert "did not start before its expiration" in second["error"]
    assert (second["attempt"], second["metadata"]["container_id"]) == (2, None)


# ---------------------------------------------------------------------------------------------------- by hand


def test_what_is_run_again_by_hand_is_tried_again_unless_its_job_was_stopped(farm: Farm) -> None:
    accepted = farm.post_job("sh", "-c", "exit 1", retries=1, retryPolicy=AT_ONCE)
    ended(farm, accepted, 2)
    again = farm.http.post(f"{accepted['jobUrl']}/retry/", timeout=10)
    assert again.status_code == 200, again.text
    assert sorted(e["attempt"] for e in ended(farm, accepted, 4)) == [1, 1, 2, 2]
    stop(farm, accepted["jobUrl"])
    again = farm.http.post(f"{accepted['jobUrl']}/retry/", timeout=10)
    assert again.status_code == 200, again.text
    assert ended(farm, accepted, 5)[-1]["status"] == "failed"
    assert_no_more_than(farm, accepted, 5)

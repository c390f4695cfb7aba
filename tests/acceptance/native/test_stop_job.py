"""The document's section "Stop Job": POST /tasks/<task-id>/job/<job-id>/stop/."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.containers import container_ids
from tests.support.farm import Farm, wait_until
from tests.support.native_api import (
    assert_like,
    assert_wrong_jobs_are_refused,
    assert_wrong_methods_are_refused,
    call,
    document,
    example,
    job_path,
    spellings,
)

pytestmark = pytest.mark.services


def stop(farm: Farm, posted: dict[str, Any]) -> Any:
    return document(call(farm, "POST", job_path(posted, "stop/")))


def job_of(farm: Farm, posted: dict[str, Any]) -> dict[str, Any]:
    job: dict[str, Any] = document(call(farm, "GET", job_path(posted)))["job"]
    return job


def test_the_last_execution_is_stopped_and_the_answer_is_the_document_s(farm: Farm) -> None:
    posted = farm.post_job("sleep", "100", task="test-wrkng", stopGrace=0)
    container_id = farm.wait_for_status(posted, "running")["metadata"]["container_id"]
    answer = stop(farm, posted)
    assert_like(farm, "stop_job.json", answer)
    did = {"stopped": {"beforeStart": 0, "stopping": 1}, "alreadyStopped": False}
    assert answer == {key: posted[key] for key in example("stop_job.json")} | did
    ended = farm.wait_for_end(posted)
    assert (ended["status"], ended["exitCode"]) == ("stopped", 137)
    wait_until(lambda: container_id not in container_ids(farm), 30, "its container is gone")


def test_a_recurring_job_does_not_start_any_more(farm: Farm, post_recurring: Callable[..., dict[str, Any]]) -> None:
    posted = post_recurring("true")
    wait_until(lambda: job_of(farm, posted)["executionCount"] > 1, 30, "it has started")
    stop(farm, posted)
    stopped = job_of(farm, posted)
    assert (stopped["scheduled"], stopped["nextTimes"]) == (False, [])
    time.sleep(3)  # longer than from one time to the next
    assert job_of(farm, posted)["executionCount"] == stopped["executionCount"]


def test_a_job_that_waits_for_its_time_never_starts(farm: Farm) -> None:
    posted = farm.post_job("true", startIn="1s")
    stop(farm, posted)
    time.sleep(2)  # past its time
    (run,) = job_of(farm, posted)["executions"]
    assert (run["status"], run["startedAt"], run["metadata"]["container_id"]) == ("stopped", None, None)


def test_a_job_is_not_tried_again(farm: Farm) -> None:
    posted = farm.post_job("false", retries=5)
    farm.wait_for_status(posted, "failed")
    stop(farm, posted)
    runs = wait_until(lambda: all_over(job_of(farm, posted)["executions"]), 30, "nothing runs any more")
    time.sleep(1.5)  # longer than the pause before the next attempt
    assert len(job_of(farm, posted)["executions"]) == len(runs) < 6


def all_over(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The executions, where all have come to an end."""
    return runs if all(run["status"] in ("failed", "stopped") for run in runs) else []


def test_a_job_that_is_over_is_stopped_without_a_change_and_in_all_spellings(farm: Farm) -> None:
    posted = farm.post_job("true", task="test-wrkng")
    ended = farm.wait_for_status(posted, "done")
    for path in spellings(job_path(posted, "stop/")):
        assert_like(farm, "stop_job.json", document(call(farm, "POST", path)))
    assert farm.execution(posted) == ended


def test_the_urls_of_the_answer_lead_to_the_task_and_the_job(farm: Farm, elsewhere: dict[str, Any]) -> None:
    answer = stop(farm, elsewhere)
    assert document(call(farm, "GET", answer["taskUrl"]))["taskId"] == answer["taskId"]
    assert document(call(farm, "GET", answer["jobUrl"]))["job"]["jobId"] == answer["jobId"]


def test_a_job_that_is_not_there_is_told(farm: Farm, documented: dict[str, Any], elsewhere: dict[str, Any]) -> None:
    assert_wrong_jobs_are_refused(farm, "POST", documented, elsewhere, "stop/")


def test_only_post_is_allowed(farm: Farm, documented: dict[str, Any]) -> None:
    assert_wrong_methods_are_refused(farm, job_path(documented, "stop/"), "POST")

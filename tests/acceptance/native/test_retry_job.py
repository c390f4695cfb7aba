"""The document's section "Retry Job", which it leaves open: POST /tasks/<task-id>/job/<job-id>/retry/ runs it again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.farm import Farm
from tests.support.native_api import (
    assert_like,
    assert_refused,
    assert_wrong_jobs_are_refused,
    assert_wrong_methods_are_refused,
    call,
    document,
    job_path,
    spellings,
    text,
)

pytestmark = pytest.mark.services


def retry(farm: Farm, posted: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = document(call(farm, "POST", job_path(posted, "retry/")))
    return answer


def test_the_job_runs_again_now_and_is_answered_as_when_it_was_posted(farm: Farm) -> None:
    posted = farm.post_job("sh", "-c", 'echo "$WORD"; exit 3', task="test-wrkng", envs={"WORD": "again"})
    farm.wait_for_end(posted)
    again = retry(farm, posted)
    assert_like(farm, "enqueue_job.json", again)
    assert again["jobId"] == posted["jobId"]
    assert again["executionId"] not in (None, posted["executionId"])
    ended = farm.wait_for_end(again)
    assert (ended["exitCode"], ended["log"]) == (3, "again\n")
    assert (ended["attempt"], ended["retriedFrom"]) == (1, posted["executionId"])
    job = document(call(farm, "GET", posted["jobUrl"]))["job"]
    assert (job["executionCount"], job["metadata"]["enqueued_id"]) == (2, again["queueJobId"])


def test_all_spellings_run_it_again(farm: Farm) -> None:
    posted = farm.post_job("true", task="test-wrkng")
    runs = [document(call(farm, "POST", path)) for path in spellings(job_path(posted, "retry/"))]
    for run in runs:
        assert farm.wait_for_end(run)["status"] == "done"
    assert len({run["executionId"] for run in runs}) == 4


def test_a_stopped_job_is_run_again_by_hand(farm: Farm) -> None:
    posted = farm.post_job("sleep", "100", stopGrace=0)
    farm.wait_for_status(posted, "running")
    call(farm, "POST", job_path(posted, "stop/"))
    farm.wait_for_end(posted)
    again = retry(farm, posted)
    farm.wait_for_status(again, "running")
    call(farm, "POST", job_path(posted, "stop/"))
    assert farm.wait_for_end(again)["status"] == "stopped"


def test_a_job_that_waits_for_its_time_runs_now_and_then(farm: Farm) -> None:
    posted = farm.post_job("echo", "now", startIn="1h")
    farm.wait_for_end(retry(farm, posted))
    job = document(call(farm, "GET", posted["jobUrl"]))["job"]
    assert [run["status"] for run in job["executions"]] == ["done", "scheduled"]
    assert job["scheduled"]
    assert text(call(farm, "GET", job_path(posted, "stdout/"))) == b"now\n"


def test_a_job_whose_expiration_has_passed_is_not_run_again(farm: Farm) -> None:
    posted = farm.post_job("true", expiration=1_000_000_000)
    assert farm.wait_for_end(posted)["status"] == "expired"
    assert "passed" in assert_refused(call(farm, "POST", job_path(posted, "retry/")), 409, "expiration")


def test_a_job_that_is_not_there_is_told(farm: Farm, documented: dict[str, Any], elsewhere: dict[str, Any]) -> None:
    assert_wrong_jobs_are_refused(farm, "POST", documented, elsewhere, "retry/")


def test_only_post_is_allowed(farm: Farm, documented: dict[str, Any]) -> None:
    assert_wrong_methods_are_refused(farm, job_path(documented, "retry/"), "POST")

"""The document's section "Job Details": GET /tasks/<task-id>/job/<job-id>/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.documented import more_keys
from tests.support.farm import Farm, wait_until
from tests.support.native_api import (
    assert_like,
    assert_refused,
    assert_wrong_jobs_are_refused,
    call,
    document,
    example,
    job_path,
    spellings,
    text,
)

pytestmark = pytest.mark.services

OURS = {
    *("job.jobId", "job.url", "job.stoppedAt", "job.nextTimes", "job.requestIPAddress", "job.metadata.custom"),
    *("job.page", "job.perPage", "job.hasNext", "job.hasPrev", "job.nextUrl", "job.prevUrl"),
    *("job.executions.*.executionId", "job.executions.*.url", "job.executions.*.requestIPAddress"),
    *("job.executions.*.attempt", "job.executions.*.retriedFrom", "job.executions.*.dueAt", "job.executions.*.node"),
    *("job.executions.*.cause", "job.executions.*.reason", "job.executions.*.oomKilled", "job.executions.*.history"),
    *("job.executions.*.stopRequestedAt", "job.executions.*.logTruncated"),
}


def test_a_job_is_shown_as_in_the_document(farm: Farm, documented: dict[str, Any]) -> None:
    listing = text(call(farm, "GET", job_path(documented, "stdout/"))).decode()
    but = {
        "job.executions.*.log": listing,
        "job.executions.*.metadata.docker_port": None,  # this Engine is spoken to through a unix socket
    }
    answers = [document(call(farm, "GET", path)) for path in sorted(spellings(job_path(documented)))]
    for answer in answers:
        assert_like(farm, "job_details.json", answer, but)
        assert more_keys(example("job_details.json"), answer) >= OURS
    assert answers == [answers[0]] * 4
    job, (run,) = answers[0]["job"], answers[0]["job"]["executions"]
    assert job["metadata"]["enqueued_id"] == documented["queueJobId"]
    assert job["createdAt"] <= run["createdAt"] <= run["startedAt"] <= run["finishedAt"] <= job["lastModifiedAt"]


def test_the_urls_lead_to_the_task_the_job_and_its_executions(farm: Farm, documented: dict[str, Any]) -> None:
    answer = document(call(farm, "GET", documented["jobUrl"]))
    assert answer["task"] == {"id": documented["taskId"], "url": documented["taskUrl"]}
    assert answer["job"]["url"] == documented["jobUrl"]
    (run,) = answer["job"]["executions"]
    assert document(call(farm, "GET", run["url"]))["execution"]["executionId"] == run["executionId"]


def test_a_job_that_has_not_ended_has_the_keys_of_one_that_has(farm: Farm, unstarted: dict[str, Any]) -> None:
    but = dict.fromkeys(
        [f"job.executions.*.{key}" for key in ("exitCode", "finishedAt", "startedAt")]
        + [f"job.executions.*.metadata.{key}" for key in ("container_id", "docker_host", "docker_port")]
    )
    but |= {"job.executions.*.log": "", "job.executions.*.status": "scheduled", "job.scheduled": True}
    but |= {"job.executions.*.command": ["true"], "job.executions.*.image": farm.image}
    answer = document(call(farm, "GET", unstarted["jobUrl"]))
    assert_like(farm, "job_details.json", answer, but)
    assert answer["job"]["nextTimes"] == [answer["job"]["executions"][0]["dueAt"]]


def test_the_first_page_has_the_last_twenty_executions_and_the_second_those_before(farm: Farm) -> None:
    posted = farm.post_job("true", startIn="1h")
    made = [posted["queueJobId"], *(update(farm, posted) for _ in range(20))]
    (*withdrawn, waiting) = made
    only = document(call(farm, "GET", job_path(posted)))["job"]
    assert [run["executionId"] for run in only["executions"]] == [*reversed(withdrawn), waiting]
    assert (only["executionCount"], only["hasNext"], only["nextUrl"]) == (21, False, None)

    made.append(update(farm, posted))
    first = document(call(farm, "GET", job_path(posted)))["job"]
    second = document(call(farm, "GET", f"{job_path(posted)}?page=2"))["job"]
    assert [run["executionId"] for run in first["executions"]] == made[20:0:-1]
    assert [run["executionId"] for run in second["executions"]] == [made[0], made[21]]
    assert first["executionCount"] == second["executionCount"] == 22
    assert (first["hasNext"], second["hasNext"], second["hasPrev"]) == (True, False, True)
    assert first["metadata"]["enqueued_id"] == second["metadata"]["enqueued_id"] == made[21]
    assert document(call(farm, "GET", first["nextUrl"]))["job"] == second
    assert document(call(farm, "GET", second["prevUrl"]))["job"] == first
    assert document(call(farm, "GET", f"{job_path(posted)}?page=3"))["job"]["executions"] == []


def update(farm: Farm, posted: dict[str, Any]) -> str:
    """Give the job its definition again: the execution that waited is withdrawn; the id of the new one."""
    updated = document(call(farm, "PUT", posted["jobUrl"], json={"image": farm.image, "startIn": "1h"}))
    made: str = updated["queueJobId"]
    return made


def test_of_a_recurring_job_the_executions_to_come_are_shown_after_those_that_were(
    farm: Farm, post_recurring: Callable[..., dict[str, Any]]
) -> None:
    posted = post_recurring("true")

    def statuses() -> list[str]:
        return [run["status"] for run in document(call(farm, "GET", posted["jobUrl"]))["job"]["executions"]]

    # Both at one look: between the looks for what waits and for the rest, one's time may have come.
    shown = wait_until(lambda: {"done", "scheduled"} <= set(now := statuses()) and now, 30, "one is done, one to come")
    assert shown == sorted(shown, key=lambda status: status == "scheduled")


@pytest.mark.parametrize("page", ["0", "x", ""])
def test_a_page_that_is_no_number_is_refused(farm: Farm, documented: dict[str, Any], page: str) -> None:
    assert_refused(call(farm, "GET", f"{job_path(documented)}?page={page}"), 400, "page")


def test_a_job_that_is_not_there_is_told(farm: Farm, documented: dict[str, Any], elsewhere: dict[str, Any]) -> None:
    assert_wrong_jobs_are_refused(farm, "GET", documented, elsewhere)

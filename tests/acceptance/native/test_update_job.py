"""The document's section "Enqueue/Update Job": PUT /tasks/<task-id>/jobs/<job-id>/."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.support.documented import more_keys
from tests.support.farm import Farm
from tests.support.native_api import (
    assert_like,
    assert_refused,
    assert_wrong_methods_are_refused,
    call,
    document,
    example,
    spellings,
    text,
)

pytestmark = pytest.mark.services

OURS = {"executionId", "executionUrl"}


def put(farm: Farm, path: str, **body: Any) -> Any:
    return document(call(farm, "PUT", path, json={"image": "task1"} | body))


def test_the_example_makes_the_job_runs_it_and_is_answered_as_the_document_shows(farm: Farm) -> None:
    job_id = str(uuid.uuid4())
    request = example("update_job.request.json")
    accepted = document(call(farm, "PUT", f"/tasks/test-wrkng/jobs/{job_id}/", json=request))
    assert_like(farm, "update_job.json", accepted)
    assert more_keys(example("update_job.json"), accepted) >= OURS
    assert accepted["jobId"] == job_id
    assert farm.wait_for_end(accepted)["status"] == "done"


def test_a_job_that_is_there_is_updated_and_runs_under_its_new_definition(farm: Farm) -> None:
    made = put(farm, f"/tasks/test-wrkng/jobs/{uuid.uuid4()}/", command="echo old", envs={"A": "1"}, retries=1)
    farm.wait_for_end(made)
    updated = put(farm, made["jobUrl"], command="echo new", metadata={"username": "heynemann"})
    assert_like(farm, "update_job.json", updated)
    assert updated["jobId"] == made["jobId"]
    assert updated["executionId"] != made["executionId"]
    farm.wait_for_end(updated)
    assert text(call(farm, "GET", f"{made['jobUrl']}/stdout/")) == b"new\n"
    job = document(call(farm, "GET", made["jobUrl"]))["job"]
    assert [run["command"] for run in job["executions"]] == ["echo new", "echo old"]
    metadata = job["metadata"]
    assert (metadata["envs"], metadata["retries"], metadata["custom"]) == ({}, 0, {"username": "heynemann"})
    assert [one["id"] for one in document(call(farm, "GET", made["taskUrl"]))["jobs"]].count(made["jobId"]) == 1


def test_an_update_takes_the_place_of_a_schedule(farm: Farm) -> None:
    waiting = farm.post_job("echo", "old", startIn="1h")
    updated = put(farm, waiting["jobUrl"], command="echo new", startIn="1s")
    assert (updated["executionId"], updated["executionUrl"]) == (None, None)
    farm.wait_for_end({"executionId": updated["queueJobId"]})
    job = document(call(farm, "GET", waiting["jobUrl"]))["job"]
    assert [(run["status"], run["log"]) for run in job["executions"]] == [("done", "new\n"), ("stopped", "")]
    assert job["scheduled"] is False


def test_the_path_may_be_written_in_all_ways(farm: Farm) -> None:
    for path in spellings(f"/tasks/test-wrkng/jobs/{uuid.uuid4()}/"):
        assert_like(farm, "update_job.json", put(farm, path, startIn="1h"))


@pytest.mark.parametrize("job_id", ["my-job", "5a023792", "5a02379214454 4e98a8bcfe5ad05d1c6", "1"])
def test_an_id_that_is_no_uuid_is_refused(farm: Farm, job_id: str) -> None:
    answer = call(farm, "PUT", f"/tasks/never-made/jobs/{job_id}/", json=example("update_job.request.json"))
    assert_refused(answer, 400, "jobId")
    assert_refused(call(farm, "GET", "/tasks/never-made/"), 404, "taskId")


def test_the_id_of_a_job_of_another_task_is_refused(farm: Farm, elsewhere: dict[str, Any]) -> None:
    body = example("update_job.request.json")
    assert_refused(call(farm, "PUT", f"/tasks/never-made/jobs/{elsewhere['jobId']}/", json=body), 409, "jobId")
    assert_refused(call(farm, "GET", "/tasks/never-made/"), 404, "taskId")


@pytest.mark.parametrize(
    ("body", "field"), [(b"", "body"), (b'{"command": "ls"}', "image"), (b'{"image": 1}', "image")]
)
def test_a_bad_body_is_refused_and_leaves_the_job_as_it_was(farm: Farm, body: bytes, field: str) -> None:
    job_url = farm.post_job("echo", "old", startIn="1h")["jobUrl"]
    before = document(call(farm, "GET", job_url))
    assert_refused(call(farm, "PUT", job_url, data=body), 400, field)
    assert document(call(farm, "GET", job_url)) == before


def test_only_put_and_get_are_allowed(farm: Farm, elsewhere: dict[str, Any]) -> None:
    assert_wrong_methods_are_refused(farm, elsewhere["jobUrl"].removeprefix(farm.url), "GET", "PUT")

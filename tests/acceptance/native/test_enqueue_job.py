"""The document's section "Enqueue Job": POST /tasks/<task-id>/."""

from __future__ import annotations

import json
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


def test_the_example_runs_and_is_answered_as_the_document_shows(farm: Farm) -> None:
    accepted = document(call(farm, "POST", "/tasks/test-wrkng/", json=example("enqueue_job.request.json")))
    assert_like(farm, "enqueue_job.json", accepted)
    assert more_keys(example("enqueue_job.json"), accepted) >= OURS
    ended = farm.wait_for_end(accepted)
    assert (ended["status"], ended["exitCode"], ended["image"]) == ("done", 0, "task1:latest")
    assert text(call(farm, "GET", f"{accepted['jobUrl']}/stdout/")).startswith(b"total ")
    job = document(call(farm, "GET", accepted["jobUrl"]))["job"]
    assert job["metadata"]["envs"] == {"SMTP_SERVER": "my-smtp-server"}
    assert job["metadata"]["custom"] == {"username": "heynemann"}
    assert job["metadata"]["retries"] == 3
    assert job["metadata"]["enqueued_id"] == accepted["queueJobId"]


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=latin-1", "application/x-www-form-urlencoded", "text/plain", "", None]
)
def test_the_path_may_end_without_a_slash_and_the_content_type_does_not_matter(
    farm: Farm, content_type: str | None
) -> None:
    body = json.dumps(example("enqueue_job.request.json") | {"startIn": "1h", "command": "echo é"}, ensure_ascii=False)
    for path in spellings("/tasks/test-wrkng/"):
        accepted = document(call(farm, "POST", path, data=body.encode(), headers={"Content-Type": content_type}))
        assert_like(farm, "enqueue_job.json", accepted)


def test_the_urls_of_the_answer_lead_to_the_task_the_job_and_the_execution(farm: Farm) -> None:
    accepted = farm.post_job("true", task="test-wrkng")
    for url in (accepted["taskUrl"], accepted["jobUrl"], accepted["executionUrl"]):
        for path in spellings(url):
            document(call(farm, "GET", path))
    jobs = document(call(farm, "GET", accepted["taskUrl"]))["jobs"]
    assert {"id": accepted["jobId"], "url": accepted["jobUrl"]} in jobs
    execution = document(call(farm, "GET", accepted["executionUrl"]))["execution"]
    assert execution["executionId"] == accepted["executionId"]


@pytest.mark.parametrize("later", [{"startIn": "1h"}, {"startAt": 4_000_000_000}, {"cron": "0 0 1 1 *"}])
def test_a_job_that_starts_later_has_no_execution_yet(farm: Farm, later: dict[str, Any]) -> None:
    accepted = farm.post_job(task="test-wrkng", **later)
    assert_like(farm, "enqueue_job.json", accepted)
    assert (accepted["executionId"], accepted["executionUrl"]) == (None, None)


def test_the_first_job_makes_the_task_and_the_second_uses_it(farm: Farm) -> None:
    assert_refused(call(farm, "GET", "/tasks/made-once/"), 404, "taskId")
    jobs = [farm.post_job(task="made-once", startIn="1h")["jobId"] for _ in range(2)]
    assert [job["id"] for job in document(call(farm, "GET", "/tasks/made-once/"))["jobs"]] == jobs
    (task,) = document(call(farm, "GET", "/search/?query=made-once"))["items"]
    assert task["jobsCount"] == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"not json", "body"),
        (b'["image"]', "body"),
        (b'{"command": "ls"}', "image"),
        (b'{"image": "", "command": "ls"}', "image"),
        (b'{"image": "No Such Form!", "command": "ls"}', "image"),
        (b'{"image": "task1", "command": ""}', "command"),
        (b'{"image": "task1", "command": 5}', "command"),
        (b'{"image": "task1", "envs": ["A=1"]}', "envs"),
        (b'{"image": "task1", "metadata": "heynemann"}', "metadata"),
        (b'{"image": "task1", "retries": -1}', "retries"),
        (b'{"image": "task1", "retries": "many"}', "retries"),
        (b'{"image": "task1", "startIn": "soon"}', "startIn"),
        (b'{"image": "task1", "startAt": "2019-01-17"}', "startAt"),
        (b'{"image": "task1", "cron": "every day"}', "cron"),
        (b'{"image": "task1", "expiration": "tomorrow"}', "expiration"),
        (b'{"image": "task1", "timeout": 0}', "timeout"),
        (b'{"image": "task1", "additionalDNSEntries": {"a": "not-an-address"}}', "additionalDNSEntries.a"),
        (b'{"image": "task1", "webhooks": {"succeeds": [{}]}}', "webhooks.succeeds.0.url"),
        (b'{"image": "task1", "notify": {"fails": ["nobody"]}}', "notify.fails.0"),
        (b'{"image": "task1", "comand": "ls"}', "comand"),
    ],
)
def test_a_body_that_cannot_be_used_is_refused_by_the_field_at_fault(farm: Farm, body: bytes, field: str) -> None:
    assert_refused(call(farm, "POST", "/tasks/never-made/", data=body), 400, field)
    assert_refused(call(farm, "GET", "/tasks/never-made/"), 404, "taskId")


@pytest.mark.parametrize("task", ["%20", "-x", "a%2Fb", "a" * 256, "%00"])
def test_a_name_that_cannot_be_a_task_s_is_refused(farm: Farm, task: str) -> None:
    assert_refused(call(farm, "POST", f"/tasks/{task}/", json={"image": "task1"}), 400, "taskId")


def test_a_command_in_one_string_is_split_as_a_shell_does(farm: Farm) -> None:
    body = {"image": "task1", "command": """sh -c 'echo "it works" && exit 123'"""}
    ended = farm.wait_for_end(document(call(farm, "POST", "/tasks/test/", json=body)))
    assert (ended["status"], ended["log"], ended["error"], ended["exitCode"]) == ("failed", "it works\n", "", 123)


def test_only_post_and_get_are_allowed(farm: Farm) -> None:
    assert_wrong_methods_are_refused(farm, "/tasks/test-wrkng/", "GET", "POST")

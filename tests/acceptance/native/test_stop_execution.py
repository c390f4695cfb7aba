"""The document's section "Stop Job Execution": POST /tasks/<task-id>/job/<job-id>/executions/<execution-id>/stop/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.documented import more_keys
from tests.support.farm import Farm, wait_until
from tests.support.native_api import (
    assert_like,
    assert_wrong_executions_are_refused,
    assert_wrong_methods_are_refused,
    call,
    document,
    example,
    execution_path,
    job_path,
    spellings,
)

pytestmark = pytest.mark.services

OURS = {"stopped"}  # what the stop did


def stop(farm: Farm, posted: dict[str, Any]) -> Any:
    return document(call(farm, "POST", execution_path(posted, "stop/")))


def test_a_running_execution_is_stopped_and_the_answer_is_the_document_s(farm: Farm) -> None:
    posted = farm.post_job("sleep", "100", task="task1", stopGrace=0)
    farm.wait_for_status(posted, "running")
    answer = stop(farm, posted)
    assert_like(farm, "stop_execution.json", answer)
    assert more_keys(example("stop_execution.json"), answer) >= OURS
    assert [answer[part]["id"] for part in ("execution", "job", "task")] == [
        posted["executionId"],
        posted["jobId"],
        "task1",
    ]
    assert answer["stopped"] == "stopping"
    ended = farm.wait_for_end(posted)
    assert (ended["status"], ended["exitCode"], ended["error"]) == ("stopped", 137, "")


def test_the_urls_of_the_answer_lead_to_the_execution_the_job_and_the_task(farm: Farm) -> None:
    posted = farm.post_job("true", task="task1", startIn="1h")
    posted |= {"executionId": posted["queueJobId"]}
    answer = stop(farm, posted)
    assert answer["stopped"] == "stopped before it started"
    assert document(call(farm, "GET", answer["execution"]["url"]))["execution"]["status"] == "stopped"
    assert document(call(farm, "GET", answer["job"]["url"]))["job"]["jobId"] == posted["jobId"]
    assert document(call(farm, "GET", answer["task"]["url"]))["taskId"] == "task1"


def test_the_job_stays_scheduled(farm: Farm, post_recurring: Callable[..., dict[str, Any]]) -> None:
    posted = post_recurring("sleep", "100")
    first = posted | {"executionId": posted["queueJobId"]}
    farm.wait_for_status(first, "running")
    stop(farm, first)
    assert farm.wait_for_end(first)["status"] == "stopped"

    def started_later() -> list[str]:
        job = document(call(farm, "GET", job_path(posted)))["job"]
        assert job["scheduled"]
        return [run for run in job["executions"] if run["status"] == "running" and run["dueAt"] > first_due]

    first_due = farm.execution(first)["dueAt"]
    wait_until(started_later, 30, "it has started again")


def test_what_is_stopped_is_not_tried_again(farm: Farm) -> None:
    posted = farm.post_job("sleep", "100", retries=3, stopGrace=0)
    farm.wait_for_status(posted, "running")
    stop(farm, posted)
    farm.wait_for_end(posted)
    assert document(call(farm, "GET", job_path(posted)))["job"]["executionCount"] == 1


def test_an_execution_that_is_over_is_stopped_without_a_change_and_in_all_spellings(farm: Farm) -> None:
    posted = farm.post_job("true", task="task1")
    ended = farm.wait_for_status(posted, "done")
    for path in spellings(execution_path(posted, "stop/")):
        answer = document(call(farm, "POST", path))
        assert_like(farm, "stop_execution.json", answer)
        assert answer["stopped"] == "already over"
    assert farm.execution(posted) == ended


def test_an_execution_that_is_not_there_is_told(
    farm: Farm, documented: dict[str, Any], elsewhere: dict[str, Any]
) -> None:
    assert_wrong_executions_are_refused(farm, "POST", documented, elsewhere, "stop/")


def test_only_post_is_allowed(farm: Farm, documented: dict[str, Any]) -> None:
    assert_wrong_methods_are_refused(farm, execution_path(documented, "stop/"), "POST")

"""The document's section "Job Execution Details": GET /tasks/<task-id>/job/<job-id>/executions/<execution-id>/."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.documented import more_keys
from tests.support.farm import Farm
from tests.support.native_api import (
    assert_like,
    assert_wrong_executions_are_refused,
    assert_wrong_methods_are_refused,
    call,
    document,
    example,
    execution_path,
    spellings,
)

pytestmark = pytest.mark.services

OURS = {
    *("execution.url", "execution.requestIPAddress", "execution.attempt", "execution.retriedFrom", "execution.dueAt"),
    *("execution.node", "execution.cause", "execution.reason", "execution.oomKilled", "execution.history"),
    *("execution.stopRequestedAt", "execution.logTruncated"),
}
UNIX_SOCKET = {"execution.metadata.docker_port": None}  # so this Engine has no port


@pytest.fixture
def sleeping(farm: Farm) -> Iterator[dict[str, Any]]:
    """The execution that the document shows, still running."""
    posted = farm.post_job(task="test-wrkng", image="task1", command="sleep 100", stopGrace=0)
    farm.wait_for_status(posted, "running")
    yield posted
    call(farm, "POST", execution_path(posted, "stop/"))


def test_a_running_execution_has_the_keys_of_one_that_has_ended(farm: Farm, sleeping: dict[str, Any]) -> None:
    but = UNIX_SOCKET | {"execution.status": "running", "execution.exitCode": None, "execution.finishedAt": None}
    assert_like(farm, "execution_details.json", document(call(farm, "GET", execution_path(sleeping))), but)


def test_an_execution_is_shown_as_in_the_document(farm: Farm, sleeping: dict[str, Any]) -> None:
    call(farm, "POST", execution_path(sleeping, "stop/"))
    farm.wait_for_end(sleeping)
    # The document's has been stopped too, as its exit code tells. There a failure, here it has a status of its own.
    but = UNIX_SOCKET | {"execution.status": "stopped"}
    answers = [document(call(farm, "GET", path)) for path in spellings(execution_path(sleeping))]
    for answer in answers:
        assert_like(farm, "execution_details.json", answer, but)
        assert more_keys(example("execution_details.json"), answer) >= OURS
    assert answers == [answers[0]] * 4
    execution = answers[0]["execution"]
    assert execution["createdAt"] <= execution["startedAt"] <= execution["finishedAt"]


def test_an_execution_has_its_output_and_what_went_wrong(farm: Farm, printed: dict[str, Any]) -> None:
    execution = document(call(farm, "GET", execution_path(printed)))["execution"]
    assert execution["log"] == example("execution_stdout.txt")
    assert execution["error"] == example("execution_stderr.txt")
    assert (execution["status"], execution["exitCode"]) == ("failed", 3)


def test_the_urls_lead_to_the_task_and_the_job(farm: Farm, printed: dict[str, Any]) -> None:
    answer = document(call(farm, "GET", execution_path(printed)))
    assert document(call(farm, "GET", answer["task"]["url"]))["taskId"] == answer["task"]["id"] == printed["taskId"]
    assert document(call(farm, "GET", answer["job"]["url"]))["job"]["jobId"] == answer["job"]["id"] == printed["jobId"]
    assert answer["execution"]["url"] == printed["executionUrl"]


def test_an_execution_that_waits_for_its_time_is_shown(farm: Farm, unstarted: dict[str, Any]) -> None:
    ids = unstarted | {"executionId": unstarted["queueJobId"]}
    execution = document(call(farm, "GET", execution_path(ids)))["execution"]
    assert (execution["status"], execution["startedAt"], execution["exitCode"]) == ("scheduled", None, None)


def test_an_execution_that_is_not_there_is_told(farm: Farm, printed: dict[str, Any], elsewhere: dict[str, Any]) -> None:
    assert_wrong_executions_are_refused(farm, "GET", printed, elsewhere)


def test_only_get_is_allowed(farm: Farm, printed: dict[str, Any]) -> None:
    assert_wrong_methods_are_refused(farm, execution_path(printed), "GET")

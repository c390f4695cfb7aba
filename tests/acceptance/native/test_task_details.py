"""The document's section "Task Details": GET /tasks/<task-id>/."""

from __future__ import annotations

import pytest

from tests.support.documented import more_keys
from tests.support.farm import Farm
from tests.support.native_api import assert_like, assert_refused, call, document, example, spellings

pytestmark = pytest.mark.services

OURS = {"hasNext", "nextUrl"}  # a task shows a thousand jobs at a time


def test_the_jobs_of_a_task_are_shown_as_in_the_document(farm: Farm) -> None:
    posted = [farm.post_job(task="test-wrkng") for _ in range(3)]
    answers = [document(call(farm, "GET", path)) for path in spellings("/tasks/test-wrkng/")]
    for answer in answers:
        assert_like(farm, "task_details.json", answer)
        assert more_keys(example("task_details.json"), answer) >= OURS
        assert answer["jobs"][-3:] == [{"id": one["jobId"], "url": one["jobUrl"]} for one in posted]
        assert (answer["hasNext"], answer["nextUrl"]) == (False, None)
    for job in answers[0]["jobs"]:
        assert document(call(farm, "GET", job["url"]))["job"]["taskId"] == "test-wrkng"


@pytest.mark.parametrize(("task", "status"), [("no-such-task", 404), ("-x", 400), ("%20", 400)])
def test_a_task_that_is_not_there_is_told(farm: Farm, task: str, status: int) -> None:
    for path in spellings(f"/tasks/{task}/"):
        assert_refused(call(farm, "GET", path), status, "taskId")

"""What the tests of the native API's document have in common: its examples, its ways to write a path, its errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import requests

from tests.support.documented import differences
from tests.support.farm import Farm

EXAMPLES = Path(__file__).parents[1] / "acceptance/native/examples"
UNKNOWN_ID = "5a023792-1445-44e9-8a8b-cfe5ad05d1c6"
TEXT = "text/plain; charset=utf-8"
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})

Ids = Mapping[str, Any]  # with taskId, jobId and executionId: an answer to a job that was posted


def example(name: str) -> Any:
    """An example of the document: a JSON object, or text without the line end that closes its block."""
    content = (EXAMPLES / name).read_text(encoding="utf-8")
    return json.loads(content) if name.endswith(".json") else content.removesuffix("\n")


def job_path(ids: Ids, suffix: str = "") -> str:
    """The path of a job as the document writes it, or of what is below it."""
    return f"/tasks/{ids['taskId']}/job/{ids['jobId']}/{suffix}"


def execution_path(ids: Ids, suffix: str = "") -> str:
    """The path of an execution as the document writes it, or of what is below it."""
    return f"{job_path(ids)}executions/{ids['executionId']}/{suffix}"


def spellings(path: str) -> set[str]:
    """The ways to write a path: with /job/ or /jobs/ in it, with a slash at its end or without."""
    path = re.sub("/jobs?/", "/job/", path.rstrip("/"))
    return {spelt + slash for spelt in (path, path.replace("/job/", "/jobs/")) for slash in ("", "/")}


def call(farm: Farm, method: str, path: str, **options: Any) -> requests.Response:
    """The answer at a path of the farm, or at a URL that it gave; redirects are not followed."""
    url = path if path.startswith("http") else farm.url + path
    return farm.http.request(method, url, timeout=10, allow_redirects=False, **options)


def document(answer: requests.Response) -> Any:
    """The JSON of an answer that must be a success."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()


def text(answer: requests.Response) -> bytes:
    """The text of an answer that must be a success."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == TEXT
    return answer.content


def assert_like(farm: Farm, name: str, answer: Any, but: Mapping[str, Any] | None = None) -> None:
    """The answer is like the example of this name, but for some paths: see `differences`."""
    found = differences(example(name), answer, farm.url, but)
    assert not found, found


def assert_refused(answer: requests.Response, status: int, field: str) -> str:
    """The answer refuses the request in our form, because of this field; for what reason."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert [fault["field"] for fault in body["errors"]] == [field], body
    reason: str = body["errors"][0]["reason"]
    assert body["error"] == f"{field}: {reason}"
    return reason


def assert_wrong_methods_are_refused(farm: Farm, path: str, *allowed: str) -> None:
    """A path, however it is written, takes these methods, and tells so whoever comes with another one."""
    for method in METHODS - set(allowed):
        for spelt in spellings(path):
            answer = call(farm, method, spelt)
            assert_refused(answer, 405, "method")
            told = set(answer.headers["Allow"].replace(" ", "").split(","))
            assert told == set(allowed) | {"OPTIONS"} | ({"HEAD"} if "GET" in allowed else set())


def assert_wrong_jobs_are_refused(farm: Farm, method: str, ids: Ids, elsewhere: Ids, suffix: str = "") -> None:
    """A route of a job takes no job that is not there, that is of another task, or whose id is in no form of ours."""
    for wrong, status, field in _wrong_jobs(ids, elsewhere):
        assert_refused(call(farm, method, job_path(wrong, suffix)), status, field)


def assert_wrong_executions_are_refused(farm: Farm, method: str, ids: Ids, elsewhere: Ids, suffix: str = "") -> None:
    """A route of an execution takes none that is not there, or of another job, or whose id is in no form of ours."""
    wrongs = [
        ({**ids, "executionId": UNKNOWN_ID}, 404, "executionId"),
        ({**ids, "executionId": elsewhere["executionId"]}, 404, "executionId"),
        ({**ids, "executionId": "last"}, 404, "executionId"),
        ({**ids, "jobId": UNKNOWN_ID}, 404, "executionId"),
        ({**ids, "jobId": elsewhere["jobId"]}, 404, "executionId"),
        ({**ids, "jobId": "last"}, 404, "jobId"),
        ({**ids, "taskId": "no-such-task"}, 404, "executionId"),
        ({**ids, "taskId": elsewhere["taskId"]}, 404, "executionId"),
        ({**ids, "taskId": "-x"}, 400, "taskId"),
    ]
    for wrong, status, field in wrongs:
        assert_refused(call(farm, method, execution_path(wrong, suffix)), status, field)


def _wrong_jobs(ids: Ids, elsewhere: Ids) -> Iterator[tuple[Ids, int, str]]:
    yield {**ids, "jobId": UNKNOWN_ID}, 404, "jobId"
    yield {**ids, "jobId": elsewhere["jobId"]}, 404, "jobId"
    yield {**ids, "jobId": "last"}, 404, "jobId"
    yield {**ids, "jobId": ids["jobId"].replace("-", "")}, 404, "jobId"
    yield {**ids, "taskId": "no-such-task"}, 404, "jobId"
    yield {**ids, "taskId": elsewhere["taskId"]}, 404, "jobId"
    yield {**ids, "taskId": "-x"}, 400, "taskId"

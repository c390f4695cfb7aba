"""Bad input is a 4xx with a JSON error that names field and reason, never a 500, and nothing is stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import structlog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pymongo import MongoClient

from jobrunner.api import errors
from tests.support.api_farm import ApiFarm, api_farm, faults_of

JOB = "/tasks/t/jobs/5a023792-1445-44e9-8a8b-cfe5ad05d1c6"
UNKNOWN_EXECUTION = "/executions/00735b1e-25c3-467d-a106-05701a786957"
LIMIT_BYTES = 4096
FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url, api_max_body_bytes=LIMIT_BYTES) as farm:
        yield farm


def stored(api: ApiFarm, mongodb_url: str) -> dict[str, int]:
    """How many documents there are of each kind."""
    with MongoClient(mongodb_url) as client:
        database = client[api.farm.settings.mongodb_database]
        return {name: database[name].count_documents({}) for name in ("tasks", "jobs", "executions")}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"[]", "body"),
        (b'\x1f\x8b\x08\x00{"image": "a"}', "body"),
        (b'{"image": "a", "image": "b"}', "image"),
        (b"{}", "image"),
        (b'{"image": 1}', "image"),
        (b'{"image": "a", "cron": "every day"}', "cron"),
        (b'{"image": "a", "envs": {"A": []}}', "envs.A"),
        (b'{"image": "a", "nope": 1}', "nope"),
    ],
)
def test_a_bad_body_is_refused_and_nothing_is_stored(api: ApiFarm, mongodb_url: str, body: bytes, field: str) -> None:
    before = stored(api, mongodb_url)
    for answer in (api.client.post("/tasks/bad/", data=body), api.client.put(JOB, data=body)):
        assert answer.status_code == 400
        assert list(faults_of(answer)) == [field]
    assert stored(api, mongodb_url) == before
    assert api.queue.pushed == []


@pytest.mark.parametrize(
    "task_id",
    [
        "a" * 256,
        "a" * 10_000,
        "-rm",
        " ",
        " a",
        "a\n",
        "a\x00b",
        "\x1b[31m",
        "a\u202eb",
        "a\\b",
        "a/b",
        "a/b/c",
        ".",
        "..",
    ],
)
def test_a_bad_task_id_is_refused_and_nothing_is_stored(api: ApiFarm, mongodb_url: str, task_id: str) -> None:
    before = stored(api, mongodb_url)
    path = f"/tasks/{quote(task_id, safe='')}"
    answers = [
        api.client.get(f"{path}/"),
        api.client.post(f"{path}/", data='{"image": "a"}'),
        api.client.put(f"{path}/jobs/{uuid4()}/", data='{"image": "a"}'),
    ]
    assert [answer.status_code for answer in answers] == [400, 400, 400]
    assert [list(faults_of(answer)) for answer in answers] == [["taskId"]] * 3
    assert stored(api, mongodb_url) == before


@pytest.mark.parametrize("task_id", ["a" * 255, "ünï cödé", "a.b", "100%", "a?b#c", "😀", "jobs", "stop"])
def test_an_unusual_task_id_is_taken(api: ApiFarm, task_id: str) -> None:
    posted = api.client.post(f"/tasks/{quote(task_id, safe='')}/", data='{"image": "a"}').json
    assert posted["taskId"] == task_id
    assert api.client.get(posted["taskUrl"]).json["taskId"] == task_id
    api.queue.pushed.clear()


@pytest.mark.parametrize(
    ("method", "path", "status", "field"),
    [
        ("GET", "/tasks/none/", 404, "taskId"),
        ("GET", "/tasks/none/jobs/x/", 404, "jobId"),
        ("PUT", "/tasks/none/jobs/x/", 400, "jobId"),
        ("GET", JOB, 404, "jobId"),
        ("GET", f"{JOB}/stdout/", 404, "jobId"),
        ("GET", f"{JOB}/logs/", 404, "jobId"),
        ("POST", f"{JOB}/stop/", 404, "jobId"),
        ("GET", f"{JOB}/executions/x/", 404, "executionId"),
        ("GET", JOB + UNKNOWN_EXECUTION, 404, "executionId"),
        ("GET", f"{JOB}{UNKNOWN_EXECUTION}/stderr/", 404, "executionId"),
        ("GET", f"{JOB}{UNKNOWN_EXECUTION}/logs/", 404, "executionId"),
        ("POST", f"{JOB}{UNKNOWN_EXECUTION}/stop/", 404, "executionId"),
        ("GET", UNKNOWN_EXECUTION, 404, "executionId"),
        ("GET", "/executions/{00735b1e-25c3-467d-a106-05701a786957}/", 404, "executionId"),
        ("GET", "/executions/00735b1e25c3467da10605701a786957/", 404, "executionId"),
        ("GET", "/executions/?status=busy", 400, "status"),
        ("GET", "/executions/?task=-x", 400, "taskId"),
        ("GET", "/executions/?page=0", 400, "page"),
        ("GET", "/tasks/?page=0", 400, "page"),
        ("GET", "/tasks/?page=-1", 400, "page"),
        ("GET", "/tasks/?page=1.5", 400, "page"),
        ("GET", "/tasks/?page=", 400, "page"),
        ("GET", "/tasks/?page=%D9%A1", 400, "page"),
        ("GET", "/tasks/?page=99999999999999999999", 400, "page"),
        ("GET", f"{JOB}/?page=x", 400, "page"),
        ("GET", "/", 404, "path"),
        ("GET", "/nothing", 404, "path"),
        ("GET", "/tasks//", 404, "path"),
        ("GET", "//tasks/", 404, "path"),
        ("GET", f"{JOB}/nothing/", 404, "path"),
        ("GET", "/tasks/t/jobs/", 404, "path"),
        ("DELETE", "/tasks/t", 405, "method"),
        ("POST", "/tasks/", 405, "method"),
        ("PATCH", f"{JOB}/", 405, "method"),
        ("POST", f"{JOB}/stdout", 405, "method"),
        ("GET", f"{JOB}/stop/", 405, "method"),
    ],
)
def test_a_bad_request_names_what_is_wrong(api: ApiFarm, method: str, path: str, status: int, field: str) -> None:
    answer = api.client.open(path, method=method, data='{"image": "a"}' if method == "PUT" else None)
    assert answer.status_code == status
    assert list(faults_of(answer)) == [field]


def test_a_wrong_method_is_told_which_are_allowed(api: ApiFarm) -> None:
    for path in ("/tasks/t", "/tasks/t/"):
        assert set(api.client.delete(path).allow) == {"GET", "HEAD", "OPTIONS", "POST"}


@pytest.mark.parametrize(
    "query", ["offset=-1", "offset=x", "offset=1e3", "offset=99999999999999999999", "follow=maybe"]
)
def test_bad_parameters_of_an_output_are_named(api: ApiFarm, query: str) -> None:
    posted = api.post("output")
    assert set(faults_of(api.client.get(f"{posted['executionUrl']}/stdout/?{query}"))) == {query.partition("=")[0]}
    assert set(faults_of(api.client.get(f"{posted['jobUrl']}/stderr/?{query}"))) == {query.partition("=")[0]}
    api.queue.pushed.clear()


def test_both_streams_together_have_no_offset(api: ApiFarm) -> None:
    posted = api.post("output")
    assert set(faults_of(api.client.get(f"{posted['executionUrl']}/logs/?offset=1"))) == {"offset"}
    api.queue.pushed.clear()


@pytest.mark.parametrize("path", ["/tasks/t/", "/nothing", f"{JOB}/stop/"])
def test_a_body_that_is_too_large_is_refused_wherever_it_goes(api: ApiFarm, path: str) -> None:
    answer = api.client.post(path, data=b" " * (LIMIT_BYTES + 1))
    assert answer.status_code == 413
    assert str(LIMIT_BYTES) in faults_of(answer)["body"]


def test_a_body_as_large_as_allowed_is_read(api: ApiFarm) -> None:
    assert "is empty" in faults_of(api.client.post("/tasks/t/", data=b" " * LIMIT_BYTES))["body"]


def test_a_fault_of_our_own_is_a_500_that_tells_nothing_and_a_log_line_that_tells_all_but_the_query(
    api: ApiFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure = RuntimeError("hunter2 is the password")
    monkeypatch.setattr(api.farm.store.tasks, "page", raising(failure), raising=False)
    with structlog.testing.capture_logs() as logged:
        monkeypatch.setattr(errors, "log", structlog.get_logger())  # one that no earlier test has bound
        answer = api.client.get("/tasks/?page=1&note=hunter2")
    assert answer.status_code == 500
    assert list(faults_of(answer)) == ["server"]
    assert "hunter2" not in answer.text
    expected = {
        "event": "request_failed",
        "log_level": "error",
        "method": "GET",
        "path": "/tasks/",
        "exc_info": failure,
    }
    assert logged == [expected]


def raising(error: Exception) -> Callable[..., None]:
    """A function that raises this error."""

    def function(*arguments: Any, **named: Any) -> None:
        raise error

    return function


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["image", "command", "envs", "metadata", "timeout", "stopGrace", "pullPolicy", "retries", "expiration", "startIn"]
    + ["startAt", "cron", "timezone", "additionalDNSEntries", "webhooks"]
)
LIKELY = st.sampled_from(["busybox", "5s", "* * * * *", "UTC", "always", 1, 60, ["true"], {"A": "b"}, {"a": "::1"}])


def assert_well_answered(api: ApiFarm, method: str, path: str, **options: Any) -> Any:
    """Whatever was asked: a success, or an error in our form that is the caller's."""
    answer = api.client.open(path, method=method, **options)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert all(faults_of(answer).values())
    return answer


@FUZZ
@given(st.dictionaries(KEYS, LIKELY | JSON, max_size=6))
@example({"image": "busybox", "metadata": {"big": 10**3000, "deep": [[[[{}]]]], "": "\0", "a.$b": 1e-300}})
@example({"image": "busybox", "timeout": 1e9, "startAt": 7258118400})
@example({"image": "busybox", "cron": "0 0 30 2 *"})
def test_whatever_the_payload_is_what_is_taken_can_be_read_back(api: ApiFarm, document: dict[str, Any]) -> None:
    for complete in (document, {"image": "busybox"} | document):
        answer = assert_well_answered(api, "POST", "/tasks/fuzz/", data=json.dumps(complete))
        if answer.status_code == 200:
            job = assert_well_answered(api, "GET", answer.json["jobUrl"]).json["job"]
            assert job["metadata"]["custom"] == complete.get("metadata", {})
            assert len(job["executions"]) == 1
    api.queue.pushed.clear()


@FUZZ
@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\ud8a0e1.-imge \n', max_size=60).map(str.encode))
def test_whatever_the_bytes_of_a_body_are_the_answer_is_in_our_form(api: ApiFarm, body: bytes) -> None:
    assert_well_answered(api, "POST", "/tasks/fuzz/", data=body)


@FUZZ
@given(st.text(min_size=1, max_size=40), st.text(max_size=40), st.sampled_from(["GET", "POST", "PUT", "DELETE"]))
def test_whatever_the_ids_in_a_path_are_the_answer_is_in_our_form(
    api: ApiFarm, task_id: str, other_id: str, method: str
) -> None:
    task, other = (quote(part, safe="", errors="surrogatepass") for part in (task_id, other_id))
    for path in (
        f"/tasks/{task}/",
        f"/tasks/{task}/jobs/{other}/",
        f"{JOB}/executions/{task}/{other}",
        f"/{task}/{other}",
    ):
        assert_well_answered(api, method, path, data='{"image": "a"}')
    assert_well_answered(api, method, f"/executions/?task={task}&page={other}&status={task}")
    api.queue.pushed.clear()

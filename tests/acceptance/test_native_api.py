"""Every request and response of fastlane's API document, on a real farm: one test a route."""

from __future__ import annotations

import re
import uuid
from contextlib import closing
from typing import Any

import docker
import pytest
import requests

from tests.support.farm import Farm, wait_until

pytestmark = pytest.mark.services

ISO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OUT_AND_ERR = ("sh", "-c", "echo total 72K; echo some error message >&2; exit 3")
NO_HOOKS = {"fails": [], "finishes": [], "succeeds": []}


@pytest.fixture(scope="module")
def ended(farm: Farm) -> dict[str, Any]:
    """What was answered to a job that has written to both streams, and failed."""
    accepted = farm.post_job(*OUT_AND_ERR, task="test-wrkng", envs={"SMTP_SERVER": "my-smtp-server", "API_KEY": "x"})
    farm.wait_for_end(accepted)
    return accepted


def get(farm: Farm, url: str) -> Any:
    """The document at a URL, or at a path of the farm."""
    answer = farm.http.get(url if url.startswith("http") else farm.url + url, timeout=10, allow_redirects=False)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()


def text(farm: Farm, url: str) -> requests.Response:
    """The answer at a URL that is text."""
    answer = farm.http.get(url, timeout=10, allow_redirects=False)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Fastlane-Exit-Code"] == answer.headers["Jobrunner-Exit-Code"] == "3"
    return answer


def as_the_document_writes_it(accepted: dict[str, Any]) -> str:
    """The URL of the job with /job/ and a slash at its end."""
    return f"{accepted['taskUrl']}/job/{accepted['jobId']}/"


def assert_run(farm: Farm, run: dict[str, Any]) -> None:
    """It is the document's execution, of the job `ended`."""
    assert ISO_TIME.fullmatch(run["createdAt"])
    assert run["createdAt"] < run["startedAt"] <= run["finishedAt"]
    assert re.fullmatch(r"[0-9a-f]{64}", run["metadata"]["container_id"])
    assert set(run["metadata"]) == {"container_id", "docker_host", "docker_port"}
    expected = {
        "command": list(OUT_AND_ERR),
        "error": "some error message\n",
        "exitCode": 3,
        "image": farm.image,
        "log": "total 72K\n",
        "status": "failed",
    }
    assert expected.items() <= run.items()


def test_get_all_tasks(farm: Farm, ended: dict[str, Any]) -> None:
    page = get(farm, "/tasks/?page=1")
    keys = {"hasNext", "hasPrev", "items", "nextUrl", "page", "pages", "perPage", "prevUrl", "total"}
    assert set(page) == keys
    assert (page["hasPrev"], page["prevUrl"], page["page"]) == (False, None, 1)
    items = list(page["items"])
    while page["hasNext"]:
        page = get(farm, page["nextUrl"])
        items += page["items"]
    assert len(items) == page["total"]
    (task,) = [item for item in items if item["taskId"] == "test-wrkng"]
    assert set(task) == {"createdAt", "jobsCount", "lastModifiedAt", "taskId", "url"}
    assert isinstance(task["createdAt"], float)
    assert task["createdAt"] <= task["lastModifiedAt"]
    assert task["url"] == f"{farm.url}/tasks/test-wrkng"


def test_enqueue_job(farm: Farm) -> None:
    body = {
        "image": farm.image,
        "command": "ls -lah",
        "envs": {"SMTP_SERVER": "my-smtp-server"},
        "metadata": {"username": "heynemann"},
        "retries": 3,
    }
    answer = farm.http.post(f"{farm.url}/tasks/test-wrkng/", json=body, timeout=10)
    assert answer.status_code == 200
    accepted = answer.json()
    assert UUID.fullmatch(accepted["jobId"])
    assert UUID.fullmatch(accepted["queueJobId"])
    assert accepted["taskId"] == "test-wrkng"
    assert accepted["taskUrl"] == f"{farm.url}/tasks/test-wrkng"
    assert accepted["jobUrl"] == f"{farm.url}/tasks/test-wrkng/jobs/{accepted['jobId']}"
    assert accepted["executionUrl"] == f"{accepted['jobUrl']}/executions/{accepted['executionId']}"
    execution = farm.wait_for_end(accepted)
    assert (execution["status"], execution["exitCode"]) == ("done", 0)


def test_enqueue_or_update_job(farm: Farm) -> None:
    job_id = str(uuid.uuid4())
    url = f"{farm.url}/tasks/test-wrkng/jobs/{job_id}/"
    for words in ("first", "second"):
        answer = farm.http.put(url, json={"image": farm.image, "command": f"echo {words}"}, timeout=10)
        assert answer.status_code == 200
        accepted = answer.json()
        assert accepted["jobId"] == job_id
        assert accepted["jobUrl"] == f"{farm.url}/tasks/test-wrkng/jobs/{job_id}"
        farm.wait_for_end(accepted)
        assert farm.output(accepted, "stdout") == f"{words}\n".encode()
    assert get(farm, url)["job"]["executionCount"] == 2


def test_task_details(farm: Farm, ended: dict[str, Any]) -> None:
    task = get(farm, "/tasks/test-wrkng/")
    assert task["taskId"] == "test-wrkng"
    assert {"id": ended["jobId"], "url": ended["jobUrl"]} in task["jobs"]


def test_job_details(farm: Farm, ended: dict[str, Any]) -> None:
    document = get(farm, as_the_document_writes_it(ended))
    assert document["task"] == {"id": "test-wrkng", "url": f"{farm.url}/tasks/test-wrkng"}
    job = document["job"]
    assert ISO_TIME.fullmatch(job["createdAt"])
    assert (job["executionCount"], job["scheduled"], job["taskId"]) == (1, False, "test-wrkng")
    (run,) = job["executions"]
    assert_run(farm, run)
    assert job["lastModifiedAt"] >= run["finishedAt"]
    metadata = {
        "enqueued_id": ended["queueJobId"],
        "envs": {"SMTP_SERVER": "my-smtp-server", "API_KEY": "***"},
        "notify": NO_HOOKS,
        "retries": 0,
        "retry_count": 0,
        "timeout": 1800,
        "webhooks": NO_HOOKS,
    }
    assert metadata.items() <= job["metadata"].items()


def test_job_logs(farm: Farm, ended: dict[str, Any]) -> None:
    logs = text(farm, f"{as_the_document_writes_it(ended)}logs/")
    assert logs.content == b"total 72K\n\n-=-\nsome error message\n"


def test_job_stdout(farm: Farm, ended: dict[str, Any]) -> None:
    assert text(farm, f"{as_the_document_writes_it(ended)}stdout/").content == b"total 72K\n"


def test_job_stderr(farm: Farm, ended: dict[str, Any]) -> None:
    assert text(farm, f"{as_the_document_writes_it(ended)}stderr/").content == b"some error message\n"


def test_stop_job(farm: Farm) -> None:
    accepted = farm.post_job("sleep", "100", cron="*/10 * * * *")
    answer = farm.http.post(f"{as_the_document_writes_it(accepted)}stop/", timeout=10)
    assert answer.status_code == 200
    keys = ("jobId", "jobUrl", "taskId", "taskUrl")
    did = {"stopped": {"beforeStart": 1, "stopping": 0}, "alreadyStopped": False}
    assert answer.json() == {key: accepted[key] for key in keys} | did
    job = get(farm, accepted["jobUrl"])["job"]
    assert (job["scheduled"], [run["status"] for run in job["executions"]]) == (False, ["stopped"])


def test_job_execution_details(farm: Farm, ended: dict[str, Any]) -> None:
    document = get(farm, f"{as_the_document_writes_it(ended)}executions/{ended['executionId']}/")
    assert document["execution"]["executionId"] == ended["executionId"]
    assert_run(farm, document.pop("execution"))
    assert document == {
        "job": {"id": ended["jobId"], "url": ended["jobUrl"]},
        "task": {"id": "test-wrkng", "url": ended["taskUrl"]},
    }


def test_job_execution_logs(farm: Farm, ended: dict[str, Any]) -> None:
    logs = text(farm, f"{as_the_document_writes_it(ended)}executions/{ended['executionId']}/logs/")
    assert logs.content == b"total 72K\n\n-=-\nsome error message\n"


def test_job_execution_stdout(farm: Farm, ended: dict[str, Any]) -> None:
    stdout = text(farm, f"{as_the_document_writes_it(ended)}executions/{ended['executionId']}/stdout/")
    assert stdout.content == b"total 72K\n"


def test_job_execution_stderr(farm: Farm, ended: dict[str, Any]) -> None:
    stderr = text(farm, f"{as_the_document_writes_it(ended)}executions/{ended['executionId']}/stderr/")
    assert stderr.content == b"some error message\n"


def test_stop_job_execution(farm: Farm) -> None:
    accepted = farm.post_job("sleep", "100", stopGrace=0)
    farm.wait_for_status(accepted, "running")
    url = f"{as_the_document_writes_it(accepted)}executions/{accepted['executionId']}/stop/"
    answer = farm.http.post(url, timeout=10)
    assert answer.status_code == 200
    assert answer.json() == {
        "execution": {"id": accepted["executionId"], "url": accepted["executionUrl"] + "/"},
        "job": {"id": accepted["jobId"], "url": accepted["jobUrl"] + "/"},
        "task": {"id": "test", "url": accepted["taskUrl"] + "/"},
        "stopped": "stopping",
    }
    execution = farm.wait_for_end(accepted)
    assert (execution["status"], execution["exitCode"], execution["error"]) == ("stopped", 137, "")


def test_healthcheck(farm: Farm) -> None:
    assert get(farm, "/healthcheck/") == {"mongo": True, "redis": True, "errors": []}


def test_executions_of_all_jobs(farm: Farm, ended: dict[str, Any]) -> None:
    items = get(farm, "/executions/?status=failed&task=test-wrkng")["items"]
    (item,) = [item for item in items if item["executionId"] == ended["executionId"]]
    expected = {"jobId": ended["jobId"], "taskId": "test-wrkng", "exitCode": 3, "node": "one", "attempt": 1}
    assert expected.items() <= item.items()
    assert item["url"] == ended["executionUrl"]


def test_nodes(farm: Farm) -> None:
    (node,) = get(farm, "/nodes/")["items"]
    assert (node["name"], node["state"], node["slots"]) == ("one", "up", 16)
    assert node["engineVersion"]


@pytest.mark.parametrize(
    ("spec", "error", "exit_code"),
    [
        ({"image": "jobrunner/no-such-image:local", "pullPolicy": "never"}, "no-such-image", None),
        ({"command": ["no-such-command"]}, "no-such-command", 127),
        ({"command": ["sleep", "100"], "timeout": 1, "stopGrace": 0}, "timeout of 1 s", 137),
    ],
)
def test_a_failed_execution_says_in_words_what_happened(
    farm: Farm, spec: dict[str, Any], error: str, exit_code: int | None
) -> None:
    execution = farm.wait_for_end(farm.post_job(**spec))
    assert execution["status"] in ("failed", "timedout")
    assert error in execution["error"]
    assert execution["exitCode"] == exit_code


def test_an_execution_that_is_killed_from_outside_says_so(farm: Farm, engine_socket: str) -> None:
    accepted = farm.post_job("sleep", "100")
    container_id = farm.wait_for_status(accepted, "running")["metadata"]["container_id"]
    with closing(docker.DockerClient(base_url=engine_socket, timeout=30)) as engine:
        engine.containers.get(container_id).kill()
    execution = farm.wait_for_end(accepted)
    assert (execution["status"], execution["exitCode"]) == ("failed", 137)
    assert "SIGKILL" in execution["error"]


def test_a_follower_sees_output_before_the_container_ends(farm: Farm) -> None:
    accepted = farm.post_job("sh", "-c", "echo first; while ! test -e /go; do sleep 0.1; done", stopGrace=0)
    wait_until(lambda: farm.output(accepted, "stdout") == b"first\n", 30, "the first line is there")
    with farm.http.get(f"{accepted['executionUrl']}/stdout/?follow=1", stream=True, timeout=30) as answer:
        pieces = answer.iter_content(None)
        assert next(pieces) == b"first\n"
        farm.http.post(f"{accepted['executionUrl']}/stop/", timeout=10)
        assert b"".join(pieces) == b""
    assert farm.wait_for_end(accepted)["status"] == "stopped"

"""Tasks, jobs and executions over HTTP, with a real MongoDB: what takes no node to see.

That requests and answers are those of fastlane's document is tested on a real farm, in tests/acceptance/native.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from jobrunner.domain.executions import Node
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.states import State
from jobrunner.engine import queries
from jobrunner.engine.farm import SystemClock
from jobrunner.engine.fire import fire
from tests.support.api_farm import BASE, ApiFarm, api_farm, faults_of

DONE = (State.PULLING, State.RUNNING, State.DONE)


@pytest.fixture
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url, page_size=3) as farm:
        yield farm


def get(api: ApiFarm, url: str) -> dict[str, Any]:
    """What the API answers; it must be a success."""
    answer = api.client.get(url)
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/json"
    assert answer.text.endswith("\n")
    document: dict[str, Any] = answer.json
    return document


def test_urls_are_below_the_public_url_where_one_is_set(mongodb_url: str) -> None:
    with api_farm(mongodb_url, public_url="https://farm.example/runner/") as api:
        answer = api.post("t")
        assert answer["taskUrl"] == "https://farm.example/runner/tasks/t"
        redirect = api.client.get(f"/executions/{answer['executionId']}/")
        assert redirect.location == answer["executionUrl"]
        assert redirect.location.startswith("https://farm.example/runner/tasks/t/jobs/")


def test_a_task_shows_its_jobs_oldest_first_a_bounded_number_at_a_time(
    api: ApiFarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_ids = [api.post("many")["jobId"] for _ in range(5)]
    assert get(api, "/tasks/many/") == {
        "jobs": [{"id": job_id, "url": f"{BASE}/tasks/many/jobs/{job_id}"} for job_id in job_ids],
        "taskId": "many",
        "hasNext": False,
        "nextUrl": None,
    }
    monkeypatch.setattr(queries, "JOBS_PER_PAGE", 2)
    seen, url = [], "/tasks/many/"
    while url:
        page = get(api, url)
        seen += [job["id"] for job in page["jobs"]]
        url = page["nextUrl"]
    assert seen == job_ids


def test_jobs_after_one_that_is_not_there_are_an_error(api: ApiFarm) -> None:
    api.post("t")
    elsewhere = api.post("other")["jobId"]
    assert set(faults_of(api.client.get("/tasks/t/?after=x"))) == {"after"}
    assert set(faults_of(api.client.get(f"/tasks/t/?after={elsewhere}"))) == {"after"}


def test_execution_details_have_the_shape_of_the_document(api: ApiFarm) -> None:
    posted = api.post("t", command=["sleep", "100"])
    api.advance(
        posted["executionId"],
        *(State.PULLING, State.RUNNING, State.FAILED),
        exit_code=137,
        cause=Cause.OUT_OF_MEMORY,
        reason="killed: out of memory",
        oom_killed=True,
        node="n1",
    )
    api.write(posted["executionId"], stderr=b"oops")
    document = get(api, posted["executionUrl"])
    execution = document.pop("execution")
    assert document == {
        "job": {"id": posted["jobId"], "url": posted["jobUrl"]},
        "task": {"id": "t", "url": posted["taskUrl"]},
    }
    expected = {
        "command": ["sleep", "100"],
        "error": "killed: out of memory\noops",
        "executionId": posted["executionId"],
        "exitCode": 137,
        "log": "",
        "status": "failed",
        "attempt": 1,
        "node": "n1",
        "cause": "out_of_memory",
        "oomKilled": True,
        "logTruncated": False,
        "retriedFrom": None,
        "dueAt": None,
        "stopRequestedAt": None,
    }
    assert expected.items() <= execution.items()
    assert [move["status"] for move in execution["history"]] == ["enqueued", "pulling", "running", "failed"]


def test_the_log_in_json_is_the_end_of_the_output(api: ApiFarm) -> None:
    posted = api.post()
    for part in range(100):
        api.write(posted["executionId"], b"%04d" % part * 256, b"e")
    whole = "".join(f"{part:04d}" * 256 for part in range(100))
    execution = get(api, posted["executionUrl"])["execution"]
    assert execution["log"] == whole[-64 * 1024 :]
    assert execution["error"] == "e" * 100
    assert execution["logTruncated"] is True
    (in_list,) = get(api, posted["jobUrl"])["job"]["executions"]
    assert in_list["log"] == whole[-4 * 1024 :]


def test_stopping_a_running_execution_tells_its_node(api: ApiFarm) -> None:
    posted = api.post()
    api.advance(posted["executionId"], State.PULLING, State.RUNNING, node="n1")
    assert api.client.post(posted["executionUrl"] + "/stop/").json["stopped"] == "stopping"
    assert api.queue.stops == [(posted["executionId"], "n1")]


def test_head_and_options_answer_as_http_has_it(api: ApiFarm) -> None:
    posted = api.post("t")
    for url in ("/tasks/", posted["jobUrl"], posted["jobUrl"] + "/stdout/"):
        head = api.client.head(url)
        assert (head.status_code, head.data) == (200, b"")
    options = api.client.options("/tasks/t/")
    assert (options.status_code, options.data) == (200, b"")
    assert set(options.allow) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_executions_are_listed_newest_first_by_status_and_task(api: ApiFarm) -> None:
    posted = [api.post("a" if number % 2 else "b") for number in range(5)]
    api.advance(posted[0]["executionId"], *DONE, exit_code=0)
    page = get(api, "/executions/?status=enqueued,running")
    items = page.pop("items")
    assert [item["executionId"] for item in items] == [one["executionId"] for one in posted[:1:-1]]
    next_url = page.pop("nextUrl")
    assert next_url.startswith(f"{BASE}/executions/?status=enqueued,running&after=")
    assert page == {"perPage": 3, "hasNext": True}
    page["nextUrl"] = next_url
    (last,) = get(api, page["nextUrl"])["items"]
    assert last["executionId"] == posted[1]["executionId"]
    of_b = get(api, "/executions/?task=b&status=done")["items"]
    assert of_b == [
        {
            "executionId": posted[0]["executionId"],
            "jobId": posted[0]["jobId"],
            "taskId": "b",
            "status": "done",
            "image": "busybox",
            "command": None,
            "node": None,
            "createdAt": of_b[0]["createdAt"],
            "startedAt": None,
            "finishedAt": None,
            "exitCode": 0,
            "attempt": 1,
            "arrayIndex": None,
            "labels": {},
            "url": posted[0]["executionUrl"],
        }
    ]


def test_an_execution_is_found_by_its_id_alone(api: ApiFarm) -> None:
    posted = api.post("t é")
    answer = api.client.get(f"/executions/{posted['executionId']}/")
    assert (answer.status_code, answer.location) == (302, posted["executionUrl"])
    assert api.client.get(answer.location).status_code == 200


def test_nodes_are_listed_with_their_state(api: ApiFarm) -> None:
    now = api.farm.clock.now()
    long_ago = now - timedelta(seconds=31)
    for name, seen_at, stopped_at in (("a", now, None), ("b", long_ago, None), ("c", long_ago, long_ago)):
        api.farm.store.nodes.beat(Node(name, "m", 1, 16, 2, seen_at, now, "20.10", stopped_at))
    items = get(api, "/nodes/")["items"]
    assert [(item["name"], item["state"]) for item in items] == [("a", "up"), ("b", "silent"), ("c", "stopped")]
    assert {"name", "machine", "pid", "slots", "running", "seenAt", "state", "engineVersion"} < set(items[0])


class LaterClock:
    """A clock that is an hour fast."""

    def now(self) -> datetime:
        """The present instant, and an hour."""
        return SystemClock().now() + timedelta(hours=1)


def test_the_last_execution_of_a_cron_job_is_not_the_one_that_waits(api: ApiFarm) -> None:
    posted = api.post("t", cron="* * * * *", misfire={"windowSeconds": 86400})
    first = posted["queueJobId"]
    fire(replace(api.farm, clock=LaterClock()), first)
    statuses = [execution["status"] for execution in get(api, posted["jobUrl"])["job"]["executions"]]
    assert statuses == ["enqueued", "scheduled"]
    api.write(first, b"the first tick\n")
    assert api.client.get(posted["jobUrl"] + "/stdout/").data == b"the first tick\n"


def test_every_answer_forbids_sniffing(api: ApiFarm) -> None:
    posted = api.post()
    for url in ("/tasks/", "/nothing", posted["jobUrl"] + "/logs/", "/tasks/?page=x"):
        assert api.client.get(url).headers["X-Content-Type-Options"] == "nosniff"


def test_the_answer_to_thousands_of_faults_is_short(api: ApiFarm) -> None:
    body = json.dumps({f"{number}{'x' * 50}": 1 for number in range(10_000)})
    answer = api.client.post("/tasks/t/", data=body)
    assert len(answer.data) < 64 * 1024
    assert "9951 more faults" in faults_of(answer)["body"]  # the missing image is one

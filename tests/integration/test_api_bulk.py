"""Many jobs in one call: all of them or none, and every fault of every job told at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from jobrunner.api.app import create_app
from jobrunner.domain.bulk import MOST_JOBS
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.states import State
from jobrunner.engine.janitors.follow_up import follow_up_owed
from jobrunner.store.documents.executions import ExecutionDocument
from jobrunner.store.documents.jobs import JobDocument, TaskDocument
from tests.integration.test_api_repeats import let_claims_end
from tests.support.api_farm import ApiFarm, api_farm, faults_of
from tests.support.port_faults import Crash, Kind, Trouble

pytestmark = pytest.mark.services


@pytest.fixture
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url) as farm:
        yield farm


def post(api: ApiFarm, *jobs: dict[str, Any], key: str | None = None) -> TestResponse:
    body = {"jobs": [{"task": "t", "image": "busybox"} | job for job in jobs]}
    headers = {"Idempotency-Key": key} if key else {}
    return api.client.post("/jobs/bulk/", data=json.dumps(body), headers=headers)


def stored() -> tuple[int, int]:
    return JobDocument.objects.count(), ExecutionDocument.objects.count()


def execution_of(api: ApiFarm, accepted: dict[str, Any]) -> Any:
    return api.execution(accepted["queueJobId"])


def test_a_graph_by_names_is_taken_in_and_answered_in_order(api: ApiFarm) -> None:
    answer = post(
        api,
        {"name": "join", "after": [{"name": "left"}, {"name": "right", "when": "finishes"}]},
        {"name": "left", "task": "u"},
        {"name": "right", "startIn": "1h"},
        {},
    )
    assert answer.status_code == 200, answer.text
    jobs = answer.json["jobs"]
    assert [(job["name"], job["taskId"]) for job in jobs] == [("join", "t"), ("left", "u"), ("right", "t"), (None, "t")]
    join, left, right, other = (execution_of(api, job) for job in jobs)
    assert join.waits_for == (left.job_id, right.job_id)
    assert [one.state for one in (join, left, right, other)] == [
        *(State.SCHEDULED, State.ENQUEUED, State.SCHEDULED, State.ENQUEUED)
    ]
    assert sorted(api.queue.pushed) == sorted([left.id, other.id])
    assert {task.id: task.jobs_count for task in TaskDocument.objects} == {"t": 3, "u": 1}
    shown = api.client.get(f"/tasks/t/jobs/{jobs[0]['jobId']}/").json["job"]
    assert shown["metadata"]["after"] == [
        {"job": left.job_id, "when": "succeeds"},
        {"job": right.job_id, "when": "finishes"},
    ]
    assert shown["executions"][0]["waitsFor"] == [left.job_id, right.job_id]


def test_jobs_that_are_there_can_be_waited_for_too(api: ApiFarm) -> None:
    ended, open_now = api.post("t"), api.post("t")
    api.advance(ended["executionId"], State.PULLING, State.RUNNING, State.DONE)
    one, both = post(
        api,
        {"after": [{"job": ended["jobId"]}]},
        {"after": [{"job": ended["jobId"]}, {"job": open_now["jobId"]}]},
    ).json["jobs"]
    assert execution_of(api, one).state is State.ENQUEUED
    assert execution_of(api, both).waits_for == (open_now["jobId"],)


def test_every_fault_of_every_job_is_told_and_nothing_is_made(api: ApiFarm) -> None:
    faults = faults_of(
        post(
            api,
            {"image": ""},
            {"imgae": "x", "task": "a/b"},
            {"after": [{"name": "x", "job": new_id()}, {"when": "never"}]},
            {"after": [{"name": "x", "wehn": "fails"}], "retryPolicy": {"fast": 1}},
        )
    )
    assert set(faults) == {
        "jobs.0.image",
        "jobs.1.imgae",
        "jobs.1.task",
        "jobs.2.after.0",
        "jobs.2.after.1.when",
        "jobs.3.after.0.wehn",
        "jobs.3.retryPolicy.fast",
    }
    assert faults["jobs.3.after.0.wehn"] == "is not a known key; known keys are job, name, when"
    assert "firstDelaySeconds" in faults["jobs.3.retryPolicy.fast"]
    assert stored() == (0, 0)


def test_names_must_be_given_once_and_known_and_jobs_be_there(api: ApiFarm) -> None:
    faults = faults_of(
        post(
            api,
            {"name": "a"},
            {"name": "a", "after": [{"name": "nobody"}, {"job": new_id()}]},
            {"after": [{"name": "a"}, {"name": "a"}], "notify": {"fails": ["me@example.org"]}},
        )
    )
    assert set(faults) == {
        *("jobs.1.name", "jobs.1.after.0.name", "jobs.1.after.1.job", "jobs.2.after.1", "jobs.2.notify")
    }
    assert stored() == (0, 0)


def test_a_circle_is_refused_and_named(api: ApiFarm) -> None:
    jobs = [{"name": name, "after": [{"name": other}]} for name, other in ("ab", "bc", "ca")]
    reason = faults_of(post(api, *jobs, {"name": "d", "after": [{"name": "a"}]}))["jobs"]
    assert any(circle in reason for circle in ("a -> b -> c -> a", "b -> c -> a -> b", "c -> a -> b -> c")), reason
    assert faults_of(post(api, {"name": "a", "after": [{"name": "a"}]}))["jobs"].endswith("a -> a")
    assert stored() == (0, 0)


@pytest.mark.parametrize("jobs", [[], [{}] * (MOST_JOBS + 1)])
def test_there_are_one_to_a_thousand(api: ApiFarm, jobs: list[dict[str, Any]]) -> None:
    assert "jobs" in faults_of(post(api, *jobs))


def test_a_thousand_are_taken_at_once(api: ApiFarm) -> None:
    assert len(post(api, *[{"command": f"echo {number}"} for number in range(MOST_JOBS)]).json["jobs"]) == MOST_JOBS
    assert stored() == (MOST_JOBS, MOST_JOBS)


def test_the_same_call_again_makes_nothing_more(api: ApiFarm) -> None:
    first, again = post(api, {}, {}, key="one"), post(api, {}, {}, key="one")
    assert again.data == first.data
    assert stored() == (2, 2)


@pytest.mark.parametrize("kind", [Kind.CRASH_BEFORE, Kind.CRASH_AFTER, Kind.UNANSWERED])
def test_wherever_the_api_dies_there_are_all_or_none_and_the_repetition_makes_all(api: ApiFarm, kind: Kind) -> None:
    there = api.post("t")
    jobs = {"name": "a"}, {"after": [{"name": "a"}]}, {"cron": "@hourly"}, {"after": [{"job": there["jobId"]}]}
    trouble = Trouble(kind=kind)
    client = create_app(trouble.around_farm(api.farm)).test_client()
    for at in range(1, 60):
        trouble.begin(at)
        before = stored()
        body = json.dumps({"jobs": [{"task": "t", "image": "busybox"} | job for job in jobs]})
        try:
            client.post("/jobs/bulk/", data=body, headers={"Idempotency-Key": f"key-{at}"})
        except Crash:
            pass
        assert stored() in (before, (before[0] + 4, before[1] + 4)), (at, trouble.calls)
        let_claims_end()
        assert api.client.post("/jobs/bulk/", data=body, headers={"Idempotency-Key": f"key-{at}"}).status_code == 200
        follow_up_owed(api.farm)
        assert stored() == (before[0] + 4, before[1] + 4), (at, trouble.calls)
        if len(trouble.calls) < at:
            return
    raise AssertionError("it ends before")

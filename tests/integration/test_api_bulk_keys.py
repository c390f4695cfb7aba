"""What an API key is held to holds for many jobs at once too: in one call, in an array, from a template."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from jobrunner.domain.executions import Node
from jobrunner.domain.key_wish import KeyWish
from jobrunner.domain.resources import Resources
from jobrunner.engine import keys
from jobrunner.store.documents.executions import ExecutionDocument
from jobrunner.store.documents.jobs import JobDocument
from tests.support.api_farm import ApiFarm, api_farm, faults_of

pytestmark = pytest.mark.services

MINE = {"task": "ci-1", "image": "busybox"}
TEMPLATE = {"parameters": {"image": {}, "count": {"type": "integer", "default": 1}}}
TEMPLATE_JOB = {"image": "{{image}}", "array": {"count": "{{count}}"}}


@pytest.fixture
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url) as farm:
        yield farm


def new_key(api: ApiFarm, role: str = "admin", **wish: Any) -> dict[str, str]:
    """The header of a key, made behind the API's back."""
    _, token = keys.create_key(api.farm, KeyWish(name=f"a {role}", role=role, **wish))
    return {"Authorization": f"Bearer {token}"}


def send(api: ApiFarm, path: str, key: dict[str, str], body: Any, method: str = "POST") -> TestResponse:
    return api.client.open(path, method=method, data=json.dumps(body), headers=key)


def bulk(api: ApiFarm, key: dict[str, str], *jobs: dict[str, Any]) -> TestResponse:
    return send(api, "/jobs/bulk/", key, {"jobs": jobs})


def nothing_is_stored() -> bool:
    return not JobDocument.objects.count() and not ExecutionDocument.objects.count()


@pytest.mark.parametrize(
    ("job", "status", "field"),
    [
        ({"task": "other", "image": "busybox"}, 404, "jobs.1.task"),
        ({"task": "ci-2", "image": "alpine"}, 403, "jobs.1.image"),
        ({"task": "ci-2", "image": "busybox", "array": {"count": 9}}, 403, "key"),
    ],
)
def test_one_job_that_a_key_may_not_have_refuses_all(api: ApiFarm, job: Any, status: int, field: str) -> None:
    key = new_key(api, "submit", task_pattern="^ci-", image_pattern="^busybox$", most_running=5)
    refused = bulk(api, key, MINE, job)
    assert (refused.status_code, list(faults_of(refused))) == (status, [field])
    assert nothing_is_stored()


def test_resources_that_a_key_may_not_have_refuse_all(api: ApiFarm) -> None:
    key = new_key(api, "submit", most_cpus=1.0)
    fits = {**MINE, "resources": {"cpu": 1}}
    assert bulk(api, key, fits, MINE).status_code == 400
    assert bulk(api, key, fits, {**MINE, "resources": {"cpu": 2}}).status_code == 403
    assert nothing_is_stored()
    assert bulk(api, key, fits, fits).status_code == 200


def test_what_many_jobs_would_have_running_is_counted_together(api: ApiFarm) -> None:
    key = new_key(api, "submit", most_running=5)
    assert bulk(api, key, *[MINE] * 6).status_code == 403
    assert send(api, "/tasks/ci-1/", key, {"image": "busybox", "array": {"count": 6}}).status_code == 403
    assert nothing_is_stored()
    array = {"image": "busybox", "array": {"count": 50, "mostAtOnce": 3}}
    assert send(api, "/tasks/ci-1/", key, array).status_code == 200
    full = bulk(api, key, *[MINE] * 3)
    assert (full.status_code, list(faults_of(full))) == (429, ["key"])
    assert bulk(api, key, *[MINE] * 2).status_code == 200


def test_a_job_of_a_task_that_a_key_does_not_see_cannot_be_waited_for(api: ApiFarm) -> None:
    hidden = send(api, "/tasks/other/", new_key(api), {"image": "busybox"}).json["jobId"]
    key = new_key(api, "submit", task_pattern="^ci-")
    after = [{"job": hidden}]
    refused = bulk(api, key, {**MINE, "after": after})
    assert (refused.status_code, list(faults_of(refused))) == (400, ["jobs.0.after.0.job"])
    alone = send(api, "/tasks/ci-1/", key, {"image": "busybox", "after": after})
    assert (alone.status_code, list(faults_of(alone))) == (400, ["after.0.job"])


def test_templates_are_made_by_admins_and_started_within_the_limits_of_a_key(api: ApiFarm) -> None:
    admin, key = new_key(api), new_key(api, "submit", task_pattern="^ci-", image_pattern="^busybox$", most_running=5)
    definition = {**TEMPLATE, "job": TEMPLATE_JOB}
    assert send(api, "/templates/t/", key, definition, "PUT").status_code == 403
    assert send(api, "/templates/t/", admin, definition, "PUT").status_code == 200
    assert send(api, "/templates/t/", key, {}, "DELETE").status_code == 403

    def start(task: str, **values: Any) -> int:
        return send(api, "/templates/t/start/", key, {"task": task, "values": values}).status_code

    assert start("other", image="busybox") == 404
    assert start("ci-1", image="alpine") == 403
    assert start("ci-1", image="busybox", count=6) == 403
    assert nothing_is_stored()
    assert start("ci-1", image="busybox", count=5) == 200
    assert start("ci-1", image="busybox") == 429


def test_two_keys_never_see_the_answers_of_each_other(api: ApiFarm) -> None:
    first, second = new_key(api, "submit"), new_key(api, "submit")
    same = {"Idempotency-Key": "same"}
    answers = [send(api, "/tasks/ci-1/", {**key, **same}, {"image": "busybox"}) for key in (first, second, first)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[0].json["jobId"] == answers[2].json["jobId"] != answers[1].json["jobId"]


def test_a_repetition_is_answered_though_the_key_has_no_room_left(api: ApiFarm) -> None:
    key = {**new_key(api, "submit", most_running=1), "Idempotency-Key": "same"}
    first = send(api, "/tasks/ci-1/", key, {"image": "busybox"})
    assert send(api, "/tasks/ci-1/", key, {"image": "busybox"}).data == first.data


def test_what_no_node_can_run_refuses_all_and_is_named(api: ApiFarm) -> None:
    now = api.farm.clock.now()
    api.farm.store.nodes.beat(
        Node("a", "m", 1, 16, 2, now, now, "20.10", capacity=Resources(slots=16, cpu_millis=4000))
    )
    refused = bulk(api, new_key(api), MINE, {**MINE, "resources": {"cpu": 64}, "priority": "high"})
    assert (refused.status_code, list(faults_of(refused))) == (409, ["jobs.1.resources.cpu"])
    assert nothing_is_stored()

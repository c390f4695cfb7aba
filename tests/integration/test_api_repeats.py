"""A request with an Idempotency-Key is done once, whoever sends it how often, and whoever dies meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from jobrunner.api.app import create_app
from jobrunner.domain.identifiers import new_id
from jobrunner.engine import queries, repeat
from jobrunner.store.documents.executions import ExecutionDocument
from jobrunner.store.documents.jobs import JobDocument, KeyedRequestDocument
from tests.support.api_farm import ApiFarm, api_farm, faults_of
from tests.support.port_faults import Crash, Kind, Trouble

pytestmark = pytest.mark.services

KEY = "Idempotency-Key"
NOW = {"image": "busybox"}
LATER = {"image": "busybox", "startIn": "1h"}
TICKS = {"image": "busybox", "cron": "* * * * *"}


@pytest.fixture
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url) as farm:
        yield farm


def send(api: ApiFarm, key: str, path: str = "/tasks/t/", method: str = "POST", **spec: Any) -> TestResponse:
    body = json.dumps(spec or NOW)
    return api.client.open(path, method=method, data=body, headers={KEY: key})


def stored() -> tuple[int, int]:
    """How many jobs and executions there are."""
    return JobDocument.objects.count(), ExecutionDocument.objects.count()


def let_claims_end() -> None:
    for request in KeyedRequestDocument.objects:
        KeyedRequestDocument.objects(id=request.id).update_one(
            set__claimed_until=request.claimed_until - timedelta(seconds=2 * repeat.CLAIM_SECONDS)
        )


@pytest.mark.parametrize("spec", [NOW, LATER, TICKS])
def test_the_same_request_is_answered_the_same_and_done_once(api: ApiFarm, spec: dict[str, Any]) -> None:
    first = send(api, "one", **spec)
    again = send(api, "one", **spec)
    assert (first.status_code, "Idempotency-Replayed" in first.headers) == (200, False)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true")
    assert (again.data, again.content_type) == (first.data, first.content_type)
    assert stored() == (1, 1)


def test_another_body_under_the_same_key_is_a_conflict(api: ApiFarm) -> None:
    send(api, "one")
    answer = send(api, "one", image="other")
    assert answer.status_code == 409
    assert "another body" in faults_of(answer)[KEY]
    assert stored() == (1, 1)


def test_a_key_is_of_one_path_only(api: ApiFarm) -> None:
    assert send(api, "one").json != send(api, "one", "/tasks/u/").json
    assert stored() == (2, 2)


def test_a_put_and_a_retry_are_done_once_too(api: ApiFarm) -> None:
    path = f"/tasks/t/jobs/{new_id()}/"
    for _ in range(2):
        assert send(api, "make", path, "PUT").status_code == 200
    for _ in range(2):
        assert send(api, "change", path, "PUT").status_code == 200
    for _ in range(2):
        assert send(api, "retry", f"{path}retry/").status_code == 200
    assert stored() == (1, 3)


def test_what_was_refused_can_be_sent_again_corrected(api: ApiFarm) -> None:
    assert send(api, "one", image="").status_code == 400
    assert send(api, "one").status_code == 200


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "ü"])
def test_a_key_that_is_none_is_an_error(api: ApiFarm, key: str) -> None:
    answer = api.client.post("/tasks/t/", data=json.dumps(NOW), headers={KEY: key.encode("utf-8").decode("latin-1")})
    assert answer.status_code == 400
    assert KEY in faults_of(answer)


def test_while_one_is_at_work_the_other_is_told_to_come_again(api: ApiFarm, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second comes in the middle of the first."""
    monkeypatch.setattr(repeat, "PATIENCE_SECONDS", 0.2)
    seen: list[TestResponse] = []

    def check() -> None:
        if not seen:
            seen.append(send(api, "one"))

    monkeypatch.setattr(api.queue, "check", check)
    assert send(api, "one").status_code == 200
    assert seen[0].status_code == 409
    assert int(seen[0].headers["Retry-After"]) >= 1
    assert stored() == (1, 1)


def test_ten_at_once_make_one_job_and_are_all_answered_the_same(api: ApiFarm) -> None:
    clients = [create_app(api.farm).test_client() for _ in range(10)]

    def post(client: FlaskClient) -> tuple[int, bytes]:
        answer = client.post("/tasks/t/", data=json.dumps(NOW), headers={KEY: "one"})
        return answer.status_code, answer.data

    with ThreadPoolExecutor(10) as threads:
        answers = set(threads.map(post, clients))
    assert [status for status, _ in answers] == [200]
    assert stored() == (1, 1)


@pytest.mark.parametrize("kind", [Kind.CRASH_BEFORE, Kind.CRASH_AFTER, Kind.UNANSWERED])
@pytest.mark.parametrize(("path", "method"), [("/tasks/t/", "POST"), (f"/tasks/t/jobs/{new_id()}/", "PUT")])
@pytest.mark.parametrize("spec", [NOW, TICKS])
def test_wherever_the_api_dies_the_repetition_completes_one_job(
    api: ApiFarm, kind: Kind, path: str, method: str, spec: dict[str, Any]
) -> None:
    trouble = Trouble(kind=kind)
    client = create_app(trouble.around_farm(api.farm)).test_client()
    for at in range(1, 30):
        key = f"key-{at}"
        trouble.begin(at)
        where = path.replace("/t/", f"/t{at}/") if method == "POST" else f"/tasks/t/jobs/{new_id()}/"
        try:
            client.open(where, method=method, data=json.dumps(spec), headers={KEY: key})
        except Crash:
            pass
        if len(trouble.calls) < at:
            return
        let_claims_end()
        answer = send(api, key, where, method, **spec)
        assert answer.status_code == 200, (at, answer.text)
        assert send(api, key, where, method, **spec).data == answer.data
        job = queries.job(api.farm, answer.json["taskId"], answer.json["jobId"])
        made = api.farm.store.executions.page_of_job(job.id, 1, 10)
        assert len([e for e in made if not e.state.is_terminal]) == 1, (at, trouble.calls)
        assert stored()[0] == at
    raise AssertionError("it ends before")


def test_a_request_is_forgotten_when_its_time_is_up(api: ApiFarm) -> None:
    first = send(api, "one")
    KeyedRequestDocument.objects.update(set__expires_at=api.farm.clock.now())
    assert send(api, "one").json["jobId"] != first.json["jobId"]
    indexes = KeyedRequestDocument._get_collection().index_information().values()
    assert [index["key"] for index in indexes if index.get("expireAfterSeconds") == 0] == [[("expires_at", 1)]]

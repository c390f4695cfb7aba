"""API keys over HTTP, with a real MongoDB: how they are made and brought, what they are held to, and what is noted."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from werkzeug.test import TestResponse

from jobrunner.domain.api_keys import Token, new_token, parse_token
from jobrunner.domain.key_wish import KeyWish
from jobrunner.engine import keys
from jobrunner.store.documents.keys import ApiKeyDocument
from tests.support.api_farm import ApiFarm, api_farm, faults_of
from tests.support.farm import wait_until

REFUSED = {"key": "is not one of this farm"}


@pytest.fixture
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url, page_size=3) as farm:
        yield farm


def new_key(api: ApiFarm, role: str = "admin", **wish: Any) -> str:
    """A key, made behind the API's back."""
    _, token = keys.create_key(api.farm, KeyWish(name=f"a {role}", role=role, **wish))
    return str(token)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def post(api: ApiFarm, path: str, headers: Mapping[str, str] | None = None, **body: Any) -> TestResponse:
    return api.client.post(path, data=json.dumps(body), headers=headers)


def audit(api: ApiFarm, key: str, count: int, query: str = "") -> list[dict[str, Any]]:
    """The newest entries of the audit trail, once there are so many."""

    def entries() -> list[dict[str, Any]] | None:
        answer = api.client.get(f"/audit/{query}", headers=bearer(key))
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json["items"]
        return items if len(items) >= count else None

    return wait_until(entries, 30, f"{count} entries")


def test_without_a_key_the_api_is_open_and_the_first_key_closes_it(api: ApiFarm) -> None:
    assert api.client.get("/tasks/").status_code == 200
    made = post(api, "/api-keys/", name="root", role="admin")
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    assert api.client.get("/tasks/").status_code == 401
    assert api.client.get("/healthcheck/").status_code == 200
    assert api.client.get("/tasks/", headers=bearer(made.json["key"])).status_code == 200


def test_a_key_is_shown_once_and_stored_as_a_hash(api: ApiFarm) -> None:
    made = post(api, "/api-keys/", name="root", role="admin").json
    token = parse_token(made["key"])
    assert token is not None
    assert token.id == made["keyId"]
    stored = json.dumps(ApiKeyDocument.objects(id=token.id).first().to_mongo(), default=str)
    later = api.client.get("/api-keys/", headers=bearer(made["key"])).text
    one = api.client.get(f"/api-keys/{token.id}/", headers=bearer(made["key"])).text
    for text in (stored, later, one):
        assert token.secret not in text
    assert token.secret_hash in stored
    assert token.secret_hash not in later + one


def test_a_key_comes_in_any_of_the_ways(api: ApiFarm) -> None:
    key = new_key(api)
    for headers in (bearer(key), basic("", key), basic("somebody", key), basic(key, ""), {"api-key": key}):
        assert api.client.get("/tasks/", headers=headers).status_code == 200, headers


def test_nothing_tells_which_keys_there_are(api: ApiFarm) -> None:
    token = parse_token(new_key(api))
    assert token is not None
    wrong_secret, unknown = str(Token(token.id, new_token().secret)), str(new_token())
    answers = [
        api.client.get("/tasks/", headers=headers)
        for key in (wrong_secret, unknown, "hunter2", "")
        for headers in (bearer(key), basic("x", key), {"api-key": key})
    ]
    for answer in answers:
        assert answer.status_code == 401
        assert faults_of(answer) == REFUSED
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {
        'Basic realm="jobrunner", charset="UTF-8", Bearer realm="jobrunner"'
    }


@pytest.mark.parametrize("given", ["Digest username=x", "Basic", "Basic !!!", "Bearer", "nonsense", "Negotiate abc"])
def test_what_is_no_credential_of_ours_is_refused(api: ApiFarm, given: str) -> None:
    new_key(api)
    assert api.client.get("/tasks/", headers={"Authorization": given}).status_code == 401


def test_an_unknown_path_is_not_told_to_who_has_no_key(api: ApiFarm) -> None:
    key = new_key(api, "read")
    assert api.client.get("/nothing/").status_code == 401
    assert api.client.get("/nothing/", headers=bearer(key)).status_code == 404
    assert api.client.delete("/tasks/", headers=bearer(key)).status_code == 405
    assert api.client.options("/tasks/").status_code == 401
    assert api.client.head("/tasks/").status_code == 401


def test_a_revoked_key_is_refused_at_once_where_it_was_revoked(api: ApiFarm) -> None:
    admin, other = new_key(api), new_key(api, "read")
    assert api.client.get("/tasks/", headers=bearer(other)).status_code == 200
    path = f"/api-keys/{other.split('_')[1]}/"
    revoked = api.client.delete(path, headers=bearer(admin))
    assert (revoked.status_code, revoked.json["state"]) == (200, "revoked")
    refused = api.client.get("/tasks/", headers=bearer(other))
    assert (refused.status_code, faults_of(refused)) == (401, {"key": "is revoked"})
    again = post(api, f"{path}revoke/", headers=bearer(admin))
    assert again.json["revokedAt"] == revoked.json["revokedAt"]


def test_keys_are_listed_with_their_limits_and_their_use(api: ApiFarm) -> None:
    admin = new_key(api)
    held = {"taskPattern": "^ci-", "imagePattern": "^a", "mostRunning": 3, "mostCpus": 1.5, "mostMemoryBytes": 1024}
    made = post(api, "/api-keys/", bearer(admin), name="ci", role="submit", expiresIn="90d", **held).json
    found = api.client.get("/api-keys/", headers=bearer(admin)).json
    (shown,) = [item for item in found["items"] if item["keyId"] == made["keyId"]]
    assert shown == {name: value for name, value in made.items() if name != "key"}
    assert {name: shown[name] for name in held} == held
    assert (shown["state"], shown["lastUsedAt"], shown["revokedAt"]) == ("active", None, None)
    assert found["hasNext"] is False
    api.client.get("/tasks/", headers=bearer(made["key"]))
    used = api.client.get(f"/api-keys/{made['keyId']}/", headers=bearer(admin)).json
    assert used["lastUsedAt"] is not None


def test_a_wish_that_cannot_be_is_a_400_that_names_the_key(api: ApiFarm) -> None:
    answer = post(api, "/api-keys/", name="", role="root", taskPattern="(", colour="red")
    assert answer.status_code == 400
    assert set(faults_of(answer)) == {"name", "role", "taskPattern", "colour"}
    for path in ("/api-keys/nothing/", "/api-keys/000000000000/"):
        assert api.client.get(path).status_code == 404
        assert api.client.delete(path).status_code == 404
    assert api.client.get("/api-keys/?after=x").status_code == 400


def test_limits_are_told_at_submit(api: ApiFarm) -> None:
    new_key(api)
    key = new_key(api, "submit", task_pattern="^ci-", image_pattern="^busybox$", most_running=1)
    path, headers = "/tasks/ci-1/", bearer(key)
    refused = post(api, path, headers, image="alpine")
    assert (refused.status_code, list(faults_of(refused))) == (403, ["image"])
    assert post(api, "/tasks/other/", headers, image="busybox").status_code == 404
    assert post(api, path, headers, image="busybox").status_code == 200
    full = post(api, path, headers, image="busybox")
    assert full.status_code == 429
    assert faults_of(full) == {
        "key": "may have 1 executions waiting or running at once, and has 1: wait for one to end"
    }
    assert int(full.headers["Retry-After"]) > 0


def test_an_api_that_others_can_reach_is_never_open_unless_allowed(mongodb_url: str) -> None:
    with api_farm(mongodb_url, api_host="0.0.0.0") as api:
        assert api.client.get("/tasks/").status_code == 401
        assert api.client.get("/healthcheck/").status_code == 200
    with api_farm(mongodb_url, api_host="0.0.0.0", api_allow_unauthenticated=True) as api:
        assert api.client.get("/tasks/").status_code == 200
        new_key(api)
        wait_until(lambda: api.client.get("/tasks/").status_code == 401, 30, "the first key closes it")


# ------------------------------------------------------------------------------------------------------- audit


def test_every_write_is_in_the_audit_trail_with_who_what_and_how_it_ended(api: ApiFarm) -> None:
    admin, key = new_key(api), new_key(api, "submit")
    headers = {**bearer(key), "X-Request-Id": "mine-1"}
    posted = post(api, "/tasks/t/", headers, image="busybox").json
    job = f"/tasks/t/jobs/{posted['jobId']}"
    calls = [
        (f"{job}/executions/{posted['executionId']}/stop/", "execution.stop", 200),
        (f"{job}/retry/", "job.retry", 200),
        (f"{job}/stop/", "job.stop", 200),
        ("/api-keys/", "key.create", 403),
        ("/tasks/t/", "job.submit", 400),
    ]
    for path, _, status in calls:
        assert post(api, path, bearer(key)).status_code == status
    api.client.put(job, data='{"image": "a"}', headers=bearer(key))
    api.client.get("/tasks/", headers=bearer(key))
    api.client.post("/tasks/t/", data="{}")  # by nobody that we know

    every: list[dict[str, Any]] = []
    audit(api, admin, 1, "?action=job.replace")  # the last one is there, and so are all
    url = "/audit/"
    while url:
        page = api.client.get(url, headers=bearer(admin)).json
        every += page["items"]
        url = page["nextUrl"]
    actions = [(entry["action"], entry["status"]) for entry in reversed(every)]
    expected = [("job.submit", 200), *((action, status) for _, action, status in calls), ("job.replace", 200)]
    assert actions == expected
    first = every[-1]
    assert first["keyId"] == key.split("_")[1]
    assert (first["keyName"], first["requestId"], first["address"]) == ("a submit", "mine-1", "127.0.0.1")
    assert (first["taskId"], first["jobId"], first["executionId"]) == ("t", posted["jobId"], posted["executionId"])
    assert {entry["jobId"] for entry in every if entry["taskId"]} == {posted["jobId"], None}
    assert "admin" in every[2]["reason"]
    assert "image: is required" in every[1]["reason"]


def test_the_audit_trail_is_filtered(api: ApiFarm) -> None:
    admin = new_key(api)
    for name in ("a", "b"):
        post(api, f"/tasks/{name}/", bearer(admin), image="busybox")
    audit(api, admin, 2)
    assert [entry["taskId"] for entry in audit(api, admin, 1, "?task=b")] == ["b"]
    assert len(audit(api, admin, 2, f"?key={admin.split('_')[1]}&since=2020-01-01")) == 2
    assert api.client.get("/audit/?until=2020-01-01", headers=bearer(admin)).json["items"] == []
    for query in ("?cursor=x", "?since=x", "?until=x"):
        assert api.client.get(f"/audit/{query}", headers=bearer(admin)).status_code == 400


def test_writes_while_the_farm_is_open_are_noted_too(api: ApiFarm) -> None:
    posted = api.post("t")
    admin = new_key(api)
    (entry,) = audit(api, admin, 1)
    assert (entry["keyId"], entry["executionId"], entry["address"]) == (None, posted["executionId"], "127.0.0.1")


def test_a_new_key_is_noted_by_its_id_and_not_by_its_secret(api: ApiFarm) -> None:
    made = post(api, "/api-keys/", name="root", role="admin").json
    (entry,) = audit(api, made["key"], 1)
    assert entry["things"] == {"key_id": made["keyId"]}
    assert made["key"].rsplit("_", 1)[1] not in json.dumps(entry)

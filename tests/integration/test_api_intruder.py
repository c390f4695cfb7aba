"""What each key may: over every route that there is. A route that nobody has given a right fails here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from jobrunner.api.app import create_app
from jobrunner.api.context import GATEKEEPER
from jobrunner.api.rights import RIGHTS, Right
from jobrunner.domain.api_keys import Role
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.key_wish import KeyWish
from jobrunner.engine import files, keys
from jobrunner.engine.farm import Farm
from jobrunner.settings import Settings
from jobrunner.wiring import mongo_store
from tests.support.api_farm import ApiFarm, api_farm, faults_of
from tests.support.farm import wait_until
from tests.support.list_queue import DictTriggers, ListQueue

SECRET_TASK = "prod-payroll"
OWN_TASK = "ci-1"
BODY = {"image": "busybox"}
BODIES: dict[str, Any] = {"native.create_api_key": {"name": "mine", "role": "admin"}}


def all_routes() -> list[tuple[Rule, str]]:
    """Every rule of the application, with each method that is not for asking about it."""
    farm = Farm(Settings(), mongo_store(), ListQueue(), DictTriggers(), announce=lambda event: None)
    rules = create_app(farm).url_map.iter_rules()
    return [
        (rule, method) for rule in rules for method in sorted(rule.methods or ()) if method not in ("HEAD", "OPTIONS")
    ]


ROUTES = [pytest.param(rule, method, id=f"{method} {rule.rule}") for rule, method in all_routes()]


@dataclass
class Holders:
    """An API with a key for each role, one that is held to tasks, and things that they could want."""

    api: ApiFarm
    tokens: dict[str, str]
    ids: dict[str, str]

    def ask(self, rule: Rule, method: str, holder: str | None, **ids: str) -> TestResponse:
        """Ask for a route with the ids of things that are there."""
        names = {"name": "stdout"} | self.ids | ids
        path = rule.rule
        for argument in rule.arguments:
            path = re.sub(rf"<([a-z]+(\([^)]*\))?:)?{argument}>", names[argument], path)
        assert "<" not in path, f"this test knows no value for a part of {path}"
        headers = {"Authorization": f"Bearer {self.tokens[holder]}"} if holder else {}
        query = {"format": "json"} if rule.endpoint == "native.show_events" else {}  # else it goes on and on
        body = BODIES.get(rule.endpoint, BODY)
        return self.api.client.open(path, method=method, headers=headers, json=body, query_string=query)


@pytest.fixture(scope="module")
def holders(mongodb_url: str) -> Iterator[Holders]:
    with api_farm(mongodb_url) as api:
        posted = api.post(SECRET_TASK)
        api.post(OWN_TASK)
        wishes = {role.value: KeyWish(name=role.value, role=role) for role in Role}
        wishes["held"] = KeyWish(name="held", role="submit", task_pattern="^ci-")
        made = {name: keys.create_key(api.farm, wish) for name, wish in wishes.items()}
        api.client.application.extensions[GATEKEEPER].forget()  # they were made behind the back of the API
        spare, _ = keys.create_key(api.farm, KeyWish(name="spare", role="read"))
        ids = {
            "task_id": SECRET_TASK,
            "job_id": posted["jobId"],
            "execution_id": posted["executionId"],
            "delivery_id": new_id(),
            "key_id": spare.id,
            "file_id": files.upload(api.farm, [b"salaries"], name=SECRET_TASK).id,
            "form": "zip",
        }
        yield Holders(api, {name: str(token) for name, (_, token) in made.items()}, ids)


@pytest.mark.parametrize(("rule", "method"), ROUTES)
def test_every_route_has_a_right_in_the_table(rule: Rule, method: str) -> None:
    assert rule.endpoint in RIGHTS, f"say in jobrunner/api/rights.py who may {method} {rule.rule}"


@pytest.mark.parametrize(("rule", "method"), ROUTES)
def test_every_route_that_writes_is_not_for_readers_and_has_a_name_in_the_audit_trail(rule: Rule, method: str) -> None:
    right = RIGHTS[rule.endpoint]
    if method != "GET":
        assert right.role in (Role.SUBMIT, Role.ADMIN)
        assert right.action
    else:
        assert not right.action


@pytest.mark.parametrize(("rule", "method"), ROUTES)
def test_without_a_key_only_the_healthcheck_answers(holders: Holders, rule: Rule, method: str) -> None:
    answer = holders.ask(rule, method, None)
    if rule.endpoint == "health.healthcheck":
        assert answer.status_code == 200
        return
    assert answer.status_code == 401
    assert "Basic" in answer.headers["WWW-Authenticate"]
    assert list(faults_of(answer)) == ["key"]
    assert SECRET_TASK not in answer.text


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("rule", "method"), ROUTES)
def test_a_role_does_what_it_is_for_and_no_more(holders: Holders, rule: Rule, method: str, role: Role) -> None:
    before = holders.api.queue.pushed.copy()
    answer = holders.ask(rule, method, role.value)
    needed = RIGHTS[rule.endpoint].role
    assert answer.status_code != 401
    if needed is None or role.includes(needed):
        assert answer.status_code not in (403, 500), answer.text
    else:
        assert answer.status_code == 403
        assert faults_of(answer) == {"role": f"must be {needed} for this, and that of this API key is {role}"}
        assert holders.api.queue.pushed == before


@pytest.mark.parametrize(("rule", "method"), ROUTES)
def test_a_key_that_is_held_to_tasks_learns_nothing_of_others(holders: Holders, rule: Rule, method: str) -> None:
    before = holders.api.queue.pushed.copy()
    answer = holders.ask(rule, method, "held")
    right: Right = RIGHTS[rule.endpoint]
    if right.role is Role.ADMIN:
        assert answer.status_code == 403
    elif rule.arguments & {"task_id", "job_id", "execution_id"}:
        assert answer.status_code == 404, answer.text
        assert answer.json["errors"][0]["reason"].startswith("there is no ")
    asked_for = {holders.ids[name] for name in rule.arguments if name in holders.ids}
    for secret in {SECRET_TASK, holders.ids["job_id"], holders.ids["execution_id"]} - asked_for:
        assert secret not in answer.text
    assert holders.api.queue.pushed == before


@pytest.mark.parametrize(("rule", "method"), ROUTES)
def test_what_is_hidden_and_what_is_not_there_are_answered_alike(holders: Holders, rule: Rule, method: str) -> None:
    if "task_id" not in rule.arguments:
        return
    hidden = holders.ask(rule, method, "held")
    absent = holders.ask(rule, method, "held", task_id="prod-nothing")
    assert hidden.status_code == absent.status_code == 404
    assert hidden.json["error"].replace(SECRET_TASK, "prod-nothing") == absent.json["error"]


def test_a_key_that_is_held_to_tasks_sees_the_files_of_its_own_alone(holders: Holders) -> None:
    client = holders.api.client
    held, submitter = ({"Authorization": f"Bearer {holders.tokens[name]}"} for name in ("held", "submit"))
    own = client.post("/files/?name=mine", headers=held, data=b"mine").json["fileId"]
    secret = files.upload(holders.api.farm, [b"salaries"], name=SECRET_TASK).id
    for headers, sees in ((held, {own}), (submitter, {own, secret})):
        listed = {item["fileId"] for item in client.get("/files/", headers=headers).json["items"]}
        assert listed & {own, secret} == sees
    assert client.get(f"/files/{secret}/", headers=held).status_code == 404
    assert client.delete(f"/files/{secret}/", headers=held).status_code == 404
    assert client.get(f"/files/?after={secret}", headers=held).status_code == 404
    assert client.get(f"/files/{secret}/", headers=submitter).data == b"salaries"
    for file_id, status in ((secret, 400), (own, 200)):
        spec = BODY | {"inputs": [{"file": file_id, "path": "/in"}]}
        assert client.post(f"/tasks/{OWN_TASK}/", headers=held, json=spec).status_code == status


def test_a_job_that_somebody_gave_a_file_can_be_run_again_with_it_by_a_key_that_does_not_see_it(
    holders: Holders,
) -> None:
    file = files.upload(holders.api.farm, [b"x"])
    spec = BODY | {"inputs": [{"file": file.id, "path": "/in"}]}
    admin, held = ({"Authorization": f"Bearer {holders.tokens[name]}"} for name in ("admin", "held"))
    job = holders.api.client.post(f"/tasks/{OWN_TASK}/", headers=admin, json=spec).json["jobId"]
    path = f"/tasks/{OWN_TASK}/jobs/{job}/"
    assert holders.api.client.post(f"{path}retry/", headers=held).status_code == 200
    assert holders.api.client.put(path, headers=held, json=spec).status_code == 200


def test_the_audit_trail_tells_which_file_was_uploaded_and_with_which_key(holders: Holders) -> None:
    client = holders.api.client
    admin, submitter = ({"Authorization": f"Bearer {holders.tokens[name]}"} for name in ("admin", "submit"))
    file_id = client.post("/files/", headers=submitter, data=b"x").json["fileId"]
    told = {"action": "file.upload", "keyName": "submit", "things": {"file_id": file_id}}

    def is_told() -> bool:
        return any(told.items() <= entry.items() for entry in client.get("/audit/", headers=admin).json["items"])

    wait_until(is_told, 30, "the upload is in the audit trail")

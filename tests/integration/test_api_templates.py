"""Templates: stored once, started by name with values that are checked, and the job says what it came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.support.api_farm import ApiFarm, api_farm, faults_of

pytestmark = pytest.mark.services

DEFINITION = {
    "description": "Renders frames.",
    "parameters": {
        "frames": {"type": "integer", "minimum": 1, "maximum": 100},
        "scene": {"type": "string", "pattern": "[a-z]+"},
        "quality": {"type": "enum", "values": ["low", "high"], "default": "low"},
        "scale": {"type": "number", "default": 0.5},
        "draft": {"type": "boolean", "default": True},
    },
    "job": {
        "image": "render:{{ quality }}",
        "command": ["render", "{{scene}}.blend", "--scale={{scale}}", "{{scene}} {{frames}}"],
        "envs": {"DRAFT": "{{draft}}", "DB_PASSWORD": "hidden"},
        "timeout": "{{frames}}",
        "webhook": {"url": "http://me:hidden@example.org/", "headers": {"Authorization": "hidden"}},
        "webhookSecret": "hidden-hidden-hidden",
    },
}
VALUES = {"frames": 7, "scene": "forest"}


@pytest.fixture
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url, page_size=2) as farm:
        yield farm


def put(api: ApiFarm, name: str = "render", **changes: Any) -> TestResponse:
    return api.client.put(f"/templates/{name}/", data=json.dumps(DEFINITION | changes))


def start(api: ApiFarm, values: dict[str, Any], name: str = "render") -> TestResponse:
    return api.client.post(f"/templates/{name}/start/", data=json.dumps({"task": "t", "values": values}))


def test_a_start_puts_values_and_defaults_in_their_places(api: ApiFarm) -> None:
    assert put(api).status_code == 200
    answer = start(api, VALUES)
    assert answer.status_code == 200, answer.text
    spec = api.execution(answer.json["executionId"]).spec
    assert spec.image == "render:low"
    assert spec.command == ("render", "forest.blend", "--scale=0.5", "forest 7")
    assert (spec.envs["DRAFT"], spec.timeout) == ("true", 7)


def test_a_value_is_not_read_as_a_template(api: ApiFarm) -> None:
    put(api, parameters={"a": {}, "b": {"default": "inner"}}, job={"image": "x", "command": ["{{a}}"]})
    answer = start(api, {"a": "{{b}} {{nobody}}"})
    assert api.execution(answer.json["executionId"]).spec.command == ("{{b}} {{nobody}}",)


def test_a_job_keeps_the_template_and_its_revision(api: ApiFarm) -> None:
    put(api)
    assert put(api, description="again").json["revision"] == 1
    accepted = start(api, VALUES).json
    put(api)
    job = api.client.get(f"/tasks/t/jobs/{accepted['jobId']}/").json["job"]
    assert job["template"] == {"name": "render", "revision": 1}
    assert api.client.get(f"/tasks/t/jobs/{api.post('t')['jobId']}/").json["job"]["template"] is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"frames": None}, "values.frames"),
        ({"frames": "7"}, "values.frames"),
        ({"frames": 0}, "values.frames"),
        ({"frames": 101}, "values.frames"),
        ({"frames": True}, "values.frames"),
        ({"scene": "Forest!"}, "values.scene"),
        ({"scene": "forest\n"}, "values.scene"),
        ({"quality": "medium"}, "values.quality"),
        ({"draft": "yes"}, "values.draft"),
        ({"unknown": 1}, "values.unknown"),
    ],
)
def test_values_are_checked_and_named(api: ApiFarm, changes: dict[str, Any], field: str) -> None:
    put(api)
    assert list(faults_of(start(api, VALUES | changes))) == [field]


def test_what_is_missing_is_named_and_what_comes_out_is_checked(api: ApiFarm) -> None:
    put(api)
    assert set(faults_of(start(api, {}))) == {"values.frames", "values.scene"}
    put(api, parameters={"image": {}}, job={"image": "{{image}}"})
    assert list(faults_of(start(api, {"image": "not an image"}))) == ["job.image"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"job": {"image": "x", "command": ["echo", "{{nobody}}"]}}, "job.command.1"),
        ({"job": {"imgae": "x"}}, "job.imgae"),
        ({"parameters": {"a": {"type": "integer", "default": "x"}}}, "parameters.a"),
        ({"parameters": {"a": {"type": "enum"}}}, "parameters.a"),
        ({"parameters": {"a": {"pattern": "("}}}, "parameters.a.pattern"),
        ({"parameters": {"a": {"type": "boolean", "minimum": 1}}}, "parameters.a"),
        ({"parameters": {"a": {"tpye": "boolean"}}}, "parameters.a.tpye"),
    ],
)
def test_a_definition_is_checked_when_it_is_stored(api: ApiFarm, changes: dict[str, Any], field: str) -> None:
    answer = put(api, **changes)
    assert answer.status_code == 400
    assert field in faults_of(answer)
    assert api.client.get("/templates/render/").status_code == 404


def test_templates_are_listed_by_name_shown_without_secrets_and_deleted(api: ApiFarm) -> None:
    for name in ("c", "a", "b"):
        put(api, name)
    page = api.client.get("/templates/").json
    assert [item["name"] for item in page["items"]] == ["a", "b"]
    assert [item["name"] for item in api.client.get(page["nextUrl"]).json["items"]] == ["c"]
    shown = api.client.get("/templates/a/")
    assert "hidden" not in shown.text
    assert shown.json["job"]["command"] == DEFINITION["job"]["command"]
    assert api.client.delete("/templates/a/").status_code == 200
    assert api.client.delete("/templates/a/").status_code == 404
    assert start(api, VALUES, "a").status_code == 404


@pytest.mark.parametrize("name", ["-a", "a b", "x" * 65])
def test_a_name_that_is_none_is_an_error(api: ApiFarm, name: str) -> None:
    assert "name" in faults_of(put(api, name))

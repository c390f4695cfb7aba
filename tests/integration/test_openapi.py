"""The OpenAPI document: valid, complete, and true, as a fuzzer sees it that knows nothing but the document."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from openapi_spec_validator import validate

from jobrunner.api.app import create_app
from jobrunner.api.openapi.operation import operation_of
from jobrunner.api.rights import right_of
from tests.support.api_farm import ApiFarm, api_farm
from tests.support.farm import Farm
from tests.support.farm_leftovers import drop, farm_id_of

pytestmark = pytest.mark.services

REPOSITORY = Path(__file__).parents[2]
ENDLESS = ("show_events", "follow_by_events", "follow_job_by_events")  # they go on until something is over
REVOKING = ("revoke_api_key", "revoke_api_key_by_post")  # it would find the id of its own key
NOT_DESCRIBED = {"openapi.show_openapi", "openapi.show_page"}  # the description itself


@pytest.fixture(scope="module")
def api(mongodb_url: str) -> Iterator[ApiFarm]:
    with api_farm(mongodb_url) as farm:
        yield farm


@pytest.fixture
def document(api: ApiFarm) -> dict[str, Any]:
    found: dict[str, Any] = api.client.get("/openapi.json").json
    return found


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_every_route_says_what_it_answers(api: ApiFarm) -> None:
    app = create_app(api.farm)
    silent = {
        rule.endpoint for rule in app.url_map.iter_rules() if operation_of(app.view_functions[rule.endpoint]) is None
    }
    assert silent == NOT_DESCRIBED


def test_every_route_is_in_the_document_once(document: dict[str, Any]) -> None:
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert all(operation["summary"] for operation in operations)
    assert "/tasks/{task_id}/jobs/{job_id}/" in document["paths"]


def test_every_operation_asks_for_the_role_that_the_table_of_rights_has(api: ApiFarm, document: dict[str, Any]) -> None:
    ways = document["components"]["securitySchemes"]
    assert {(way["type"], way.get("scheme", way.get("name"))) for way in ways.values()} == {
        *(("http", "basic"), ("http", "bearer"), ("apiKey", "api-key"))
    }
    endpoints = {rule.endpoint.rpartition(".")[2]: rule.endpoint for rule in create_app(api.farm).url_map.iter_rules()}
    for operation in (operation for methods in document["paths"].values() for operation in methods.values()):
        role = right_of(endpoints[operation["operationId"]]).role
        asked = {way: roles for requirement in operation["security"] for way, roles in requirement.items()}
        assert asked == ({key: [role] for key in ways} if role else {})
        assert ("401" in operation["responses"]) == (role is not None)


def test_the_page_shows_every_route_and_runs_no_script(api: ApiFarm, document: dict[str, Any]) -> None:
    page = api.client.get("/docs/")
    assert page.content_type == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for path in document["paths"]:
        assert path in page.text
    assert "<script" not in page.text


@pytest.fixture
def served(mongodb_url: str, redis_url: str, tmp_path: Path) -> Iterator[Farm]:
    """An API with nothing behind it that runs: a few jobs are there, so that there is something to find."""
    name = f"test_{uuid4().hex[:12]}"
    farm = Farm(name, mongodb_url, redis_url, tmp_path, image="busybox", farm_id=farm_id_of(name))
    try:
        farm.start_api()
        farm.post_job("echo", "hi", envs={"A": "b"})
        farm.post_job("echo", "later", startIn="1h")
        made = farm.http.post(f"{farm.url}/api-keys/", json={"name": "fuzzer", "role": "admin"}, timeout=10)
        farm.http.headers["Authorization"] = f"Bearer {made.json()['key']}"
        yield farm
    finally:
        farm.end_all()
        drop(mongodb_url, redis_url, name)


@pytest.mark.timeout(400)
def test_an_outside_fuzzer_finds_no_500_and_no_answer_that_is_not_documented(served: Farm) -> None:
    """Schemathesis, all checks, in a short form; by hand with more --max-examples."""
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", "conf/schemathesis.toml"),
        *("run", f"{served.url}/openapi.json", "--checks", "all", "--max-examples", "2", "--seed", "1"),
        *("--request-timeout", "20", "--continue-on-failure", "--no-color"),
        # Its checks of keys are made with one that is good: requests without it, and with another, must be refused.
        *("--header", f"Authorization: {served.http.headers['Authorization']!s}"),
        *(argument for name in (*ENDLESS, *REVOKING) for argument in ("--exclude-operation-id", name)),
    ]
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
        "PYTHONPATH": str(REPOSITORY),
    }
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=380, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Traceback" not in served.log("api")
    assert served.http.get(f"{served.url}/tasks/", timeout=10).status_code == 200  # its key was good to the end

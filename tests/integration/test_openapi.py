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
from tests.support.api_farm import ApiFarm, api_farm
from tests.support.farm import Farm
from tests.support.farm_leftovers import drop, farm_id_of

pytestmark = pytest.mark.services

REPOSITORY = Path(__file__).parents[2]
ENDLESS = ("show_events", "follow_by_events", "follow_job_by_events")  # they go on until something is over
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
        yield farm
    finally:
        farm.end_all()
        drop(mongodb_url, redis_url, name)


@pytest.mark.timeout(400)
def test_an_outside_fuzzer_finds_no_500_and_no_answer_that_is_not_documented(served: Farm) -> None:
    """Schemathesis, all checks, in a short form; by hand with more --max-examples."""
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", "conf/schemathesis.toml"),
        *("run", f"{served.url}/openapi.json", "--checks", "all", "--max-examples", "5", "--seed", "1"),
        *("--request-timeout", "20", "--continue-on-failure", "--no-color"),
        *("--exclude-operation-id", "create_api_key"),  # the first key would close the API to the rest of the run
        *(argument for name in ENDLESS for argument in ("--exclude-operation-id", name)),
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

"""Keys on a real farm: made on the command line, asked for by every API process, never in a log."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import requests
from pymongo import MongoClient

from jobrunner.domain.api_keys import parse_token
from tests.support.cli import run_cli
from tests.support.farm import Farm, free_port, wait_until

FarmMaker = Callable[..., Farm]
pytestmark = pytest.mark.services
REVOKED_WITHIN_SECONDS = 5


def keys_command(farm: Farm, *arguments: str, key: str = "", settings: bool = False) -> str:
    """What `jobrunner keys ...` prints; it must succeed."""
    environ = dict(farm.environment) if settings else {}
    ended = run_cli(
        "keys", *arguments, url=farm.url, environ={**environ, **({"JOBRUNNER_API_KEY": key} if key else {})}
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.decode().strip()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def status_at(url: str, key: str, path: str = "/tasks/") -> int:
    return requests.get(url + path, headers=bearer(key), timeout=10).status_code


def audit_entries(farm: Farm, key: str, count: int) -> list[dict[str, Any]]:
    """The entries of the audit trail, once there are so many."""
    items: list[dict[str, Any]] = requests.get(f"{farm.url}/audit/", headers=bearer(key), timeout=10).json()["items"]
    return items if len(items) >= count else []


def test_a_farm_is_closed_by_its_first_key_and_used_with_keys_from_then_on(make_farm: FarmMaker) -> None:
    farm = make_farm()
    farm.start("scheduler", "scheduler")
    farm.start_api()
    farm.start_worker("one")
    admin = keys_command(farm, "create", "--name", "root", "--role", "admin")
    assert requests.get(f"{farm.url}/tasks/", timeout=10).status_code == 401
    held = ("--task-pattern", "^ci-", "--most-running", "5", "--expires-in", "90d")
    ci = keys_command(farm, "create", "--name", "ci", "--role", "submit", *held, key=admin)

    ran = run_cli("run", "--task", "ci-1", farm.image, "echo", "hi", url=farm.url, environ={"JOBRUNNER_API_KEY": ci})
    assert (ran.stdout, ran.returncode) == (b"hi\n", 0)
    hidden = run_cli("run", "--task", "other", farm.image, "true", url=farm.url, environ={"JOBRUNNER_API_KEY": ci})
    assert (hidden.returncode, b"there is no 'other'" in hidden.stderr) == (125, True)
    keyless = run_cli("ps", url=farm.url)
    assert (keyless.returncode, b"JOBRUNNER_API_KEY" in keyless.stderr) == (1, True)

    reader = keys_command(farm, "create", "--name", "r", "--role", "read", key=admin)
    told = run_cli("run", farm.image, "true", url=farm.url, environ={"JOBRUNNER_API_KEY": reader})
    assert (told.returncode, b"role: must be submit" in told.stderr) == (125, True)

    listed = keys_command(farm, "list", key=admin)
    assert "taskPattern=^ci-, mostRunning=5" in listed
    assert "ci" in keys_command(farm, "revoke", ci.split("_")[1], key=admin)
    assert status_at(farm.url, ci) == 401

    entries = wait_until(lambda: audit_entries(farm, admin, 7), 30, "all is in the audit trail")
    actions = [(entry["action"], entry["status"], entry["keyName"]) for entry in reversed(entries)]
    assert actions == [
        ("key.create", 201, ""),
        ("key.create", 201, "root"),
        ("job.submit", 200, "ci"),
        ("job.submit", 404, "ci"),
        ("key.create", 201, "root"),
        ("job.submit", 403, "r"),
        ("key.revoke", 200, "root"),
    ]


def test_a_key_made_in_the_database_lets_an_api_listen_for_others_and_ends_in_all_of_them(
    make_farm: FarmMaker,
) -> None:
    farm = make_farm(api_host="0.0.0.0")
    refused = farm.start("refused", "api")
    assert refused.wait(30) == 2
    assert "the farm has no API key" in farm.log("refused")

    admin = keys_command(farm, "create", "--in-database", "--name", "root", "--role", "admin", settings=True)
    farm.start_api()
    other_port = free_port()
    farm.start("api2", "api", "--port", str(other_port))
    other_url = f"http://127.0.0.1:{other_port}"
    wait_until(lambda: _answers(other_url), 30, "the second API answers")
    reader = keys_command(farm, "create", "--name", "r", "--role", "read", key=admin)
    assert [status_at(url, reader) for url in (farm.url, other_url)] == [200, 200]

    keys_command(farm, "revoke", reader.split("_")[1], key=admin)
    began = time.monotonic()
    wait_until(lambda: status_at(other_url, reader) == 401, REVOKED_WITHIN_SECONDS, "the other API refuses the key")
    assert time.monotonic() - began < REVOKED_WITHIN_SECONDS
    keys_command(farm, "revoke", "--in-database", admin.split("_")[1], settings=True)
    wait_until(lambda: status_at(farm.url, admin) == 401, REVOKED_WITHIN_SECONDS, "no key is left, and it stays closed")
    assert requests.get(f"{farm.url}/tasks/", timeout=10).status_code == 401


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/healthcheck/", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def test_no_log_of_a_run_holds_a_key_or_a_credential(make_farm: FarmMaker) -> None:
    farm = make_farm(log_level="debug")
    farm.start("scheduler", "scheduler")
    farm.start_api()
    farm.start_worker("one")
    key = keys_command(farm, "create", "--name", "root", "--role", "admin")
    token = parse_token(key)
    assert token is not None
    packed = base64.b64encode(f"user:{key}".encode()).decode()
    ways: list[Mapping[str, str]] = [
        bearer(key),
        {"Authorization": f"Basic {packed}"},
        {"api-key": key},
        {"api-key": key, "X-Request-Id": key},
        {"Authorization": f"Digest {key}"},
        {"api-key": f"{key}x"},
    ]
    body: dict[str, Any] = {"image": farm.image, "command": "true", "envs": {"API_KEY": key}}
    for headers in ways:
        requests.post(f"{farm.url}/tasks/t/", json=body, headers=headers, timeout=10)
        requests.get(f"{farm.url}/nothing/{key}/", headers=headers, timeout=10)
        requests.post(f"{farm.url}/tasks/t/", data="{", headers=headers, timeout=10)
    hook = {"webhook": {"url": "http://127.0.0.1:1/", "headers": {"Authorization": f"Bearer {key}"}}}
    accepted = requests.post(f"{farm.url}/tasks/t/", json={**body, **hook}, headers=bearer(key), timeout=10).json()
    path = f"/executions/{accepted['executionId']}/"
    shown = wait_until(lambda: _ended(farm, path, key), 30, "the job has ended")
    everything = [
        requests.get(farm.url + at, headers=bearer(key), timeout=10).text for at in ("/audit/", "/executions/")
    ]
    for name in list(farm.processes):
        farm.end(name)
    logs = [path.read_text(errors="replace") for path in farm.folder.glob("*.log")]
    assert len(logs) == 3
    for text in (shown, *everything, *logs):
        assert token.secret not in text
        assert packed not in text
    assert f"jr_{token.id}_***" in farm.log("api")


def _ended(farm: Farm, path: str, key: str) -> str:
    answer = requests.get(farm.url + path, headers=bearer(key), timeout=10)
    over = answer.json()["execution"]["status"] in ("done", "failed", "lost")
    return answer.text if over else ""


def test_no_accepted_write_lacks_its_audit_entry_when_the_api_is_told_to_end(
    make_farm: FarmMaker, mongodb_url: str
) -> None:
    farm = make_farm()
    farm.start_api()
    accepted = {farm.post_job("true", startIn="1h")["jobId"] for _ in range(30)}
    farm.end("api")
    with MongoClient(mongodb_url) as client:
        noted = {entry["job_id"] for entry in client[farm.name]["audit"].find({"status": 200})}
    assert noted == accepted

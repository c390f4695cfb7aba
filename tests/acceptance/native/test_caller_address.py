"""Jobs and executions keep the address of who asked for them; proxies are believed where the farm trusts them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.acceptance.native.conftest import TRUSTED_PROXY
from tests.support.farm import Farm
from tests.support.native_api import call, document, execution_path, job_path

pytestmark = pytest.mark.services

REAL_IP = {"X-Real-IP": "198.51.100.7"}
FORWARDED_FOR = {"X-Forwarded-For": f"203.0.113.9, 198.51.100.8, {TRUSTED_PROXY}"}


class From(HTTPAdapter):
    """Sends requests from an address of this machine."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the connections, each bound to the address."""
        super().init_poolmanager(*arguments, **options, source_address=(self._address, 0))


@pytest.fixture
def proxy() -> Iterator[requests.Session]:
    """What a proxy sends that the farm trusts."""
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", From(TRUSTED_PROXY))
        yield session


def addresses(farm: Farm, posted: dict[str, Any]) -> tuple[str, str]:
    """What the job and the execution keep."""
    job = document(call(farm, "GET", job_path(posted)))["job"]
    execution = document(call(farm, "GET", execution_path(posted)))["execution"]
    assert job["executions"][0]["requestIPAddress"] == execution["requestIPAddress"]
    return job["requestIPAddress"], execution["requestIPAddress"]


@pytest.mark.parametrize("headers", [{}, REAL_IP, FORWARDED_FOR])
def test_who_is_no_proxy_is_the_caller_whatever_he_says(farm: Farm, headers: dict[str, str]) -> None:
    posted = document(call(farm, "POST", "/tasks/callers/", json={"image": "task1"}, headers=headers))
    assert addresses(farm, posted) == ("127.0.0.1", "127.0.0.1")


@pytest.mark.parametrize(
    ("headers", "caller"),
    [(REAL_IP, "198.51.100.7"), (FORWARDED_FOR, "198.51.100.8"), ({"X-Real-IP": "nonsense"}, TRUSTED_PROXY)],
)
def test_a_trusted_proxy_says_who_the_caller_is(
    farm: Farm, proxy: requests.Session, headers: dict[str, str], caller: str
) -> None:
    posted = document(proxy.post(f"{farm.url}/tasks/callers/", json={"image": "task1"}, headers=headers, timeout=10))
    assert addresses(farm, posted) == (caller, caller)


def test_who_runs_it_again_and_who_changes_it_are_kept_each_where_it_belongs(
    farm: Farm, proxy: requests.Session
) -> None:
    posted = farm.post_job("true", task="callers")
    again = document(proxy.post(f"{farm.url}{job_path(posted, 'retry/')}", headers=REAL_IP, timeout=10))
    assert addresses(farm, again) == ("127.0.0.1", "198.51.100.7")
    body = {"image": farm.image, "command": "true"}
    changed = document(proxy.put(farm.url + job_path(posted), json=body, headers=FORWARDED_FOR, timeout=10))
    assert addresses(farm, changed) == ("198.51.100.8", "198.51.100.8")
    assert farm.execution(posted)["requestIPAddress"] == "127.0.0.1"


def test_what_starts_by_itself_keeps_the_caller_of_its_job(farm: Farm, proxy: requests.Session) -> None:
    body = {"image": farm.image, "command": "false", "startIn": "1s", "retries": 1}
    posted = document(proxy.post(f"{farm.url}/tasks/callers/", json=body, headers=REAL_IP, timeout=10))
    farm.wait_for_end({"executionId": posted["queueJobId"]})
    job = document(call(farm, "GET", job_path(posted)))["job"]
    assert [run["requestIPAddress"] for run in job["executions"]] == ["198.51.100.7"] * 2

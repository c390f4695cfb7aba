"""The document's section "Farm Status", which it leaves open: GET /status/."""

from __future__ import annotations

from typing import Any

import pytest

from jobrunner import __version__
from tests.support.farm import Farm
from tests.support.native_api import assert_wrong_methods_are_refused, call, document, execution_path, spellings

pytestmark = pytest.mark.services


def status(farm: Farm) -> dict[str, Any]:
    found: dict[str, Any] = document(call(farm, "GET", "/status/"))
    return found


def scheduled(farm: Farm, posted: dict[str, Any]) -> list[dict[str, Any]]:
    return [job for job in status(farm)["jobs"]["scheduled"] if job["url"] == posted["jobUrl"]]


def test_the_parts_of_the_farm_are_shown(farm: Farm, documented: dict[str, Any]) -> None:
    for path in spellings("/status/"):
        found = document(call(farm, "GET", path))
        assert found["version"] == found["fastlane"]["version"] == __version__
        assert found["tasks"]["count"] >= 1
        assert found["jobs"]["count"] >= found["tasks"]["count"]
        assert isinstance(found["queues"]["jobs"]["length"], int)
        (host,) = found["hosts"]
        expected = {"available": True, "blacklisted": False, "circuit": "closed", "error": None}
        assert expected.items() <= host.items()
        assert isinstance(host["host"], str)


def test_a_container_is_shown_while_it_runs(farm: Farm) -> None:
    posted = farm.post_job("sleep", "100", stopGrace=0)
    container_id = farm.wait_for_status(posted, "running")["metadata"]["container_id"]
    assert container_id in {one["containerId"] for one in status(farm)["containers"]["running"]}
    call(farm, "POST", execution_path(posted, "stop/"))
    farm.wait_for_end(posted)
    assert container_id not in {one["containerId"] for one in status(farm)["containers"]["running"]}


def test_a_scheduled_job_is_shown_with_its_next_time_and_can_be_stopped_from_there(farm: Farm) -> None:
    before = status(farm)["queues"]["scheduled"]["length"]
    posted = farm.post_job("true", cron="*/10 * * * *")
    found = status(farm)
    assert found["queues"]["scheduled"]["length"] == before + 1
    (job,) = scheduled(farm, posted)
    next_times = document(call(farm, "GET", posted["jobUrl"]))["job"]["nextTimes"]
    assert job["nextScheduledAt"] == next_times[0]
    assert found["queues"]["scheduled"]["nextScheduledAt"] <= next_times[0]
    document(call(farm, "POST", job["stopUrl"]))
    assert scheduled(farm, posted) == []


def test_only_get_is_allowed(farm: Farm) -> None:
    assert_wrong_methods_are_refused(farm, "/status/", "GET")

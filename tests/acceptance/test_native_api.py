"""What the native API has besides the routes of fastlane's document (those are in native/), on a real farm."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.farm import Farm, wait_until

pytestmark = pytest.mark.services


def get(farm: Farm, path: str) -> Any:
    """The document at a path of the farm."""
    answer = farm.http.get(farm.url + path, timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_executions_of_all_jobs(farm: Farm) -> None:
    posted = farm.post_job("sh", "-c", "exit 3", task="all-executions")
    farm.wait_for_end(posted)
    (item,) = get(farm, "/executions/?status=failed&task=all-executions")["items"]
    expected = {"jobId": posted["jobId"], "taskId": "all-executions", "exitCode": 3, "node": "one", "attempt": 1}
    assert expected.items() <= item.items()
    assert item["url"] == posted["executionUrl"]


def test_nodes(farm: Farm) -> None:
    (node,) = get(farm, "/nodes/")["items"]
    assert (node["name"], node["state"], node["slots"]) == ("one", "up", 16)
    assert node["engineVersion"]


def test_a_follower_sees_output_before_the_container_ends(farm: Farm) -> None:
    accepted = farm.post_job("sh", "-c", "echo first; while ! test -e /go; do sleep 0.1; done", stopGrace=0)
    wait_until(lambda: farm.output(accepted, "stdout") == b"first\n", 30, "the first line is there")
    with farm.http.get(f"{accepted['executionUrl']}/stdout/?follow=1", stream=True, timeout=30) as answer:
        pieces = answer.iter_content(None)
        assert next(pieces) == b"first\n"
        farm.http.post(f"{accepted['executionUrl']}/stop/", timeout=10)
        assert b"".join(pieces) == b""
    assert farm.wait_for_end(accepted)["status"] == "stopped"


@pytest.mark.parametrize("path", ["/executions", "/nodes"])
def test_a_slash_at_the_end_makes_no_difference(farm: Farm, path: str) -> None:
    assert get(farm, path).keys() == get(farm, f"{path}/").keys()

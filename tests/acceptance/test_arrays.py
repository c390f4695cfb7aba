"""An array on a real farm: each index runs once with its values, and no more at once than it says."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import pytest

from tests.support.farm import Farm, wait_until

pytestmark = pytest.mark.services

COUNT, MOST = 24, 3


def executions(farm: Farm, accepted: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    url = f"{accepted['jobUrl']}/executions/"
    while url:
        page = farm.http.get(url, timeout=10).json()
        found += page["items"]
        url = page["nextUrl"]
    return found


def array(farm: Farm, accepted: dict[str, Any]) -> dict[str, Any]:
    summary: dict[str, Any] = farm.http.get(accepted["jobUrl"], timeout=10).json()["job"]["array"]
    return summary


def most_at_once(histories: list[list[dict[str, str]]]) -> int:
    """How many were on the queue or ran at the same time."""
    begins = [next(move["at"] for move in history if move["status"] == "enqueued") for history in histories]
    ends = [history[-1]["at"] for history in histories]
    # An end goes before a begin at the same instant: the one leads to the other.
    steps = sorted([(at, 1) for at in begins] + [(at, -1) for at in ends])
    return max(accumulate(step for _, step in steps))


def test_each_index_runs_once_and_at_most_so_many_at_a_time(farm: Farm) -> None:
    words = ("sh", "-c", 'echo "$JOBRUNNER_ARRAY_INDEX $A $B"; sleep 0.3')
    matrix = {"A": ["x", "y"], "B": list(range(COUNT // 2))}
    accepted = farm.post_job(*words, array={"matrix": matrix, "mostAtOnce": MOST})
    wait_until(lambda: array(farm, accepted)["state"] == "done", 120, "the array is done")
    found = executions(farm, accepted)
    assert sorted(one["arrayIndex"] for one in found) == list(range(COUNT))
    assert most_at_once([farm.execution(one)["history"] for one in found]) == MOST
    written = {farm.http.get(f"{one['url']}/stdout/", timeout=10).text for one in found}
    assert written == {f"{n} {'xy'[n // (COUNT // 2)]} {n % (COUNT // 2)}\n" for n in range(COUNT)}


def test_a_stop_ends_all_of_it(farm: Farm) -> None:
    accepted = farm.post_job("sleep", "60", array={"count": 500, "mostAtOnce": 2}, stopGrace=0)
    wait_until(lambda: array(farm, accepted)["running"] == 2, 30, "two run")
    assert farm.http.post(f"{accepted['jobUrl']}/stop/", timeout=30).status_code == 200
    wait_until(lambda: array(farm, accepted)["state"] == "stopped", 30, "it is stopped")
    assert array(farm, accepted)["stopped"] == 500

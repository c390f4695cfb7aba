"""A graph of jobs in one call: none starts before those that it waits for have ended, and each runs once.

How many: JOBRUNNER_TEST_GRAPH_JOBS; 500 by hand, fewer in CI, which other tests need too.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.support.farm import Farm, wait_until
from tests.support.farm_maker import FarmMaker

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

JOBS, LAYER = int(os.environ.get("JOBRUNNER_TEST_GRAPH_JOBS", "100")), 25
ENDS = ("done", "failed", "stopped")
SATISFIED_BY = {"succeeds": {"done"}, "fails": {"failed"}, "finishes": set(ENDS)}


def graph(farm: Farm, size: int) -> list[dict[str, Any]]:
    """Layers of jobs, each waiting for up to three of earlier layers; one in twenty fails."""
    chance = random.Random(1)
    jobs: list[dict[str, Any]] = []
    for number in range(size):
        earlier = range(number - number % LAYER)
        waits_for = chance.sample(earlier, min(len(earlier), chance.randint(1, 3)))
        whens = chance.choices(["succeeds", "finishes", "fails"], [8, 6, 1], k=len(waits_for))
        jobs.append(
            {
                "name": f"job {number}",
                "task": f"graph-{number % 7}",
                "image": farm.image,
                "command": "false" if number % 20 == 7 else "true",
                "after": [{"name": f"job {other}", "when": when} for other, when in zip(waits_for, whens, strict=True)],
            }
        )
    chance.shuffle(jobs)
    return jobs


def executions_of(farm: Farm, accepted: Mapping[str, Any]) -> list[dict[str, Any]]:
    answer = farm.http.get(accepted["jobUrl"], timeout=10)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["job"]["executions"]
    return found


def check(jobs: Sequence[Mapping[str, Any]], ran: Mapping[str, dict[str, Any]]) -> None:
    """Each job ran once after all that it waits for had ended as it asks, or never, where one had not."""
    for job in jobs:
        execution = ran[job["name"]]
        others = [(ran[after["name"]], after["when"]) for after in job["after"]]
        may_start = all(other["status"] in SATISFIED_BY[when] for other, when in others)
        assert (execution["cause"] != "dependency_failed") == may_start, (job, execution)
        if may_start:
            assert execution["status"] == ("failed" if job["command"] == "false" else "done"), execution
            enqueued = next(move["at"] for move in execution["history"] if move["status"] == "enqueued")
            ends = [other["history"][-1]["at"] for other, _ in others]
            assert all(end <= enqueued for end in ends), (job, execution)


def wait_for_all(farm: Farm, accepted: Sequence[Mapping[str, Any]], seconds: float) -> None:
    last: dict[str, str] = {}

    def all_ended() -> bool:
        for one in accepted:
            if last.get(one["jobId"]) not in ENDS:
                last[one["jobId"]] = executions_of(farm, one)[0]["status"]
                if last[one["jobId"]] not in ENDS:
                    return False
        return True

    wait_until(all_ended, seconds, "all jobs of the graph have ended")


def check_all(farm: Farm, jobs: Sequence[Mapping[str, Any]], accepted: Sequence[Mapping[str, Any]]) -> None:
    ran = {one["name"]: executions_of(farm, one) for one in accepted}
    assert {len(executions) for executions in ran.values()} == {1}
    check(jobs, {name: executions[0] for name, executions in ran.items()})


def post(farm: Farm, jobs: Sequence[Mapping[str, Any]]) -> requests.Response:
    headers = {"Idempotency-Key": f"graph-{len(jobs)}"}
    return farm.http.post(f"{farm.url}/jobs/bulk/", json={"jobs": jobs}, headers=headers, timeout=60)


def test_a_graph_runs_in_its_order_and_each_job_once(farm: Farm) -> None:
    jobs = graph(farm, JOBS)
    answer = post(farm, jobs)
    assert answer.status_code == 200, answer.text
    accepted = answer.json()["jobs"]
    wait_for_all(farm, accepted, 500)
    check_all(farm, jobs, accepted)


def kill(farm: Farm, name: str) -> None:
    """As by kill -9, with the children: gunicorn's worker would go on for a moment without its master."""
    process = farm.processes.pop(name)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)


def test_a_graph_is_taken_in_whole_and_runs_once_while_everybody_is_killed(make_farm: FarmMaker) -> None:
    farm = make_farm()
    farm.start_all("one")
    jobs = graph(farm, 40)
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(post, farm, jobs)
        time.sleep(0.15)  # somewhere in the middle of it; wherever that is, it must come out right
        kill(farm, "api")
        if answer.exception() is None:
            assert answer.result().status_code == 200
    farm.start_api()

    def again() -> requests.Response | None:
        found = post(farm, jobs)
        assert found.status_code in (200, 409), found.text
        return found if found.status_code == 200 else None

    accepted = wait_until(again, 40, "the same request is answered").json()["jobs"]
    for _ in range(3):
        wait_until(
            lambda: farm.http.get(f"{farm.url}/executions/?status=running", timeout=10).json()["items"], 60, "some"
        )
        kill(farm, "one")
        kill(farm, "scheduler")
        farm.start("scheduler", "scheduler")
        farm.start_worker("one")
    wait_for_all(farm, accepted, 300)
    assert farm.http.get(f"{farm.url}/status/", timeout=10).json()["jobs"]["count"] == len(jobs)
    check_all(farm, jobs, accepted)

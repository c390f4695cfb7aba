"""A graph of 500 jobs in one call: none starts before those that it waits for have ended, and each runs once."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.support.farm import Farm, wait_until

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

JOBS, LAYER = 500, 25
ENDS = ("done", "failed", "stopped")
SATISFIED_BY = {"succeeds": {"done"}, "fails": {"failed"}, "finishes": set(ENDS)}


def graph(farm: Farm) -> list[dict[str, Any]]:
    """Layers of jobs, each waiting for up to three of earlier layers; one in twenty fails."""
    chance = random.Random(1)
    jobs: list[dict[str, Any]] = []
    for number in range(JOBS):
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


def test_a_graph_of_500_jobs_runs_in_its_order_and_each_job_once(farm: Farm) -> None:
    jobs = graph(farm)
    answer = farm.http.post(f"{farm.url}/jobs/bulk/", json={"jobs": jobs}, timeout=60)
    assert answer.status_code == 200, answer.text
    accepted = answer.json()["jobs"]
    last: dict[str, str] = {}

    def all_ended() -> bool:
        for one in accepted:
            if last.get(one["jobId"]) not in ENDS:
                last[one["jobId"]] = executions_of(farm, one)[0]["status"]
                if last[one["jobId"]] not in ENDS:
                    return False
        return True

    wait_until(all_ended, 500, "all jobs of the graph have ended")
    ran = {one["name"]: executions_of(farm, one) for one in accepted}
    assert {len(executions) for executions in ran.values()} == {1}
    check(jobs, {name: executions[0] for name, executions in ran.items()})

"""Jobs that ask for resources, on two tiny nodes: never over-committed, nothing stuck or starved, kill -9 included."""

from __future__ import annotations

import itertools
import signal
from typing import Any

import docker
import pytest

from tests.support.containers import container_ids, containers_of
from tests.support.farm import Farm, wait_until
from tests.support.farm_maker import FarmMaker
from tests.support.occupancy import most_at_once

pytestmark = pytest.mark.services

MEBI = 1024 * 1024
TINY = {"node_cpus": 1, "node_memory_bytes": 256 * MEBI, "slots": 4, "room_wait_seconds": 2}
NODES = ("one", "two")
HAVE = {"cpu": 1000, "memory": 256 * MEBI, "slots": 4}  # cpu in thousandths: whole numbers add up


@pytest.fixture(scope="module")
def tiny(make_farm: FarmMaker) -> Farm:
    """A farm of two nodes of 1 cpu and 256 MiB, on one Engine."""
    farm = make_farm(**TINY)
    farm.start_all(*NODES)
    return farm


def nodes_of(farm: Farm) -> dict[str, Any]:
    items = farm.http.get(f"{farm.url}/nodes/", timeout=5).json()["items"]
    return {item["name"]: item for item in items}


def assert_never_over_committed(ended: list[dict[str, Any]], needs: dict[str, dict[str, float]]) -> None:
    """Of no node was ever more in use than it has, by the times of what ran."""
    for node, resource in itertools.product(NODES, HAVE):
        here = [execution for execution in ended if execution["node"] == node]
        used = most_at_once(here, {each["executionId"]: needs[each["executionId"]].get(resource, 0) for each in here})
        assert used <= HAVE[resource], (node, resource)


def test_nodes_tell_what_they_have_and_what_jobs_may_use(tiny: Farm) -> None:
    engine = docker.from_env().info()
    for node in nodes_of(tiny).values():
        assert node["total"]["cpu"] == engine["NCPU"]
        assert node["total"]["memory"] == engine["MemTotal"]
        assert node["total"]["storage"] > 0
        assert {**node["capacity"], "storage": 0} == {**HAVE, "cpu": 1, "gpu": 0, "storage": 0}
        assert node["pools"] == ["default"]


def test_what_a_job_asks_for_is_the_limit_of_its_container(tiny: Farm) -> None:
    job = tiny.post_job("sleep", "30", resources={"cpu": 0.25, "memory": "32m"})
    tiny.wait_for_status(job, "running")
    with containers_of(tiny) as (container,):
        limits = container.attrs["HostConfig"]
    assert (limits["NanoCpus"], limits["Memory"], limits["MemorySwap"]) == (250_000_000, 32 * MEBI, 32 * MEBI)
    node = tiny.execution(job)["node"]
    wait_until(lambda: nodes_of(tiny)[node]["reserved"]["cpu"] == 0.25, 30, "the beat tells what is reserved")
    tiny.http.post(f"{job['executionUrl']}/stop/", timeout=10)
    tiny.wait_for_end(job)
    wait_until(lambda: nodes_of(tiny)[node]["free"] == nodes_of(tiny)[node]["capacity"], 30, "all is free again")


def test_a_job_over_its_memory_ends_failed_as_out_of_memory(tiny: Farm) -> None:
    job = tiny.post_job("tail", "/dev/zero", resources={"memory": "16m"})
    ended = tiny.wait_for_end(job)
    assert (ended["status"], ended["cause"], ended["oomKilled"]) == ("failed", "out_of_memory", True)


def test_jobs_that_fit_one_at_a_time_never_overlap_on_a_node_also_when_a_worker_is_killed(tiny: Farm) -> None:
    shapes: list[dict[str, Any]] = [{"cpu": 1}, {"memory": "200m"}, {"cpu": 0.6, "memory": "100m"}, {"cpu": 0.4}]
    jobs, needs = [], {}
    for number in range(32):
        shape = shapes[number % len(shapes)]
        job = tiny.post_job("sleep", f"0.{number % 5 + 3}", resources=shape, retries=3)
        memory = int(str(shape.get("memory", "0m")).removesuffix("m")) * MEBI
        needs[job["executionId"]] = {"cpu": 1000 * shape.get("cpu", 0), "memory": memory, "slots": 1}
        jobs.append(job)
    for count, node in ((6, "one"), (14, "two")):
        wait_until(lambda: sum(tiny.execution(job)["status"] == "done" for job in jobs) >= count, 90, "some are done")  # noqa: B023
        tiny.end(node, signal.SIGKILL)
        tiny.start_worker(node)
    ended = [tiny.wait_for_end(job, seconds=120) for job in jobs]
    assert {execution["status"] for execution in ended} == {"done"}
    assert {execution["node"] for execution in ended} == set(NODES)
    assert_never_over_committed(ended, needs)
    wait_until(lambda: not container_ids(tiny), 30, "nothing is left")


def test_a_job_that_needs_a_whole_node_is_not_starved_by_small_ones(tiny: Farm) -> None:
    small = [tiny.post_job("sleep", "0.5", resources={"cpu": 0.4}) for _ in range(4)]
    large = tiny.post_job("echo", "hi", resources={"cpu": 1, "memory": "256m"})

    def keeps_coming() -> bool:
        small.append(tiny.post_job("sleep", "0.5", resources={"cpu": 0.4}))
        return tiny.execution(large)["status"] == "done"

    wait_until(keeps_coming, 30, "the large one has run although small ones kept coming")
    for job in small:
        tiny.wait_for_end(job, seconds=120)

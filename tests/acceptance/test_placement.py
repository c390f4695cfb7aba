"""Where jobs run and how many at once: nodes, pools, labels, limits, draining. Two nodes on one Engine."""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from tests.support.containers import COUNTS_ON, container_ids, containers_of, tell_to_end
from tests.support.farm import Farm, wait_until
from tests.support.farm_maker import FarmMaker
from tests.support.occupancy import most_at_once

pytestmark = pytest.mark.services

POOLS = '[{"match": "render-", "pool": "render", "maxRunning": 2}, {"match": "single-", "maxRunning": 1}]'
TWO = {"node_pools": "default, render", "node_labels": "zone=b, disk=ssd"}


@pytest.fixture(scope="module")
def placed(make_farm: FarmMaker) -> Farm:
    """A farm of a plain node `one`, and a node `two` with labels and a pool more."""
    farm = make_farm(pools=POOLS, slots=4)
    farm.start_all("one")
    farm.start_worker("two", **TWO)
    return farm


def refusal(farm: Farm, **spec: Any) -> tuple[int, str]:
    body = {"image": farm.image, "command": ["true"], **spec}
    answer = farm.http.post(f"{farm.url}/tasks/test/", json=body, timeout=10)
    return answer.status_code, str(answer.json()["error"])


def most_running(executions: list[dict[str, Any]]) -> float:
    return most_at_once(executions, {each["executionId"]: 1 for each in executions})


@pytest.mark.parametrize(
    ("task", "placement", "node"),
    [
        ("test", {"node": "one"}, "one"),
        ("test", {"node": "two"}, "two"),
        ("test", {"pool": "render"}, "two"),
        ("test", {"constraints": {"zone": "b"}}, "two"),
        ("render-1", {}, "two"),
    ],
)
def test_a_job_runs_where_it_was_placed(placed: Farm, task: str, placement: dict[str, Any], node: str) -> None:
    ended = [placed.wait_for_end(placed.post_job("true", task=task, placement=placement)) for _ in range(2)]
    assert [(each["status"], each["node"]) for each in ended] == [("done", node)] * 2


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"resources": {"cpu": 1000}}, "resources.cpu: 1000 asked; the largest node"),
        ({"resources": {"gpu": 1}}, "resources.gpu: 1 asked"),
        ({"resources": {"storage": "1g"}}, "resources.storage: no node's Engine can limit it"),
        ({"placement": {"node": "three"}}, "placement.node: the farm knows no node 'three'"),
        ({"placement": {"node": "one", "constraints": {"zone": "b"}}}, "placement.constraints: no node has"),
    ],
)
def test_what_no_node_can_run_is_refused_at_once(placed: Farm, spec: dict[str, Any], words: str) -> None:
    status, error = refusal(placed, **spec)
    assert (status, error[: len(words)]) == (409, words)


def test_what_cannot_be_meant_is_refused_by_its_key(placed: Farm) -> None:
    for spec, field in (
        ({"resources": {"cpu": 0}}, "resources.cpu"),
        ({"resources": {"memory": "lots"}}, "resources.memory"),
        ({"resources": {"ram": 1}}, "resources.ram"),
        ({"priority": "urgent"}, "priority"),
        ({"concurrency": {"group": "g"}}, "concurrency.most"),
        ({"placement": {"constraints": {"a b": "c"}}}, "placement.constraints.a b"),
    ):
        status, error = refusal(placed, **spec)
        assert (status, error.split(":")[0]) == (400, field)


def test_of_a_limit_no_more_run_at_once_also_when_a_worker_is_killed(placed: Farm) -> None:
    group = {"group": "etl", "most": 2}
    jobs = [placed.post_job("sleep", "0.4", concurrency=group, retries=3) for _ in range(10)]
    single = [placed.post_job("sleep", "0.4", task="single-x", retries=3) for _ in range(5)]
    render = [placed.post_job("sleep", "0.4", task="render-y", retries=3) for _ in range(6)]
    free = placed.post_job("true")
    assert placed.wait_for_end(free)["status"] == "done"  # what has to wait keeps nobody back
    waiting = placed.execution(jobs[-1])
    assert waiting["waitingFor"] == "concurrency: 2 of at most 2 executions of the group 'etl' run"
    wait_until(lambda: sum(placed.execution(job)["status"] == "done" for job in jobs) >= 3, 60, "some are done")
    placed.end("two", signal.SIGKILL)
    placed.start_worker("two", **TWO)
    for some, most in ((jobs, 2), (single, 1), (render, 2)):
        ended = [placed.wait_for_end(job, seconds=90) for job in some]
        assert {execution["status"] for execution in ended} == {"done"}
        assert most_running(ended) <= most


def test_workers_on_one_engine_leave_each_other_s_containers_alone(placed: Farm) -> None:
    jobs = [placed.post_job(*COUNTS_ON, placement={"node": node}) for node in ("one", "two") for _ in range(2)]
    running = [placed.wait_for_status(job, "running") for job in jobs]
    before = container_ids(placed)
    placed.end("one", signal.SIGKILL)
    placed.start_worker("one")
    placed.end("two")
    placed.start_worker("two", **TWO)
    assert container_ids(placed) == before
    with containers_of(placed) as found:
        assert sorted(container.labels["jobrunner.node"] for container in found) == ["one", "one", "two", "two"]
    for execution in running:
        tell_to_end(placed, execution["metadata"]["container_id"])
    assert [placed.wait_for_end(job)["status"] for job in jobs] == ["done"] * 4
    assert all(placed.execution(job)["attempt"] == 1 for job in jobs)


def test_a_drained_node_becomes_empty_at_its_deadline_and_takes_work_again_when_told(placed: Farm) -> None:
    ends_itself = placed.post_job("sleep", "1", placement={"node": "one"})
    has_to_go = placed.post_job("sleep", "600", placement={"constraints": {}}, stopGrace=1, retries=1)
    placed.wait_for_status(ends_itself, "running")
    node = placed.wait_for_status(has_to_go, "running")["node"]
    other = "one" if node == "two" else "two"
    url = f"{placed.url}/nodes/{node}/drain/"
    answer = placed.http.post(url, json={"deadlineSeconds": 5}, timeout=10)
    assert answer.json()["node"]["drain"]["deadline"], answer.text
    time.sleep(2)  # twice as long as the worker takes to hear of it
    elsewhere = placed.wait_for_end(placed.post_job("true"))
    waiting = placed.post_job("true", placement={"node": node})
    lost = placed.wait_for_end(has_to_go)
    assert (elsewhere["node"], lost["status"], lost["cause"]) == (other, "lost", "node_drained")
    assert placed.wait_for_end(ends_itself)["status"] == "done"
    assert placed.execution(waiting)["waitingFor"] == f"a node: {node!r} is not up, or takes no work"
    assert placed.http.delete(url, timeout=10).json()["node"]["drain"] is None
    assert placed.wait_for_end(waiting)["node"] == node
    placed.http.post(f"{has_to_go['jobUrl']}/stop/", timeout=10)
    wait_until(lambda: not container_ids(placed), 30, "nothing is left")


def test_draining_asks_for_a_node_and_a_deadline_that_there_can_be(placed: Farm) -> None:
    for node, body, status in (
        ("none", {}, 404),
        ("one", {"deadlineSeconds": -1}, 400),
        ("one", {"deadlineSeconds": True}, 400),
        ("one", {"deadline": 1}, 400),
    ):
        assert placed.http.post(f"{placed.url}/nodes/{node}/drain/", json=body, timeout=10).status_code == status

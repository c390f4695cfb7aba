"""Demands that no node can ever meet are refused with the reason; those that wait say for what."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from jobrunner.domain.executions import Node
from jobrunner.domain.resources import Resources
from jobrunner.engine.feasibility import waiting_for
from jobrunner.errors import Conflict
from tests.support.engine_world import World

GIB = 2**30


def know(world: World, name: str, **known: Any) -> Node:
    """A node of 2 cpus, 4 GiB, no gpu, that has just beaten."""
    now = world.clock.now()
    node = Node(name, "m", 1, 4, 0, now, now, capacity=Resources(slots=4, cpu_millis=2000, memory_bytes=4 * GIB))
    world.store.nodes.beat(replace(node, **known))
    return node


@pytest.mark.parametrize(
    ("spec", "field", "reason"),
    [
        ({"resources": {"cpu": 4}}, "resources.cpu", "4 asked; the largest node that may run it, 'big', has 2"),
        ({"resources": {"memory": "16g"}}, "resources.memory", "16g asked; .*'big', has 8g"),
        ({"resources": {"gpu": 1}}, "resources.gpu", "1 asked; .* has 0"),
        ({"resources": {"storage": "1g"}}, "resources.storage", "no node's Engine can limit it"),
        ({"resources": {"cpu": 2, "memory": "8g"}}, "resources", "each node that may run it has too little"),
        ({"placement": {"node": "three"}}, "placement.node", "the farm knows no node 'three'"),
        ({"placement": {"pool": "render"}}, "placement.pool", "no node belongs to the pool 'render'"),
        ({"placement": {"constraints": {"zone": "c"}}}, "placement.constraints", "no node has the labels zone=c"),
        ({"placement": {"node": "big"}, "resources": {"cpu": 2}}, "resources.cpu", "'big', has 1"),
    ],
)
def test_what_no_node_can_ever_run_is_refused(world: World, spec: dict[str, Any], field: str, reason: str) -> None:
    know(world, "small", labels={"zone": "a"}, address="x")
    know(world, "big", capacity=Resources(slots=4, cpu_millis=1000, memory_bytes=8 * GIB))
    if field == "resources.cpu" and "placement" not in spec:
        know(world, "big")
    with pytest.raises(Conflict, match=reason) as refused:
        world.submit(**spec)
    assert refused.value.fault.field == field
    assert world.queue.waiting == []


def test_a_node_that_is_away_counts_since_it_may_come_back(world: World) -> None:
    know(world, "one", stopped_at=world.clock.now())
    assert world.submit(resources={"cpu": 2})


def test_a_farm_that_knows_no_node_yet_takes_everything(world: World) -> None:
    assert world.submit(resources={"cpu": 64}, placement={"node": "any"})


def test_a_pool_that_only_the_rules_name_is_waited_for(world: World) -> None:
    world.settings["pools"] = [{"match": "", "pool": "render"}]
    know(world, "one")
    execution = world.submit(resources={"cpu": 1})
    assert waiting_for(world.farm(), execution) == "a node: none of the pool 'render' is up and takes work"


@pytest.mark.parametrize(
    ("reserved", "spec", "words"),
    [
        (Resources(slots=1, cpu_millis=1500), {"cpu": 2}, "cpu: 2 asked, 0.5 free on the best node, 'one'"),
        (Resources(slots=1, memory_bytes=GIB), {"memory": "4g"}, "memory: 4g asked, 3g free on the best node, 'one'"),
        (Resources(slots=4), {}, "slots: 1 asked, 0 free on the best node, 'one'"),
        (Resources(), {}, "its turn"),
    ],
)
def test_what_an_execution_waits_for_is_told(
    world: World, reserved: Resources, spec: dict[str, Any], words: str
) -> None:
    know(world, "one", reserved=reserved)
    know(world, "two", reserved=Resources(slots=4, cpu_millis=2000, memory_bytes=4 * GIB))
    execution = world.submit(resources=spec)
    assert waiting_for(world.farm(), execution) == words


def test_an_execution_that_waits_for_a_node_with_its_volume_says_so(world: World) -> None:
    know(world, "other")
    know(world, "one", volumes=("models",))
    execution = world.submit(container={"volumes": [{"name": "models", "target": "/m"}]})
    assert waiting_for(world.farm(), execution) == "its turn"
    know(world, "one", volumes=("models",), stopped_at=world.clock.now())
    expected = "a node: none of the pool 'default' with the volumes models is up and takes work"
    assert waiting_for(world.farm(), execution) == expected


def test_a_volume_is_looked_for_where_the_job_may_run(world: World) -> None:
    know(world, "plain", pools=("render",))
    know(world, "one", volumes=("models",))
    mounts = {"volumes": [{"name": "models", "target": "/m"}]}
    with pytest.raises(Conflict, match="no node that may run it has a volume 'models'") as refused:
        world.submit(container=mounts, placement={"pool": "render"})
    assert refused.value.fault.field == "container.volumes.0.name"
    assert world.submit(container=mounts)


def test_an_execution_that_waits_for_others_of_its_group_says_so(world: World) -> None:
    group = {"group": "g", "most": 1}
    running, _, _ = world.running(concurrency=group)
    know(world, "one")
    waiting = world.submit(concurrency=group)
    assert waiting_for(world.farm(), waiting) == "concurrency: 1 of at most 1 executions of the group 'g' run"
    assert waiting_for(world.farm(), running) is None


def test_where_no_node_is_up_that_is_what_it_waits_for(world: World) -> None:
    know(world, "one", labels={"zone": "a"}, stopped_at=world.clock.now())
    asked = {"constraints": {"zone": "a"}}
    words = waiting_for(world.farm(), world.submit(placement=asked))
    assert words == "a node: none of the pool 'default' with the labels zone=a is up and takes work"
    words = waiting_for(world.farm(), world.submit(placement={"node": "one"}))
    assert words == "a node: 'one' is not up, or takes no work"

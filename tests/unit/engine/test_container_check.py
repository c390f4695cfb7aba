"""A job gets the container that it asks for only where the farm's rules, and its node, allow it."""

from __future__ import annotations

from typing import Any

import pytest

from jobrunner.container_rules import HostFolder
from jobrunner.domain.executions import Node
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.resources import ONE_SLOT
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.engine.presence import Presence
from jobrunner.engine.run import run_execution
from jobrunner.engine.submit import resubmit, submit
from jobrunner.errors import Conflict, ContainerRejected, ImageRefused, InvalidRequest
from tests.support.engine_world import IMAGE, TASK, World

DATA = {"name": "data", "target": "/data"}
ALLOWED = {"container_networks": ("host",), "node_volumes": {"data": HostFolder("/srv/data")}}


def spec(**container: Any) -> JobSpec:
    return JobSpec.model_validate({"image": IMAGE, "command": ["speak"], "container": container})


def know_node(world: World, name: str, *volumes: str) -> None:
    now = world.clock.now()
    world.store.nodes.beat(Node(name, "m", 1, 16, 0, seen_at=now, started_at=now, capacity=ONE_SLOT, volumes=volumes))


def test_what_the_farm_does_not_allow_is_refused_at_once_and_nothing_is_stored(world: World) -> None:
    forbidden = spec(networkMode="host", capAdd=["SYS_ADMIN"], allowNewPrivileges=True)
    taken = submit(world.farm(), TASK, spec())
    for attempt in (
        lambda: submit(world.farm(), TASK, forbidden),
        lambda: resubmit(world.farm(), TASK, taken.job.id, forbidden),
    ):
        with pytest.raises(InvalidRequest) as refused:
            attempt()
        fields = [fault.field for fault in refused.value.faults]
        assert fields == ["container.networkMode", "container.capAdd.0", "container.allowNewPrivileges"]
    stored = world.store.jobs.get(taken.job.id)
    assert stored is not None and stored.spec == spec()


def test_what_the_farm_allows_runs(world: World) -> None:
    world.settings |= ALLOWED
    execution = submit(world.farm(), TASK, spec(networkMode="host", volumes=[DATA])).execution
    run_execution(world.node(), execution.id)
    assert world.get(execution).state is State.DONE


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        (
            {"networkMode": "host"},
            "node 'one': container.networkMode: is not allowed by this farm; it allows bridge, none",
        ),
        ({"volumes": [DATA]}, "node 'one': container.volumes.0.name: the node has no volume 'data'"),
    ],
)
def test_a_node_has_the_last_word_and_asks_its_engine_for_nothing(
    world: World, container: dict[str, Any], reason: str
) -> None:
    """The rules were other ones when the job was taken in, or its node has no such volume."""
    execution = submit(world.farm(**ALLOWED), TASK, spec(**container)).execution
    world.engine.images.clear()
    run_execution(world.node(), execution.id)
    ended = world.get(execution)
    assert (ended.state, ended.cause) == (State.FAILED, Cause.CONTAINER_REJECTED)
    assert ended.reason == reason
    assert not world.engine.creates and not world.engine.images


def test_a_volume_that_no_node_has_is_told_at_once(world: World) -> None:
    know_node(world, "one", "models")
    know_node(world, "two", "scratch")
    for names, field, reason in [
        (["models", "data"], "container.volumes.1.name", "no node that may run it has a volume 'data'"),
        (["models", "scratch"], "container.volumes", "no node that may run it has all of these volumes"),
    ]:
        mounts = [{"name": name, "target": f"/{name}"} for name in names]
        with pytest.raises(Conflict) as refused:
            submit(world.farm(), TASK, spec(volumes=mounts))
        assert (refused.value.fault.field, refused.value.fault.reason) == (field, reason)
    assert submit(world.farm(), TASK, spec(volumes=[{"name": "models", "target": "/m"}]))


def test_a_farm_that_knows_no_node_yet_takes_every_volume(world: World) -> None:
    assert submit(world.farm(), TASK, spec(volumes=[DATA])).execution.state is State.ENQUEUED


def test_a_node_tells_the_names_of_its_volumes(world: World) -> None:
    Presence(world.node(**ALLOWED), "incarnation").beat()
    (node,) = world.store.nodes.all()
    assert node.volumes == ("data",)


def test_an_image_that_its_registry_refuses_is_not_tried_again(world: World) -> None:
    world.engine.images.clear()
    world.engine.pull_errors[IMAGE] = ImageRefused("wants a login")
    execution = world.submit(retries=3)
    run_execution(world.node(), execution.id)
    ended = world.get(execution)
    assert (ended.state, ended.cause, ended.reason) == (State.FAILED, Cause.IMAGE_REFUSED, "wants a login")
    assert ended.retried_by is None and not world.triggers.alarms


def test_a_container_that_is_rejected_is_tried_again_where_its_job_allows(world: World) -> None:
    world.settings |= ALLOWED
    execution = submit(world.farm(), TASK, spec().model_copy(update={"retries": 1})).execution
    world.engine.scripts[("speak",)] = world.engine.scripts[("speak",)].__class__(start_error=ContainerRejected("no"))
    run_execution(world.node(), execution.id)
    assert world.get(execution).retried_by is not None

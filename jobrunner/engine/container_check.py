"""Whether a farm, and a node of it, gives a job the container that it asks for."""

from __future__ import annotations

from jobrunner.domain.container_options import ContainerOptions
from jobrunner.engine.farm import Farm
from jobrunner.errors import Conflict, ContainerRejected, InvalidRequest
from jobrunner.settings import Settings


def check_container(farm: Farm, options: ContainerOptions) -> None:
    """For a job that is submitted.

    Raises InvalidRequest where the farm's rules do not allow it, Conflict where no node that is known has all of its
    volumes. A farm that knows no node yet takes every volume.
    """
    faults = list(options.faults(farm.settings.container_rules))
    if faults:
        raise InvalidRequest(*faults)
    if not options.volumes:
        return
    nodes = farm.store.nodes.all()
    wanted = {mount.name for mount in options.volumes}
    if nodes and not any(wanted <= set(node.volumes) for node in nodes):
        raise _no_node(options, {name for node in nodes for name in node.volumes})


def _no_node(options: ContainerOptions, known: set[str]) -> Conflict:
    for position, mount in enumerate(options.volumes):
        if mount.name not in known:
            return Conflict(f"container.volumes.{position}.name", f"no node has a volume {mount.name!r}")
    return Conflict("container.volumes", "no node has all of these volumes")


def check_on_node(settings: Settings, options: ContainerOptions) -> None:
    """For a run on the node that has these settings. Raises ContainerRejected, with all reasons.

    The farm's rules are looked at again: they may have changed since, and each node has the last word on itself.
    """
    faults = [*options.faults(settings.container_rules), *options.volume_faults(settings.node_volumes or {})]
    if faults:
        raise ContainerRejected(f"node {settings.node!r}: {'; '.join(map(str, faults))}")

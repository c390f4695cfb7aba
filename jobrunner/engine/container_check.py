"""Whether a farm, and a node of it, gives a job the container that it asks for."""

from __future__ import annotations

from jobrunner.domain.container_options import ContainerOptions
from jobrunner.errors import ContainerRejected, InvalidRequest
from jobrunner.settings import Settings


def check_container(settings: Settings, options: ContainerOptions) -> None:
    """For a job that is submitted. Raises InvalidRequest where the farm's rules do not allow it."""
    faults = list(options.faults(settings.container_rules))
    if faults:
        raise InvalidRequest(*faults)


def check_on_node(settings: Settings, options: ContainerOptions) -> None:
    """For a run on the node that has these settings. Raises ContainerRejected, with all reasons.

    The farm's rules are looked at again: they may have changed since, and each node has the last word on itself.
    """
    faults = [*options.faults(settings.container_rules), *options.volume_faults(settings.node_volumes or {})]
    if faults:
        raise ContainerRejected(f"node {settings.node!r}: {'; '.join(map(str, faults))}")

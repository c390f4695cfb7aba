"""Have nodes take no new work, or take it again. What runs on them goes on."""

from __future__ import annotations

from jobrunner.domain.executions import Node
from jobrunner.engine.farm import Farm
from jobrunner.errors import NotFound


def blacklist(farm: Farm, host: str) -> list[str]:
    """The nodes of this host take no new work from now on; their names. Raises NotFound."""
    names = _nodes_of(farm, host)
    for name in names:
        farm.store.blacklist.add(name, farm.clock.now())
    return names


def readmit(farm: Farm, host: str) -> list[str]:
    """The nodes of this host take work again; their names. Raises NotFound."""
    names = _nodes_of(farm, host)
    for name in names:
        farm.store.blacklist.remove(name)
    return names


def _nodes_of(farm: Farm, host: str) -> list[str]:
    """The nodes that the status shows under this host: one by its name, or all at an Engine's address."""
    names = [node.name for node in farm.store.nodes.all() if host in (node.name, shown_host(node))]
    if not names:
        raise NotFound("host", host)
    return names


def shown_host(node: Node) -> str:
    """What a node is called as a host: the "name:port" of its Engine, where that has a port, else its own name."""
    return node.engine_address or node.name

"""Have a node take nothing new, so that it becomes empty; or take work again.

The order is stored apart from what the node tells of itself, so it holds over restarts of its worker. At its deadline,
what still runs is ended (SIGTERM, grace, SIGKILL) and is `lost`: tried again on another node where its job allows.
"""

from __future__ import annotations

from datetime import timedelta

from jobrunner.domain.executions import Drain, Node
from jobrunner.engine.farm import Farm
from jobrunner.errors import NotFound


def drain(farm: Farm, name: str, deadline_seconds: float | None) -> Node:
    """Order it, in place of an earlier order; the node as it is then. Raises NotFound."""
    _known(farm, name)
    now = farm.clock.now()
    deadline = None if deadline_seconds is None else now + timedelta(seconds=deadline_seconds)
    farm.store.nodes.set_drain(name, Drain(now, deadline))
    return _known(farm, name)


def undrain(farm: Farm, name: str) -> Node:
    """End the order, if there is one; the node as it is then. Raises NotFound."""
    _known(farm, name)
    farm.store.nodes.set_drain(name, None)
    return _known(farm, name)


def _known(farm: Farm, name: str) -> Node:
    node = farm.store.nodes.get(name)
    if node is None:
        raise NotFound("node", name)
    return node

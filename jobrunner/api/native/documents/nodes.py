"""Nodes, what they have, and how they are drained."""

from __future__ import annotations

from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from jobrunner.api.openapi.forms import closed
from jobrunner.domain.node_states import NodeState


@closed
class Amounts(TypedDict):
    """Amounts of everything that is shared out on a node; memory and storage in bytes."""

    slots: int
    cpu: float
    memory: int
    gpu: int
    storage: int


@closed
class DrainDocument(TypedDict):
    """The order that a node takes nothing new; without a deadline, what runs there may run on."""

    requestedAt: str
    deadline: str | None


@closed
class NodeItem(TypedDict):
    """A node: what its machine has, what of that jobs may use, and how much of that is reserved and free."""

    name: str
    machine: str
    pid: int
    slots: int
    running: int
    seenAt: str
    state: NodeState
    engineVersion: str
    address: str
    pools: list[str]
    labels: dict[str, str]
    total: Amounts
    capacity: Amounts
    reserved: Amounts
    free: Amounts
    gpuNames: list[str]
    limitsStorage: bool
    drain: DrainDocument | None
    volumes: list[str]


@closed
class NodeList(TypedDict):
    """All nodes that ever were."""

    items: list[NodeItem]


@closed
class NodeDetails(TypedDict):
    """A node."""

    node: NodeItem

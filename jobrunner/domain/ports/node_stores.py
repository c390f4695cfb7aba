"""Where nodes are kept, and those that are to take no new work."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from jobrunner.domain.executions import Drain, Node
from jobrunner.domain.node_states import NodeState


class NodeStore(Protocol):
    """Nodes, and when they were last heard of."""

    def beat(self, node: Node) -> None:
        """Store the node as it is now (by name)."""

    def get(self, name: str) -> Node | None:
        """The node of this name."""

    def all(self) -> list[Node]:
        """All nodes, by name."""

    def set_drain(self, name: str, drain: Drain | None) -> None:
        """Order a node to take nothing new, or end that order. It holds whatever the node's worker does meanwhile."""

    def drain_of(self, name: str) -> Drain | None:
        """The order that a node is under."""

    def last_seen(self) -> dict[str, datetime]:
        """When each node was last heard, by its name and by its own word."""

    def presence(self) -> dict[str, NodeState]:
        """What was noted last of each node, by name."""

    def note_presence(self, name: str, state: NodeState, at: datetime) -> None:
        """Note what a node has become."""


class Blacklist(Protocol):
    """The nodes that take no new work, by name."""

    def add(self, node: str, at: datetime) -> None:
        """The node takes no new work from now on; nothing if it is there already."""

    def remove(self, node: str) -> None:
        """The node takes work again; nothing if it is not there."""

    def has(self, node: str) -> bool:
        """Whether the node is there; answers, or raises, within about a second."""

    def all(self) -> frozenset[str]:
        """The names of all nodes that are there."""

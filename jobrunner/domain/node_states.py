"""What a node is to the farm at a moment."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from jobrunner.domain.executions import Node


class NodeState(StrEnum):
    """Up, not heard of for too long, or ended on purpose."""

    UP = "up"
    SILENT = "silent"
    STOPPED = "stopped"


def node_state(node: Node, now: datetime, silent_seconds: float) -> NodeState:
    """What a node is to us now; `silent_seconds` is how long it may be silent."""
    if node.stopped_at is not None:
        return NodeState.STOPPED
    return NodeState.SILENT if now - node.seen_at > timedelta(seconds=silent_seconds) else NodeState.UP

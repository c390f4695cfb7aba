"""From nodes to the documents of the native API. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from jobrunner.api.native.times import iso
from jobrunner.api.native.translate import Document
from jobrunner.domain.executions import Node
from jobrunner.domain.node_states import node_state


def node_list(nodes: Iterable[Node], now: datetime, silent_seconds: float) -> Document:
    """All nodes, with what they are to us now: up, silent (not heard of for `silent_seconds`), or stopped."""
    return {"items": [_node_item(node, now, silent_seconds) for node in nodes]}


def _node_item(node: Node, now: datetime, silent_seconds: float) -> Document:
    return {
        "name": node.name,
        "machine": node.machine,
        "pid": node.pid,
        "slots": node.slots,
        "running": node.running,
        "seenAt": iso(node.seen_at),
        "state": node_state(node, now, silent_seconds),
        "engineVersion": node.engine_version,
    }

"""From nodes to the documents of the native API. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from jobrunner.api.native.times import iso
from jobrunner.api.native.translate import Document
from jobrunner.domain.executions import Node


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
        "volumes": list(node.volumes),
    }


def node_state(node: Node, now: datetime, silent_seconds: float) -> str:
    """What a node is to us now."""
    if node.stopped_at is not None:
        return "stopped"
    return "silent" if now - node.seen_at > timedelta(seconds=silent_seconds) else "up"

"""From nodes to the documents of the native API. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from jobrunner.api.native.times import iso
from jobrunner.api.native.translate import Document
from jobrunner.domain.executions import Drain, Node
from jobrunner.domain.node_states import node_state
from jobrunner.domain.resources import MILLIS, Resources


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
        "address": node.address,
        "pools": node.pools,
        "labels": node.labels,
        "total": _amounts(node.total),
        "capacity": _amounts(node.capacity),
        "reserved": _amounts(node.reserved),
        "free": _amounts(node.free),
        "gpuNames": node.gpu_names,
        "limitsStorage": node.limits_storage,
        "drain": _drain(node.drain),
        "volumes": list(node.volumes),
    }


def node_document(node: Node, now: datetime, silent_seconds: float) -> Document:
    """One node."""
    return {"node": _node_item(node, now, silent_seconds)}


def _drain(drain: Drain | None) -> Document | None:
    return None if drain is None else {"requestedAt": iso(drain.requested_at), "deadline": iso(drain.deadline)}


def _amounts(resources: Resources) -> Document:
    return {
        "slots": resources.slots,
        "cpu": resources.cpu_millis / MILLIS,
        "memory": resources.memory_bytes,
        "gpu": resources.gpus,
        "storage": resources.storage_bytes,
    }

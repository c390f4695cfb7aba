"""From the nodes of the farm to Prometheus' metric families. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

from prometheus_client import Metric

from jobrunner.api.metrics.families import gauge
from jobrunner.domain.engine_circuit import Circuit
from jobrunner.domain.executions import Node
from jobrunner.domain.node_states import NodeState, node_state
from jobrunner.domain.resources import MILLIS, Resources
from jobrunner.engine.measures import StoreMeasures

AMOUNTS: dict[str, Callable[[Resources], float]] = {
    "cpus": lambda resources: resources.cpu_millis / MILLIS,
    "memory_bytes": lambda resources: resources.memory_bytes,
    "gpus": lambda resources: resources.gpus,
    "storage_bytes": lambda resources: resources.storage_bytes,
}
OF_NODE: dict[str, tuple[str, Callable[[Node], float]]] = {
    "node_slots": ("Room for containers.", lambda node: node.slots),
    "node_running": ("Executions that it runs.", lambda node: node.running),
    "node_draining": ("Whether it takes no new work, until it is empty.", lambda node: node.drain is not None),
}


def node_families(store: StoreMeasures, at: datetime, silent_seconds: float) -> Iterator[Metric]:
    """All of the nodes; `silent_seconds` is how long one may be silent."""
    nodes = store.nodes
    states = {node.name: node_state(node, at, silent_seconds) for node in nodes}
    counts = Counter(states.values())
    yield gauge("nodes", "Nodes.", ("state",), [((state,), counts[state]) for state in NodeState])
    is_in = [((node.name, state), states[node.name] is state) for node in nodes for state in NodeState]
    yield gauge("node_state", "1 for the state in which a node is.", ("node", "state"), is_in)
    ages = [((node.name,), max(0.0, (at - node.seen_at).total_seconds())) for node in nodes]
    yield gauge("node_beat_age_seconds", "Since it was last heard of.", ("node",), ages)
    circuits = [((node.name, circuit), node.circuit == circuit) for node in nodes for circuit in Circuit]
    yield gauge("node_engine_circuit", "1 for how a node speaks to its Engine.", ("node", "circuit"), circuits)
    blacklisted = [((node.name,), node.name in store.blacklisted) for node in nodes]
    yield gauge("node_blacklisted", "Whether it takes no new work.", ("node",), blacklisted)
    for name, (text, value) in OF_NODE.items():
        yield gauge(name, text, ("node",), [((node.name,), value(node)) for node in nodes])
    for name, amount in AMOUNTS.items():
        usable = [((node.name,), amount(node.capacity)) for node in nodes]
        yield gauge(f"node_capacity_{name}", "What executions may use of it.", ("node",), usable)
        reserved = [((node.name,), amount(node.reserved)) for node in nodes]
        yield gauge(f"node_reserved_{name}", "What executions have reserved of it.", ("node",), reserved)

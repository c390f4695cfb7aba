"""Nodes in MongoDB."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from jobrunner.domain.executions import Drain, Node
from jobrunner.domain.node_states import NodeState
from jobrunner.domain.resources import Resources
from jobrunner.store.documents.nodes import DrainDocument, NodeDocument, NodePresenceDocument, ResourcesDocument
from jobrunner.store.errors import translating_errors

_AMOUNTS = ("total", "capacity", "reserved")
_OWN_FIELDS = ("id", "pools", "labels", "gpu_names", "volumes", *_AMOUNTS)
_PLAIN_FIELDS = tuple(name for name in NodeDocument._fields if name not in _OWN_FIELDS)


class MongoNodes:
    """The NodeStore port."""

    def beat(self, node: Node) -> None:
        """Store the node as it is now (by name)."""
        fields = {name: value for name, value in asdict(node).items() if name != "drain"}
        amounts = {name: ResourcesDocument(**fields.pop(name)) for name in _AMOUNTS}
        labels = [f"{name}={value}" for name, value in fields.pop("labels").items()]
        with translating_errors():
            NodeDocument(id=fields.pop("name"), labels=labels, **amounts, **fields).save()

    def get(self, name: str) -> Node | None:
        """The node of this name."""
        with translating_errors():
            document = NodeDocument.objects(id=name).first()
            return _node(document, _drains(id=name)) if document else None

    def all(self) -> list[Node]:
        """All nodes, by name."""
        with translating_errors():
            drains = _drains()
            return [_node(document, drains) for document in NodeDocument.objects.order_by("id")]

    def set_drain(self, name: str, drain: Drain | None) -> None:
        """Order a node to take nothing new, or end that order."""
        with translating_errors():
            if drain is None:
                DrainDocument.objects(id=name).delete()
            else:
                DrainDocument(id=name, **asdict(drain)).save()

    def drain_of(self, name: str) -> Drain | None:
        """The order that a node is under."""
        with translating_errors():
            return _drains(id=name).get(name)

    def last_seen(self) -> dict[str, datetime]:
        """When each node was last heard, by its name and by its own word."""
        with translating_errors():
            return dict(NodeDocument.objects.scalar("id", "seen_at"))

    def presence(self) -> dict[str, NodeState]:
        """What was noted last of each node, by name."""
        with translating_errors():
            return {noted.id: NodeState(noted.state) for noted in NodePresenceDocument.objects}

    def note_presence(self, name: str, state: NodeState, at: datetime) -> None:
        """Note what a node has become: whoever listens to the events hears of this write."""
        with translating_errors():
            NodePresenceDocument.objects(id=name).update_one(upsert=True, set__state=state.value, set__at=at)


def _drains(**query: str) -> dict[str, Drain]:
    return {found.id: Drain(found.requested_at, found.deadline) for found in DrainDocument.objects(**query)}


def _node(document: NodeDocument, drains: dict[str, Drain]) -> Node:
    return Node(
        drain=drains.get(document.id),
        name=document.id,
        pools=tuple(document.pools),
        labels=dict(label.split("=", 1) for label in document.labels),
        gpu_names=tuple(document.gpu_names),
        volumes=tuple(document.volumes),
        **{name: _resources(getattr(document, name)) for name in _AMOUNTS},
        **{name: getattr(document, name) for name in _PLAIN_FIELDS},
    )


def _resources(document: ResourcesDocument | None) -> Resources:
    """The amounts; none of a node that was written before there were any."""
    return Resources() if document is None else Resources(**{name: document[name] for name in document._fields})

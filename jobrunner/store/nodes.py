"""Nodes in MongoDB."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from jobrunner.domain.executions import Node
from jobrunner.store.documents import NodeDocument
from jobrunner.store.errors import translating_errors


class MongoNodes:
    """The NodeStore port."""

    def beat(self, node: Node) -> None:
        """Store the node as it is now (by name)."""
        fields = asdict(node)
        with translating_errors():
            NodeDocument(id=fields.pop("name"), **fields).save()

    def get(self, name: str) -> Node | None:
        """The node of this name."""
        with translating_errors():
            document = NodeDocument.objects(id=name).first()
        return _node(document) if document else None

    def all(self) -> list[Node]:
        """All nodes, by name."""
        with translating_errors():
            return [_node(document) for document in NodeDocument.objects.order_by("id")]

    def silent_since(self, instant: datetime) -> list[str]:
        """The names of the nodes that were last heard of before an instant."""
        with translating_errors():
            return list(NodeDocument.objects(seen_at__lt=instant).scalar("id"))


def _node(document: NodeDocument) -> Node:
    fields = {name: getattr(document, name) for name in NodeDocument._fields if name not in ("id", "volumes")}
    return Node(name=document.id, volumes=tuple(document.volumes), **fields)

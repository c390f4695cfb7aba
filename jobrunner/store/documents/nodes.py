"""Nodes, where they were last seen, and what operators wish of them."""

from __future__ import annotations

from mongoengine import (
    BooleanField,
    DateTimeField,
    Document,
    EmbeddedDocument,
    EmbeddedDocumentField,
    IntField,
    ListField,
    LongField,
    StringField,
)


class ResourcesDocument(EmbeddedDocument):
    """Amounts of everything that is shared out on a node."""

    slots = IntField(default=0)
    cpu_millis = LongField(default=0)
    memory_bytes = LongField(default=0)
    gpus = IntField(default=0)
    storage_bytes = LongField(default=0)


class NodeDocument(Document):
    """A machine with a container engine."""

    id = StringField(primary_key=True)
    machine = StringField(required=True)
    pid = IntField(required=True)
    slots = IntField(required=True)
    running = IntField(required=True)
    seen_at = DateTimeField(required=True)
    started_at = DateTimeField(required=True)
    engine_version = StringField(default="")
    stopped_at = DateTimeField()
    engine_address = StringField(default="")
    circuit = StringField(default="closed")
    engine_error = StringField(default="")
    address = StringField(default="")
    pools = ListField(StringField())
    labels = ListField(StringField())  # name=value: a name may hold what keys of BSON may not
    total = EmbeddedDocumentField(ResourcesDocument)
    capacity = EmbeddedDocumentField(ResourcesDocument)
    reserved = EmbeddedDocumentField(ResourcesDocument)
    gpu_names = ListField(StringField())
    limits_storage = BooleanField(default=False)
    volumes = ListField(StringField())

    meta = {  # noqa: RUF012
        "collection": "nodes",
        "auto_create_index": False,
    }


class NodePresenceDocument(Document):
    """What a node was to the farm when that was last looked at; each change of it is an event."""

    id = StringField(primary_key=True)
    state = StringField(required=True)
    at = DateTimeField(required=True)

    meta = {"collection": "node_presence", "auto_create_index": False}  # noqa: RUF012


class BlacklistedNodeDocument(Document):
    """A node that takes no new work."""

    id = StringField(primary_key=True)
    at = DateTimeField(required=True)

    meta = {"collection": "blacklist", "auto_create_index": False}  # noqa: RUF012


class DrainDocument(Document):
    """The order that a node takes nothing new. The id is the node's name; it is found by it."""

    id = StringField(primary_key=True)
    requested_at = DateTimeField(required=True)
    deadline = DateTimeField()

    meta = {"collection": "drains", "auto_create_index": False}  # noqa: RUF012

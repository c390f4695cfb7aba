"""The farm itself, and its totals."""

from __future__ import annotations

from mongoengine import (
    DictField,
    Document,
    IntField,
    ListField,
    LongField,
    MapField,
    StringField,
)

SCHEMA_VERSION = 3  # of all documents; schema.py has the step to each version


class FarmDocument(Document):
    """The farm itself."""

    id = StringField(primary_key=True)
    farm_id = StringField(required=True)
    schema_version = IntField()

    meta = {"collection": "farm", "auto_create_index": False}  # noqa: RUF012


class TallyDocument(Document):
    """Totals: of ended executions (tallies.py), and of what processes have done (measures.py). Found by their ids."""

    id = StringField(primary_key=True)
    revision = LongField()
    batch = ListField(StringField())
    ended = MapField(LongField())
    start_delay = DictField()
    duration = DictField()
    duties = DictField()
    delivery_attempts = MapField(LongField())

    meta = {"collection": "tallies", "auto_create_index": False}  # noqa: RUF012

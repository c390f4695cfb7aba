"""The farm's own document: its id, made once and the same for all its processes, and its schema version."""

from __future__ import annotations

from uuid import uuid4

from jobrunner.store.documents.farm import SCHEMA_VERSION, FarmDocument
from jobrunner.store.errors import translating_errors

SINGLETON = "farm"


def farm_id() -> str:
    """The id of the farm that this database belongs to."""
    return str(farm_document().farm_id)


def farm_document() -> FarmDocument:
    """The farm's document, made where the database is new: all documents in it will be of SCHEMA_VERSION then."""
    with translating_errors():
        return FarmDocument.objects(id=SINGLETON).modify(
            upsert=True,
            new=True,
            set_on_insert__farm_id=uuid4().hex[:12],
            set_on_insert__schema_version=SCHEMA_VERSION,
        )

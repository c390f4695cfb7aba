"""The farm's own id: made once, when its database is first used, and the same for all its processes."""

from __future__ import annotations

from uuid import uuid4

from jobrunner.store.documents import FarmDocument
from jobrunner.store.errors import translating_errors

SINGLETON = "farm"


def farm_id() -> str:
    """The id of the farm that this database belongs to."""
    with translating_errors():
        document = FarmDocument.objects(id=SINGLETON).modify(
            upsert=True, new=True, set_on_insert__farm_id=uuid4().hex[:12]
        )
    return document.farm_id

"""The nodes that take no new work, in MongoDB: apart from the nodes themselves, which only their workers write."""

from __future__ import annotations

from datetime import datetime

import pymongo

from jobrunner.store.documents.nodes import BlacklistedNodeDocument
from jobrunner.store.errors import translating_errors

LOOK_SECONDS = 1.0  # a worker looks each time before it takes work, and must notice that it is to end


class MongoBlacklist:
    """The Blacklist port."""

    def add(self, node: str, at: datetime) -> None:
        """The node takes no new work from now on; nothing if it is there already."""
        with translating_errors():
            BlacklistedNodeDocument.objects(id=node).update_one(upsert=True, set_on_insert__at=at)

    def remove(self, node: str) -> None:
        """The node takes work again; nothing if it is not there."""
        with translating_errors():
            BlacklistedNodeDocument.objects(id=node).delete()

    def has(self, node: str) -> bool:
        """Whether the node is there; StoreUnavailable within LOOK_SECONDS."""
        with translating_errors(), pymongo.timeout(LOOK_SECONDS):
            return BlacklistedNodeDocument._get_collection().find_one({"_id": node}, {"_id": 1}) is not None

    def all(self) -> frozenset[str]:
        """The names of all nodes that are there."""
        with translating_errors():
            return frozenset(BlacklistedNodeDocument.objects.scalar("id"))

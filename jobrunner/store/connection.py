"""The connection to MongoDB, and the indexes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import mongoengine
import pymongo
from mongoengine.connection import ConnectionFailure
from pymongo import IndexModel, MongoClient
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from jobrunner.errors import SettingsError
from jobrunner.settings import Settings
from jobrunner.store.documents import ALL_DOCUMENTS
from jobrunner.store.errors import translating_errors

SOCKET_TIMEOUT_FACTOR = 5  # a slow answer is waited for longer than an absent server
CHECK_SECONDS = 2.0
CONFLICTS = (85, 86)  # MongoDB's IndexOptionsConflict, IndexKeySpecsConflict


def connect(settings: Settings) -> MongoClient:
    """Connect this process to MongoDB (lazily: the first operation finds out whether it answers).

    Writes are acknowledged by a majority and journalled, so what was acknowledged survives a kill -9 of mongod.
    """
    timeout_ms = int(settings.mongodb_timeout_seconds * 1000)
    try:
        return mongoengine.connect(
            settings.mongodb_database,
            host=settings.mongodb_url.get_secret_value(),
            tz_aware=True,
            uuidRepresentation="standard",
            w="majority",
            journal=True,
            retryWrites=True,
            connectTimeoutMS=timeout_ms,
            serverSelectionTimeoutMS=timeout_ms,
            socketTimeoutMS=SOCKET_TIMEOUT_FACTOR * timeout_ms,
            maxPoolSize=settings.api_threads + settings.slots,
        )
    except (ConnectionFailure, ValueError, TypeError) as error:
        raise SettingsError(f"mongodb_url cannot be used: {type(error).__name__}") from None


def disconnect() -> None:
    """Close the connection of this process."""
    mongoengine.disconnect()


def ensure_indexes() -> None:
    """Make the indexes that are missing, all of a collection in one command.

    Raises SettingsError where one is there that contradicts them, StoreUnavailable.
    """
    with translating_errors():
        for document in ALL_DOCUMENTS:
            indexes = [IndexModel(**_as_pymongo_has_it(spec)) for spec in document._meta["index_specs"]]
            if indexes:
                _make(document._get_collection(), indexes)


def _make(collection: Collection[dict[str, Any]], indexes: list[IndexModel]) -> None:
    try:
        collection.create_indexes(indexes)
    except OperationFailure as error:
        if error.code not in CONFLICTS:
            raise
        conflict = (error.details or {}).get("errmsg", "")
        raise SettingsError(
            f"The collection {collection.name!r} has an index that this jobrunner would make otherwise. Where nothing "
            f"else needs it, drop it: the next start makes it anew. MongoDB says: {conflict}"
        ) from None


def _as_pymongo_has_it(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"keys" if name == "fields" else name: value for name, value in spec.items() if name != "cls"}


class MongoHealth:
    """Whether MongoDB answers."""

    def check(self) -> None:
        """Return if it does; raise StoreUnavailable if not, within CHECK_SECONDS."""
        with translating_errors(), pymongo.timeout(CHECK_SECONDS):
            mongoengine.get_connection().admin.command("ping")

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """In this block whatever is asked of MongoDB answers, or raises, before so long has passed in all."""
        return pymongo.timeout(seconds)

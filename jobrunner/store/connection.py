"""The connection to MongoDB, and the indexes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import mongoengine
import pymongo
from mongoengine.connection import ConnectionFailure
from pymongo import IndexModel, MongoClient
from pymongo.collection import Collection
from pymongo.errors import ConfigurationError, OperationFailure

from jobrunner.errors import SettingsError
from jobrunner.settings import Settings
from jobrunner.store.documents.collections import ALL_DOCUMENTS
from jobrunner.store.errors import translating_errors

SOCKET_TIMEOUT_FACTOR = 5  # a slow answer is waited for longer than an absent server
CHECK_SECONDS = 2.0
CONFLICTS = (85, 86)  # MongoDB's IndexOptionsConflict, IndexKeySpecsConflict


def connect(settings: Settings, operation_seconds: float | None = None) -> MongoClient:
    """Connect this process to MongoDB (lazily: the first operation finds out whether it answers).

    Writes are acknowledged by a majority and journalled, so what was acknowledged survives a kill -9 of mongod.
    `operation_seconds`: how long one operation may take in all, the search for a server and second tries too.
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
            timeoutMS=None if operation_seconds is None else int(operation_seconds * 1000),
            maxPoolSize=settings.api_threads + settings.slots,
        )
    except (ConnectionFailure, ConfigurationError, ValueError, TypeError) as error:
        raise SettingsError(f"mongodb_url cannot be used: {type(error).__name__}") from None


def disconnect() -> None:
    """Close the connection of this process."""
    mongoengine.disconnect()


def check_deployment() -> None:
    """Raise SettingsError where MongoDB is a single server that has no oplog, StoreUnavailable."""
    with translating_errors():
        hello = mongoengine.get_connection().admin.command("hello")
    # A member that was not initiated yet says `isreplicaset`; a mongos says `isdbgrid`.
    if not {"setName", "isreplicaset"} & hello.keys() and hello.get("msg") != "isdbgrid":
        raise SettingsError(
            "The MongoDB that mongodb_url names is not a replica set, which jobrunner needs (one member is enough): "
            "start mongod with --replSet NAME, and once, in mongosh, call rs.initiate()."
        )


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


def server_time() -> datetime:
    """The time of the MongoDB that takes the writes, UTC and aware. Raises StoreUnavailable, within CHECK_SECONDS."""
    with translating_errors(), pymongo.timeout(CHECK_SECONDS):
        told: datetime = mongoengine.get_connection().admin.command("hello")["localTime"]
    return told


class MongoHealth:
    """Whether MongoDB answers."""

    def check(self) -> None:
        """Return if it does; raise StoreUnavailable if not, within CHECK_SECONDS."""
        with translating_errors(), pymongo.timeout(CHECK_SECONDS):
            mongoengine.get_connection().admin.command("ping")

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """What this thread asks of MongoDB in this block is answered, or raises, before so long has passed in all."""
        return pymongo.timeout(seconds)

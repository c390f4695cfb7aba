"""A single mongod as a replica set of one member: without one it has no majority writes and no retryable writes."""

from __future__ import annotations

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from jobrunner.errors import StoreUnavailable
from jobrunner.store.errors import translating_errors

REPLICA_SET = "jobrunner"
NOT_YET_INITIALIZED = 94
TIMEOUT_MS = 2000


def ensure_replica_set(url: str, member: str) -> str:
    """Bring the mongod at `url` (direct connection, `--replSet jobrunner`) nearer to being primary, as `member`.

    One try, to be repeated: raises StoreUnavailable until it is primary, then returns its version. `member` is its
    address, "host:port"; the one it had before (on another port, say) is replaced. A longer set is left as it is.
    """
    client: MongoClient = MongoClient(
        url,
        directConnection=True,
        serverSelectionTimeoutMS=TIMEOUT_MS,
        connectTimeoutMS=TIMEOUT_MS,
        socketTimeoutMS=TIMEOUT_MS,
    )
    with client, translating_errors():
        _configure(client, member)
        if not client.admin.command("hello").get("isWritablePrimary"):
            raise StoreUnavailable("MongoDB is not the primary of its replica set yet")
        return str(client.server_info()["version"])


def _configure(client: MongoClient, member: str) -> None:
    configuration = _configuration(client)
    if configuration is None:
        members = [{"_id": 0, "host": member}]
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
    elif len(configuration["members"]) == 1 and configuration["members"][0]["host"] != member:
        configuration["members"][0]["host"] = member
        configuration["version"] += 1
        # Forced: at its old address there is no primary any more that could agree.
        client.admin.command("replSetReconfig", configuration, force=True)


def _configuration(client: MongoClient) -> dict | None:
    try:
        return client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code == NOT_YET_INITIALIZED:
            return None
        raise

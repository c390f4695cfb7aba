"""The events of the farm, from MongoDB's change streams.

So an event cannot be lost or told before it is true, and costs no write. Its id is the resume token of its change: as
long as the change is in MongoDB's oplog, whoever knows the id can go on after it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pymongo
from mongoengine.connection import get_db
from pymongo.change_stream import DatabaseChangeStream
from pymongo.errors import OperationFailure

from jobrunner.domain.farm_events import Change, FarmEvent, Subject, state_before
from jobrunner.domain.node_states import NodeState
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.states import State
from jobrunner.errors import Fault, Gone, InvalidRequest, StoreUnavailable
from jobrunner.store.errors import translating_errors

NO_REPLICA_SET = 40573
NOT_IN_THE_OPLOG = (286, 280)  # ChangeStreamHistoryLost, ChangeStreamFatalError
NO_TOKEN = (15, 260)  # Overflow (of what is encoded in it), InvalidResumeToken
LARGEST_NAMED_CODE = 40_000  # those of what else can be wrong with the bytes of a token have no names
BATCH = 500
LATE_SECONDS = 5.0  # how much later than agreed it may be told that there is no change
_TOKEN = re.compile(r"[0-9A-F]{2,2000}")
_UPDATED = "updateDescription.updatedFields."
_HEARD = [
    {"ns.coll": "executions", "operationType": "insert"},
    {"ns.coll": "executions", "operationType": "update", f"{_UPDATED}state": {"$exists": True}},
    {"ns.coll": "jobs", "operationType": "insert"},
    {"ns.coll": "jobs", "operationType": "update", f"{_UPDATED}revision": {"$exists": True}},
    {"ns.coll": "jobs", "operationType": "update", f"{_UPDATED}stopped_at": {"$exists": True}},
    {"ns.coll": "jobs", "operationType": "update", f"{_UPDATED}paused_at": {"$exists": True}},
    {"ns.coll": "jobs", "operationType": "update", "updateDescription.removedFields": "paused_at"},
    {"ns.coll": "node_presence", "operationType": {"$in": ["insert", "update"]}},
]
# All that is needed of a change: a document can be large, and has secrets.
_OF_CHANGE = ("operationType", "ns.coll", "documentKey", "updateDescription.removedFields")
_OF_UPDATE = ("state", "revision", "stopped_at", "paused_at")
_OF_DOCUMENT = ("task_id", "job_id", "state", "node", "attempt", "cause", "times", "created_at", "modified_at", "at")
_PIPELINE = [
    {"$match": {"$or": _HEARD}},
    {
        "$project": dict.fromkeys(_OF_CHANGE, 1)
        | {f"{_UPDATED}{name}": 1 for name in _OF_UPDATE}
        | {f"fullDocument.{name}": 1 for name in _OF_DOCUMENT}
    },
]
# What a field that is written says; the first that holds: a job that is replaced is not paused any more, either.
_OF_JOBS = {
    "revision": Change.REPLACED,
    "stopped_at": Change.STOPPED,
    "paused_at": Change.PAUSED,
    "no longer paused_at": Change.RESUMED,
}
_OF_NODES = {NodeState.UP: Change.BACK, NodeState.SILENT: Change.SILENT, NodeState.STOPPED: Change.STOPPED}


class MongoEvents:
    """The EventSource port."""

    def open(self, after: str | None, wait_seconds: float) -> MongoEventStream:
        """The events after that of an id, or from now on. Raises InvalidRequest, Gone, StoreUnavailable."""
        if after is not None and not _TOKEN.fullmatch(after):
            raise InvalidRequest(Fault("after", "must be the id of an event"))
        with _translating_errors(after):
            changes = get_db().watch(
                _PIPELINE,
                full_document="updateLookup",
                resume_after=None if after is None else {"_data": after},
                max_await_time_ms=int(wait_seconds * 1000),
                batch_size=BATCH,
            )
        return MongoEventStream(changes, after, wait_seconds)


class MongoEventStream:
    """The EventStream port."""

    def __init__(self, changes: DatabaseChangeStream, after: str | None, wait_seconds: float) -> None:
        self._changes, self._after, self._longest_seconds = changes, after, wait_seconds + LATE_SECONDS

    @property
    def position(self) -> str:
        """The place up to which all has been told: an id to go on after."""
        token = self._changes.resume_token
        return str(token["_data"]) if token else self._after or ""

    def next(self) -> FarmEvent | None:
        """The next event; None where there was none for the time that `open` was given."""
        with _translating_errors(self._after), pymongo.timeout(self._longest_seconds):
            change = self._changes.try_next()
        return None if change is None else _event(change)

    def close(self) -> None:
        """Give the connection back."""
        with translating_errors():
            self._changes.close()


@contextmanager
def _translating_errors(after: str | None) -> Iterator[None]:
    with translating_errors():
        try:
            yield
        except OperationFailure as error:
            code = error.code or 0
            if code == NO_REPLICA_SET:
                raise StoreUnavailable("MongoDB tells no changes: it must be a replica set (of one member)") from None
            if code in NOT_IN_THE_OPLOG:
                raise Gone("after", "was too long ago, events are missing since; start without it") from None
            if after is not None and (code in NO_TOKEN or code > LARGEST_NAMED_CODE):
                raise InvalidRequest(Fault("after", "must be the id of an event")) from None
            raise


def _event(change: Mapping[str, Any]) -> FarmEvent:
    subject, read = _READERS[change["ns"]["coll"]]
    document = change.get("fullDocument") or {}  # None: it has been removed since
    return FarmEvent(id=change["_id"]["_data"], subject=subject, **read(change, document))


def _of_execution(change: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    # The document is as it is now; it may have moved on since. What it has had to reach before is in its times.
    updated = change.get("updateDescription", {}).get("updatedFields", {})
    target = State(updated.get("state") or document["state"])
    times: Mapping[str, datetime] = document.get("times", {})
    cause = document.get("cause")
    return {
        "change": Change.MOVED,
        "at": times.get(target, _UNKNOWN),
        "task_id": document.get("task_id"),
        "job_id": document.get("job_id"),
        "execution_id": change["documentKey"]["_id"],
        "node": document.get("node") if target not in (State.SCHEDULED, State.ENQUEUED) else None,
        "origin": state_before(target, [State(name) for name in times]),
        "target": target,
        "attempt": document.get("attempt"),
        "cause": Cause(cause) if cause and target.is_terminal else None,
    }


def _of_job(change: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    is_new = change["operationType"] == "insert"
    updated = change.get("updateDescription", {}).get("updatedFields", {})
    changes = (name for name in _OF_JOBS if name in updated)
    return {
        "change": Change.CREATED if is_new else _OF_JOBS[next(changes, "no longer paused_at")],
        "at": document.get("created_at" if is_new else "modified_at", _UNKNOWN),
        "task_id": document.get("task_id"),
        "job_id": change["documentKey"]["_id"],
    }


def _of_node(change: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    updated = change.get("updateDescription", {}).get("updatedFields", {})
    is_new = change["operationType"] == "insert"
    state = NodeState(updated.get("state") or document.get("state", NodeState.UP))
    return {
        "change": Change.APPEARED if is_new and state is NodeState.UP else _OF_NODES[state],
        "at": document.get("at", _UNKNOWN),
        "node": change["documentKey"]["_id"],
    }


_UNKNOWN = datetime.fromisoformat("1970-01-01T00:00:00+00:00")  # of what has been removed since
_READERS: Mapping[str, tuple[Subject, Callable[..., dict[str, Any]]]] = {
    "executions": (Subject.EXECUTION, _of_execution),
    "jobs": (Subject.JOB, _of_job),
    "node_presence": (Subject.NODE, _of_node),
}

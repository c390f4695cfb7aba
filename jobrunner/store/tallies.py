"""How executions have ended, counted: totals that outlast the executions, each of which is in them exactly once.

The update that ends an execution says `counted: False`. Later, whoever counts takes a batch of these, and in one update
adds it to the totals and notes the ids of the batch beside them; then the executions are marked. Who dies in between
leaves a batch that was added: whoever counts next marks it first. Two who count at once have the same revision of the
totals, so one of them adds nothing. An execution that is not marked is not deleted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern

from jobrunner.domain.measures import Distribution, EndedRun, EndedTotals, count
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.states import State
from jobrunner.store.documents.executions import ExecutionDocument
from jobrunner.store.documents.farm import TallyDocument

ENDED = "ended"  # the id of the totals
_MILLIS = 1000
_NO_BOUND = "more"
_READ = {"state": 1, "cause": 1, "started_at": 1, "finished_at": 1, f"times.{State.ENQUEUED}": 1}


def count_ended(limit: int, among: Sequence[str] | None = None) -> bool:
    """Add a batch of ended executions to the totals, perhaps only of these; False where there was none to add."""
    chosen = {"counted": False} if among is None else {"counted": False, "_id": {"$in": list(among)}}
    if _executions().find_one(chosen, {"_id": 1}) is None:
        return False
    totals = _totals()
    _mark(totals["batch"])
    # Only what is found now is in no batch up to this revision.
    batch = list(_executions().find(chosen, _READ).limit(limit))
    ids = [document["_id"] for document in batch]
    added = {"$inc": {"revision": 1, **_increments(count(map(_ended_run, batch)))}, "$set": {"batch": ids}}
    if ids and _tallies().update_one({"_id": ENDED, "revision": totals["revision"]}, added).matched_count:
        _mark(ids)
    return True


class Tallies:
    """Reads what is added up. What was told once is never taken back.

    A primary that has just become one may for a moment know less than a majority has: then the newest is told again.
    """

    def __init__(self) -> None:
        self._newest: dict[str, Mapping[str, Any]] = {}

    def ended(self) -> EndedTotals:
        """The totals."""
        found = self.read(ENDED)
        return EndedTotals(
            {_end(name): number for name, number in found.get("ended", {}).items()},
            _distribution(found, "start_delay"),
            _distribution(found, "duration"),
        )

    def read(self, name: str) -> Mapping[str, Any]:
        """What is added up under an id; `revision` counts the additions."""
        durable = _tallies().with_options(read_concern=ReadConcern("majority"))
        found: Mapping[str, Any] = durable.find_one({"_id": name}, {"batch": 0}) or {}
        newest = self._newest.get(name, {})
        if found.get("revision", 0) < newest.get("revision", 0):
            return newest
        self._newest[name] = found
        return found


def _totals() -> dict[str, Any]:
    """The totals as they are now, made where there are none yet."""
    found: dict[str, Any] = _tallies().find_one_and_update(
        {"_id": ENDED},
        {"$setOnInsert": {"revision": 0, "batch": []}},
        {"revision": 1, "batch": 1},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    return found


def _mark(execution_ids: Sequence[str]) -> None:
    """Note that these are in the totals."""
    if execution_ids:
        chosen = {"_id": {"$in": list(execution_ids)}, "counted": False}
        _executions().update_many(chosen, {"$set": {"counted": True}})


def _ended_run(document: Mapping[str, Any]) -> EndedRun:
    cause = document.get("cause")
    return EndedRun(
        State(document["state"]),
        Cause(cause) if cause else None,
        document.get("times", {}).get(State.ENQUEUED.value),
        document.get("started_at"),
        document.get("finished_at"),
    )


def _increments(totals: EndedTotals) -> dict[str, float]:
    ends = {f"ended.{state}:{cause or ''}": number for (state, cause), number in totals.ended.items()}
    return {**ends, **_parts("start_delay", totals.start_delay), **_parts("duration", totals.duration)}


def _parts(name: str, distribution: Distribution) -> dict[str, float]:
    counts = {f"{name}.counts.{_bound_name(bound)}": number for bound, number in distribution.counts.items()}
    return {**counts, f"{name}.sum_seconds": distribution.sum_seconds}


def _bound_name(bound: float) -> str:
    return _NO_BOUND if math.isinf(bound) else str(round(bound * _MILLIS))  # no key has a point in it


def _distribution(totals: Mapping[str, Any], name: str) -> Distribution:
    parts = totals.get(name, {})
    counts = {
        math.inf if bound == _NO_BOUND else int(bound) / _MILLIS: number
        for bound, number in parts.get("counts", {}).items()
    }
    return Distribution(counts, parts.get("sum_seconds", 0.0))


def _end(name: str) -> tuple[State, Cause | None]:
    state, _, cause = name.partition(":")
    return State(state), Cause(cause) if cause else None


def _executions() -> Collection[dict[str, Any]]:
    return ExecutionDocument._get_collection()


def _tallies() -> Collection[dict[str, Any]]:
    return TallyDocument._get_collection()

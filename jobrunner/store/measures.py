"""Measures of the farm in MongoDB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pymongo.collection import Collection

from jobrunner.domain.deliveries import DeliveryState
from jobrunner.domain.measures import Activity, DeliveryCounts, DutyRuns, EndedTotals, WaitingForTime
from jobrunner.domain.states import TERMINAL, State
from jobrunner.store import tallies
from jobrunner.store.documents.deliveries import DeliveryDocument
from jobrunner.store.documents.executions import ExecutionDocument
from jobrunner.store.documents.farm import TallyDocument
from jobrunner.store.errors import translating_errors

ACTIVITY = "activity"  # the id of what processes have done
_OPEN = [state for state in State if state not in TERMINAL]


class MongoMeasures:
    """The MeasureStore port."""

    def __init__(self) -> None:
        self._tallies = tallies.Tallies()

    def count_ended(self, limit: int) -> bool:
        """Add ended executions to the totals that are not in them yet; False where there was none."""
        with translating_errors():
            return tallies.count_ended(limit)

    def ended(self) -> EndedTotals:
        """The totals."""
        with translating_errors():
            return self._tallies.ended()

    def open_executions(self) -> Mapping[State, int]:
        """How many executions are in each state that is no end."""
        with translating_errors():
            return {state: _executions().count_documents({"state": state.value}) for state in _OPEN}

    def waiting_for_time(self, late_before: datetime) -> WaitingForTime:
        """Those that wait for their time, and those of them that are late."""
        waiting = {"state": State.SCHEDULED.value, "due_at": {"$gt": datetime.fromtimestamp(0, UTC)}}
        late = {"state": State.SCHEDULED.value, "due_at": {"$lt": late_before}, "held": {"$ne": True}}
        with translating_errors():
            most_overdue = _executions().find_one(late, {"due_at": 1}, sort=[("due_at", 1)])
            count_late = _executions().count_documents(late) if most_overdue else 0
            count = _executions().count_documents(waiting)
        return WaitingForTime(count, count_late, most_overdue["due_at"] if most_overdue else None)

    def deliveries(self) -> DeliveryCounts:
        """How it is with deliveries, those among them that are owed and were not made yet."""
        owed, given_up = ({"state": state.value} for state in (DeliveryState.OWED, DeliveryState.GIVEN_UP))
        collection = DeliveryDocument._get_collection()
        with translating_errors():
            oldest = collection.find_one(owed, {"created_at": 1}, sort=[("created_at", 1)])
            count = collection.count_documents(owed) + _not_made()
            return DeliveryCounts(count, collection.count_documents(given_up), oldest["created_at"] if oldest else None)

    def add_activity(self, done: Activity) -> None:
        """Add what a process has done since it last said so."""
        changes = {"$inc": {"revision": 1, **_sums(done)}, "$max": _latest(done)}
        with translating_errors():
            _tallies().update_one(
                {"_id": ACTIVITY}, {name: change for name, change in changes.items() if change}, upsert=True
            )

    def activity(self) -> Activity:
        """What all processes have done."""
        with translating_errors():
            found = self._tallies.read(ACTIVITY)
        duties = {name: DutyRuns(**runs) for name, runs in found.get("duties", {}).items()}
        return Activity(duties, found.get("delivery_attempts", {}))


def _not_made() -> int:
    """How many deliveries executions owe that nobody has made yet."""
    owing = {"$match": {"owed_deliveries.id": {"$exists": True}}}
    counted = {"$group": {"_id": None, "count": {"$sum": {"$size": "$owed_deliveries"}}}}
    return sum(found["count"] for found in _executions().aggregate([owing, counted]))


def _sums(done: Activity) -> dict[str, float]:
    sums = {f"delivery_attempts.{outcome}": count for outcome, count in done.delivery_attempts.items()}
    for duty, runs in done.duties.items():
        amounts = {name: amount for name, amount in asdict(runs).items() if name != "last_success_at"}
        sums |= {f"duties.{duty}.{name}": amount for name, amount in amounts.items()}
    return sums


def _latest(done: Activity) -> dict[str, datetime]:
    return {
        f"duties.{duty}.last_success_at": runs.last_success_at
        for duty, runs in done.duties.items()
        if runs.last_success_at is not None
    }


def _executions() -> Collection[dict[str, Any]]:
    return ExecutionDocument._get_collection()


def _tallies() -> Collection[dict[str, Any]]:
    return TallyDocument._get_collection()

"""Executions of arrays in MongoDB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mongoengine import QuerySet

from jobrunner.domain.executions import Execution
from jobrunner.domain.states import TERMINAL, State
from jobrunner.store.documents.executions import ExecutionDocument
from jobrunner.store.errors import translating_errors
from jobrunner.store.executions import listed, update_of

_OPEN = [state.value for state in State if state not in TERMINAL]


class MongoArrays:
    """The ArrayStore port."""

    def next_in_turn(self, job_id: str, limit: int) -> list[Execution]:
        """The executions of a job's array that wait for their turn, by index."""
        return listed(_waiting(job_id).order_by("array_index"), limit)

    def move_waiting(self, job_id: str, changes: Mapping[str, Any]) -> int:
        """Apply changes to all that wait for their turn; how many those were."""
        with translating_errors():
            return int(_waiting(job_id).update(**update_of(changes)))

    def was_passed(self, turn: str) -> bool:
        """Whether an execution has got this turn."""
        with translating_errors():
            return ExecutionDocument.objects(turn=turn).only("id").first() is not None

    def is_open(self, job_id: str) -> bool:
        """Whether an execution of a job waits or runs."""
        with translating_errors():
            return ExecutionDocument.objects(job_id=job_id, state__in=_OPEN).only("id").first() is not None

    def counts(self, job_id: str) -> Mapping[State, int]:
        """How many executions of a job are in each state, without those that were, or are to be, tried again."""
        last_attempts = {"job_id": job_id, "retried_by": {"$exists": False}, "owes_retry": {"$ne": True}}
        by_state = [{"$match": last_attempts}, {"$group": {"_id": "$state", "count": {"$sum": 1}}}]
        with translating_errors():
            found = ExecutionDocument._get_collection().aggregate(by_state)
            return {State(one["_id"]): one["count"] for one in found}


def _waiting(job_id: str) -> QuerySet:
    return ExecutionDocument.objects(job_id=job_id, state=State.SCHEDULED.value, array_index__exists=True, turn=None)

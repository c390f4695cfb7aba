"""Which executions run under a limit: the truth about how many there are, for each limit one document.

An execution is in it before it is claimed, and until it has ended. So there are never more running than are in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from jobrunner.store.documents.executions import LimitDocument
from jobrunner.store.errors import translating_errors


class MongoLimits:
    """The LimitStore port."""

    def hold(self, name: str, execution_id: str, most: int) -> bool:
        """Have an execution counted under a limit, once, if not `most` others are; whether it is."""
        has_room = {"$or": [{"holders": execution_id}, {f"holders.{most - 1}": {"$exists": False}}]}
        with translating_errors():
            try:
                _collection().update_one(
                    {"_id": name, **has_room}, {"$addToSet": {"holders": execution_id}}, upsert=True
                )
            except DuplicateKeyError:  # it is there, and does not fulfil the condition
                return False
        return True

    def free(self, name: str, execution_id: str) -> None:
        """Have an execution not counted any more."""
        with translating_errors():
            _collection().update_one({"_id": name}, {"$pull": {"holders": execution_id}})

    def holders(self, name: str) -> list[str]:
        """The executions that are counted under a limit."""
        with translating_errors():
            found = _collection().find_one({"_id": name})
        return list(found["holders"]) if found else []

    def all(self) -> Mapping[str, list[str]]:
        """All limits under which something is counted, or was until a moment ago, with their executions."""
        with translating_errors():
            return {found["_id"]: list(found["holders"]) for found in _collection().find()}

    def forget_unused(self, names: Iterable[str]) -> None:
        """Forget those of these limits under which nothing is counted."""
        with translating_errors():
            _collection().delete_many({"_id": {"$in": list(names)}, "holders": []})


def _collection() -> Collection[dict[str, Any]]:
    return LimitDocument._get_collection()

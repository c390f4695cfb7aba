"""What MongoDB looks at for a query, by its own profile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mongoengine.connection import get_db


class LookedAt(NamedTuple):
    """What one operation looked at."""

    plan: str | None
    documents: int
    keys: int


def profiled(query: Callable[[], Any]) -> tuple[Any, list[LookedAt]]:
    """What a query answers, and what each of its operations looked at."""
    database = get_db()
    database.drop_collection("system.profile")
    database.command("profile", 2)
    try:
        answer = query()
    finally:
        database.command("profile", 0)
    operations = database["system.profile"].find({"docsExamined": {"$exists": True}})
    return answer, [
        LookedAt(operation.get("planSummary"), operation["docsExamined"], operation["keysExamined"])
        for operation in operations
    ]

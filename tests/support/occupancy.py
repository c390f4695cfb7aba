"""A checker of what ran when: from the times of executions, how much of a thing was ever in use at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

Execution = Mapping[str, Any]


def most_at_once(executions: Iterable[Execution], amounts: Mapping[str, float]) -> float:
    """The largest sum of the amounts (by id) of executions that ran at the same time.

    By the Engine's times of their start and their end.
    """
    changes = []
    for execution in executions:
        if execution["startedAt"] is None or execution["finishedAt"] is None:
            continue
        amount = amounts[execution["executionId"]]
        changes.append((datetime.fromisoformat(execution["startedAt"]), amount))
        changes.append((datetime.fromisoformat(execution["finishedAt"]), -amount))
    in_use = highest = 0.0
    for _, change in sorted(changes):  # of those at the same instant, the ends first
        in_use += change
        highest = max(highest, in_use)
    return highest


def longest_wait_seconds(executions: Iterable[Execution]) -> float:
    """The longest time from the making of an execution to its start."""
    return max(
        (datetime.fromisoformat(each["startedAt"]) - datetime.fromisoformat(each["createdAt"])).total_seconds()
        for each in executions
    )

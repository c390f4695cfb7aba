"""A queue and an alarm clock that only note what they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from jobrunner.domain.placement import PLAIN, Demand, Priority, Waiting
from jobrunner.errors import QueueUnavailable


class RecordingQueue:
    """The ExecutionQueue port. `down`: it does not answer."""

    def __init__(self) -> None:
        self.pushed: list[str] = []
        self.lines: dict[str, tuple[str, Priority]] = {}
        self.withdrawn: list[str] = []
        self.signalled: list[tuple[str, str]] = []
        self.down = False
        self.under_limit: dict[str, set[str]] = {}

    def push(
        self,
        execution_id: str,
        demand: Demand = PLAIN,
        *,
        waiting_since: datetime | None = None,
        node: str | None = None,
        at_front: bool = False,
    ) -> str:
        """Note it."""
        self.check()
        self.pushed.append(execution_id)
        self.lines[execution_id] = demand.pool, demand.priority
        return execution_id

    def push_all(self, waiting: Iterable[Waiting]) -> None:
        """Put many."""
        for one in waiting:
            self.push(one.execution_id, one.demand, waiting_since=one.since)

    def withdraw(self, execution_id: str) -> None:
        """Note it."""
        self.check()
        self.withdrawn.append(execution_id)

    def has_message(self, execution_ids: list[str]) -> dict[str, bool]:
        """Whether they were pushed and not withdrawn."""
        self.check()
        return {wanted: wanted in self.pushed and wanted not in self.withdrawn for wanted in execution_ids}

    def signal_stop(self, execution_id: str, node: str) -> None:
        """Note it."""
        self.check()
        self.signalled.append((execution_id, node))

    def note_limit(self, name: str, execution_ids: Iterable[str]) -> None:
        """Note it."""
        self.check()
        self.under_limit[name] = set(execution_ids)

    def free_limits(self, execution_id: str, names_of_limits: Iterable[str]) -> None:
        """Note it."""
        self.check()
        for name in names_of_limits:
            self.under_limit.setdefault(name, set()).discard(execution_id)

    def lengths(self) -> dict[tuple[str, Priority], int]:
        """How many were pushed and not withdrawn, by pool and priority."""
        self.check()
        return dict(Counter(self.lines[execution_id] for execution_id in set(self.pushed) - set(self.withdrawn)))

    def check(self) -> None:
        """Raise QueueUnavailable where it is down."""
        if self.down:
            raise QueueUnavailable("Redis does not answer (it is down for a test)")


class RecordingTriggers:
    """The Triggers port."""

    def __init__(self) -> None:
        self.alarms: dict[str, datetime] = {}

    def at(self, execution_id: str, due_at: datetime) -> None:
        """Note it."""
        self.alarms[execution_id] = due_at

    def at_all(self, due: Mapping[str, datetime]) -> None:
        """Set many."""
        for execution_id, due_at in due.items():
            self.at(execution_id, due_at)

    def cancel(self, execution_id: str) -> None:
        """Forget it."""
        self.alarms.pop(execution_id, None)

    def without_alarm(self, execution_ids: Sequence[str]) -> list[str]:
        """Those that have none."""
        return [execution_id for execution_id in execution_ids if execution_id not in self.alarms]

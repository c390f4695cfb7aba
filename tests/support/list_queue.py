"""A queue and an alarm clock without Redis: fakes of the ports ExecutionQueue and Triggers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from jobrunner.domain.placement import PLAIN, Demand, Priority, Waiting
from jobrunner.errors import QueueUnavailable


class ListQueue:
    """The port ExecutionQueue on lists. `None` is the name of the shared queue. `pushed`: all that ever came."""

    def __init__(self) -> None:
        self.pushed: list[str] = []
        self.waiting: list[tuple[str | None, str]] = []
        self.taken: set[str] = set()
        self.stops: list[tuple[str, str]] = []
        self.is_down = False
        self.demands: dict[str, Demand] = {}
        self.since: dict[str, datetime] = {}
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
        """Put a message on a queue."""
        self.check()
        self.pushed.append(execution_id)
        self.demands[execution_id] = demand
        self.since[execution_id] = waiting_since or datetime.now(UTC)
        self.waiting.insert(0 if at_front else len(self.waiting), (node, execution_id))
        return execution_id

    def take(self) -> str | None:
        """Take the next message, of any queue."""
        return self.waiting.pop(0)[1] if self.waiting else None

    def push_all(self, waiting: Iterable[Waiting]) -> None:
        """Put many."""
        for one in waiting:
            self.push(one.execution_id, one.demand, waiting_since=one.since)

    def withdraw(self, execution_id: str) -> None:
        """Take a message back."""
        self.check()
        self.waiting = [(node, waiting) for node, waiting in self.waiting if waiting != execution_id]

    def has_message(self, execution_ids: list[str]) -> dict[str, bool]:
        """Whether messages wait, or were taken by somebody who lives."""
        self.check()
        there = {execution_id for _, execution_id in self.waiting} | self.taken
        return {execution_id: execution_id in there for execution_id in execution_ids}

    def signal_stop(self, execution_id: str, node: str) -> None:
        """Tell a node."""
        self.check()
        self.stops.append((execution_id, node))

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
        """How many messages wait on the shared queue, by pool and priority."""
        self.check()
        demands = [self.demands[execution_id] for node, execution_id in self.waiting if node is None]
        return dict(Counter((demand.pool, demand.priority) for demand in demands))

    def oldest(self) -> dict[tuple[str, Priority], datetime]:
        """Since when the first of these waits."""
        self.check()
        oldest: dict[tuple[str, Priority], datetime] = {}
        for node, execution_id in self.waiting:
            if node is None:
                demand, since = self.demands[execution_id], self.since[execution_id]
                oldest[demand.pool, demand.priority] = min(since, oldest.get((demand.pool, demand.priority), since))
        return oldest

    def check(self) -> None:
        """Raise QueueUnavailable while it is down."""
        if self.is_down:
            raise QueueUnavailable("Redis does not answer: the test says so")


class DictTriggers:
    """The port Triggers on a dictionary."""

    def __init__(self) -> None:
        self.alarms: dict[str, datetime] = {}
        self.is_down = False
        self.lead_age: float | None = None

    def at(self, execution_id: str, due_at: datetime) -> None:
        """Set an alarm."""
        self._check()
        self.alarms[execution_id] = due_at

    def at_all(self, due: Mapping[str, datetime]) -> None:
        """Set many."""
        for execution_id, due_at in due.items():
            self.at(execution_id, due_at)

    def cancel(self, execution_id: str) -> None:
        """Forget an alarm."""
        self._check()
        self.alarms.pop(execution_id, None)

    def without_alarm(self, execution_ids: Sequence[str]) -> list[str]:
        """Those that have none."""
        self._check()
        return [execution_id for execution_id in execution_ids if execution_id not in self.alarms]

    def lead_age_seconds(self) -> float | None:
        """What the test says."""
        self._check()
        return self.lead_age

    def _check(self) -> None:
        if self.is_down:
            raise QueueUnavailable("Redis does not answer: the test says so")

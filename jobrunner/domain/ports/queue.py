"""The queue, the alarm clock and the counter of requests, all of them in Redis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from jobrunner.domain.placement import PLAIN, Demand, Priority, Waiting


class ExecutionQueue(Protocol):
    """The queue of execution ids to the nodes (RQ)."""

    def push(
        self,
        execution_id: str,
        demand: Demand = PLAIN,
        *,
        waiting_since: datetime | None = None,
        node: str | None = None,
        at_front: bool = False,
    ) -> str:
        """Put a message for the execution where it waits for a node, or on the queue of one; returns the message's id.

        `waiting_since` (now, if None) decides who goes first; `at_front`: before others of the same demand.
        """

    def push_all(self, waiting: Iterable[Waiting]) -> None:
        """Put a message for each of these executions where those of its demand wait for a node, all in one step."""

    def withdraw(self, execution_id: str) -> None:
        """Take back the message of an execution that is not to run, if it is still waiting."""

    def has_message(self, execution_ids: list[str]) -> dict[str, bool]:
        """For each id, whether a message for it waits in a queue, or is in the hands of a worker that lives."""

    def signal_stop(self, execution_id: str, node: str) -> None:
        """Tell the node's worker that the execution is to stop. Best effort: the wish itself is in the store."""

    def note_limit(self, name: str, execution_ids: Iterable[str]) -> None:
        """Note which executions run under a limit, so that no more are taken than may. A hint: the store decides."""

    def free_limits(self, execution_id: str, names_of_limits: Iterable[str]) -> None:
        """Note that an execution does not run any more, and wake the nodes that may take another one."""

    def lengths(self) -> Mapping[tuple[str, Priority], int]:
        """How many messages wait for any node, by the pool and the priority of their executions."""

    def oldest(self) -> Mapping[tuple[str, Priority], datetime]:
        """Since when the first of these waits, where there is one."""

    def check(self) -> None:
        """Return if Redis answers; raise QueueUnavailable, within its timeout, if not."""


class RateLimiter(Protocol):
    """Counts requests, over all processes of the farm."""

    def wait_seconds(self, rate: str, who: str) -> float:
        """Count one request of `who` against a rate such as `100/minute`; 0: it may pass, else how long to wait.

        Where the counter does not answer, it may pass.
        """


class Triggers(Protocol):
    """The alarm clock of the farm (rq-scheduler). MongoDB has the truth: a lost or doubled alarm does no harm."""

    def at(self, execution_id: str, due_at: datetime) -> None:
        """See to it that the execution is fired at this instant. Best effort; a janitor repairs what is missing."""

    def at_all(self, due: Mapping[str, datetime]) -> None:
        """The same for many executions, in one step."""

    def cancel(self, execution_id: str) -> None:
        """Forget its alarm, if there is one."""

    def without_alarm(self, execution_ids: Sequence[str]) -> list[str]:
        """Those of these executions that have no alarm."""

    def lead_age_seconds(self) -> float | None:
        """How long ago the scheduler that leads has last said so; None: none leads."""

"""Where measures of the farm are kept and read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from jobrunner.domain.measures import Activity, DeliveryCounts, EndedTotals, WaitingForTime
from jobrunner.domain.states import State


class MeasureStore(Protocol):
    """How many there are of everything. What it costs does not grow with history."""

    def count_ended(self, limit: int) -> bool:
        """Add ended executions to the totals that are not in them yet, at most `limit`; False where there was none.

        Each is added exactly once, whoever else does the same, or dies while doing it.
        """

    def ended(self) -> EndedTotals:
        """The totals. They outlast the executions, and never go down."""

    def open_executions(self) -> Mapping[State, int]:
        """How many executions are in each state that is no end."""

    def waiting_for_time(self, late_before: datetime) -> WaitingForTime:
        """Those that wait for their time; those are late that were due before an instant, and are not held."""

    def deliveries(self) -> DeliveryCounts:
        """How it is with deliveries."""

    def add_activity(self, done: Activity) -> None:
        """Add what a process has done since it last said so. This need not be durable."""

    def activity(self) -> Activity:
        """What all processes have done."""

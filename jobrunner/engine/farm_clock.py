"""The time of the farm: that of its MongoDB, whatever the clocks of its machines say.

Instants that one process writes are compared by others: when something is due, until when a claim holds, when a node
was heard. A clock that is wrong, or that is set while jobs run, must not move them. So a process looks at its own clock
for nothing that matters: it asks MongoDB for the time now and then, and counts on from there with the monotonic clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

COMPARE_SECONDS = 2.0
RESOLUTION_SECONDS = 0.001  # MongoDB tells milliseconds


class FarmClock:
    """The Clock port. `ask` tells MongoDB's time, and `monotonic` seconds that always go on at the same pace."""

    def __init__(self, ask: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic) -> None:
        """Ask for the first time. Raises StoreUnavailable."""
        self._ask, self._monotonic = ask, monotonic
        earliest, latest = self._zero_of_monotonic()
        self._zero = (earliest + latest) / 2  # in UNIX seconds

    def now(self) -> datetime:
        """The present instant, UTC and aware, cut to milliseconds, as MongoDB keeps it."""
        now = datetime.fromtimestamp(self._zero + self._monotonic(), UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def compare(self) -> None:
        """Ask again, and put the clock right. Raises StoreUnavailable.

        The answer was given between question and receipt, however long that took: so a clock that may be right is left
        as it is, and one that cannot be is put where it may be right.
        """
        earliest, latest = self._zero_of_monotonic()
        if not earliest <= self._zero <= latest:
            self._zero = (earliest + latest) / 2

    def _zero_of_monotonic(self) -> tuple[float, float]:
        """The earliest and the latest UNIX time that the monotonic clock's zero may have been at."""
        asked = self._monotonic()
        told = self._ask().timestamp()
        answered = self._monotonic()
        return told - answered, told + RESOLUTION_SECONDS - asked

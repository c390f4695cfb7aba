"""What this process does, counted until it is added to what all processes of the farm have done.

What was counted and not added yet is lost if the process is killed. Where the store does not say whether it was added,
it is added again: so these are about right, and never go down.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from jobrunner.domain.events import Delivered, DeliveryFailed, Event, Pruned, Repaired
from jobrunner.domain.measures import Activity, DutyRuns
from jobrunner.engine.farm import Farm

STORE_EVERY_SECONDS = 5.0
STORE_WITHIN_SECONDS = 1.0  # where the process may be about to end


class ActivityCounter:
    """Counts what it hears of, and the runs of duties. For all threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._duties: defaultdict[str, DutyRuns] = defaultdict(DutyRuns)
        self._attempts: Counter[str] = Counter()

    def hear(self, event: Event) -> None:
        """Count what the engine announces."""
        match event:
            case Repaired():
                self._count(event.janitor, repairs=1)
            case Pruned():
                self._count("prune", repairs=1)
            case Delivered():
                self._count_attempt("delivered")
            case DeliveryFailed():
                self._count_attempt("given_up" if event.given_up else "failed")

    def counted(self, duty: str, action: Callable[[], object], now: Callable[[], datetime]) -> Callable[[], None]:
        """The same action, and its runs are counted as those of a duty."""

        def run() -> None:
            began = time.monotonic()
            try:
                action()
            except Exception:
                self._count(duty, runs=1, failures=1, seconds=time.monotonic() - began)
                raise
            self._count(duty, runs=1, seconds=time.monotonic() - began, last_success_at=now())

        return run

    def store(self, farm: Farm) -> None:
        """Add what was counted since the last time. Raises StoreUnavailable: then it is added the next time."""
        with self._lock:
            duties, self._duties = self._duties, defaultdict(DutyRuns)
            attempts, self._attempts = self._attempts, Counter()
        if not duties and not attempts:
            return
        try:
            farm.store.measures.add_activity(Activity(dict(duties), dict(attempts)))
        except BaseException:
            with self._lock:
                self._attempts.update(attempts)
                for duty, runs in duties.items():
                    self._duties[duty] = _sum(runs, self._duties[duty])
            raise

    def _count(self, duty: str, **runs: float | datetime) -> None:
        with self._lock:
            self._duties[duty] = _sum(self._duties[duty], replace(DutyRuns(), **runs))

    def _count_attempt(self, outcome: str) -> None:
        with self._lock:
            self._attempts[outcome] += 1


def _sum(first: DutyRuns, second: DutyRuns) -> DutyRuns:
    successes = [runs.last_success_at for runs in (first, second) if runs.last_success_at is not None]
    return DutyRuns(
        first.runs + second.runs,
        first.failures + second.failures,
        first.repairs + second.repairs,
        first.seconds + second.seconds,
        max(successes, default=None),
    )

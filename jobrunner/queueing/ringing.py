"""Ring the alarms that are due: fire their executions in a bounded number of threads, then remove them.

An alarm is removed only once its execution was fired without an error, so a crash loses none; and firing is idempotent,
so it may ring twice. One that is slow has a thread to itself, and one that fails rings again a moment later: neither
holds up another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from queue import SimpleQueue

import structlog

from jobrunner.errors import ServiceUnavailable
from jobrunner.queueing.rq_schedule import RqTriggers

MOST_IN_HAND = 800
TOGETHER = 50
LOOK_SECONDS = 0.2
AFTER_AN_OUTAGE = timedelta(seconds=1)
AFTER_A_FAULT = timedelta(seconds=5)

Fire = Callable[[str], "datetime | None"]
FireTogether = Callable[[Sequence[str]], "set[str]"]

log = structlog.get_logger(__name__)


class Ringer:
    """Fires what is due. `fire` returns when its execution is to be fired again; None: not any more.

    `fire_together` is asked first, and returns which of many it has fired for good; the others are fired one by one.
    """

    def __init__(
        self, triggers: RqTriggers, fire: Fire, threads: int, fire_together: FireTogether | None = None
    ) -> None:
        self._triggers, self._fire, self._fire_together = triggers, fire, fire_together
        self._waiting: SimpleQueue[Sequence[str]] = SimpleQueue()
        self._in_hand: set[str] = set()
        self._fired: dict[str, datetime | None] = {}
        self._changed = threading.Condition()
        # Daemons: a process that is to end leaves a firing alone, and the next leader does it again.
        self._threads = [threading.Thread(target=self._work, name=f"fire {n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def ring(self, keep_on: Callable[[], bool]) -> None:
        """Fire all that is due, until nothing is, or `keep_on()` says no. Raises QueueUnavailable."""
        while keep_on():
            self._settle()
            taken = self._take()
            if not taken and not self._in_hand:
                return
            with self._changed:
                self._changed.wait_for(lambda: self._fired, LOOK_SECONDS)

    def close(self) -> None:
        """End the threads, each after what it is doing."""
        for _ in self._threads:
            self._waiting.put(())

    def _take(self) -> bool:
        """Hand what is due to the threads, as far as there is room."""
        room = MOST_IN_HAND - len(self._in_hand)
        due = self._triggers.due(MOST_IN_HAND + len(self._in_hand)) if room >= TOGETHER else []
        fresh = [execution_id for execution_id in due if execution_id not in self._in_hand][:room]
        self._in_hand.update(fresh)
        size = TOGETHER if self._fire_together else 1
        for begin in range(0, len(fresh), size):
            self._waiting.put(fresh[begin : begin + size])
        return bool(fresh)

    def _settle(self) -> None:
        with self._changed:
            fired, self._fired = self._fired, {}
        if not fired:
            return
        try:
            self._triggers.settle(fired)
        finally:  # what was not settled rings again
            self._in_hand -= fired.keys()

    def _work(self) -> None:
        while execution_ids := self._waiting.get():
            if len(execution_ids) == 1:
                self._note({execution_ids[0]: self._try(execution_ids[0])})
            else:
                self._note(dict.fromkeys(self._try_together(execution_ids)))

    def _try_together(self, execution_ids: Sequence[str]) -> set[str]:
        """Which were fired; the others wait for a thread, each by itself: what fails or is slow is alone with it."""
        assert self._fire_together is not None
        fired: set[str] = set()
        try:
            fired = self._fire_together(execution_ids)
        except Exception as error:  # noqa: BLE001 - what is at fault shows, and is told, when each is fired by itself
            log.warning("alarms_taken_apart", count=len(execution_ids), error=type(error).__name__)
        for execution_id in execution_ids:
            if execution_id not in fired:
                self._waiting.put([execution_id])
        return fired

    def _note(self, fired: dict[str, datetime | None]) -> None:
        with self._changed:
            self._fired |= fired
            self._changed.notify_all()

    def _try(self, execution_id: str) -> datetime | None:
        try:
            return self._fire(execution_id)
        except ServiceUnavailable as error:
            log.warning("alarm_postponed", execution_id=execution_id, error=str(error))
            return self._triggers.clock.now() + AFTER_AN_OUTAGE
        except Exception:
            log.exception("alarm_failed", execution_id=execution_id)
            return self._triggers.clock.now() + AFTER_A_FAULT

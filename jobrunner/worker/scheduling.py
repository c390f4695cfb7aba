"""The scheduler process: it rings the alarms, does the janitors' duties, and makes deliveries.

Several can run. One leads: it alone rings and repairs.
"""

from __future__ import annotations

import os
import platform
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

import structlog

from jobrunner.engine.deliver import Deliverer
from jobrunner.engine.duty import Duty, wait_for_end
from jobrunner.engine.farm import Farm
from jobrunner.engine.fire import fire
from jobrunner.engine.fire_together import fire_together
from jobrunner.engine.janitors.count import count_ended
from jobrunner.engine.janitors.due import fire_overdue
from jobrunner.engine.janitors.follow_up import follow_up_owed
from jobrunner.engine.janitors.limits import FreeLimits
from jobrunner.engine.janitors.owed import make_owed_retries
from jobrunner.engine.janitors.presence import note_presence
from jobrunner.engine.janitors.prune import Prune
from jobrunner.engine.janitors.prune_files import prune_files
from jobrunner.engine.janitors.requeue import requeue
from jobrunner.engine.janitors.rescue import Rescue
from jobrunner.engine.janitors.unsent import make_owed_deliveries
from jobrunner.errors import QueueUnavailable, StoreUnavailable
from jobrunner.queueing.ringing import Ringer
from jobrunner.queueing.rq_schedule import Leadership
from jobrunner.telemetry.activity import STORE_EVERY_SECONDS, STORE_WITHIN_SECONDS
from jobrunner.wiring import Wiring

RING_SECONDS = 0.5
BELL_PAUSE_SECONDS = 1.0  # after Redis was away
LOOK_SECONDS = 1.0  # for a signal

log = structlog.get_logger(__name__)


class SchedulerService:
    """The duties of a scheduler process."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring, self._farm = wiring, wiring.farm
        self._leadership = Leadership(wiring.redis, wiring.farm_id, f"{platform.node()}-{os.getpid()}")
        self._deliverer = Deliverer(self._farm, wiring.notifiers())
        self._ringer = Ringer(
            wiring.triggers,
            lambda execution_id: fire(self._farm, execution_id),
            wiring.settings.fire_threads,
            lambda execution_ids: fire_together(self._farm, execution_ids),
        )
        self._leads = False

    def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        # A handler that sets an Event for which its own thread waits may wait for that thread; a put() never does.
        told_to_stop: SimpleQueue[int] = SimpleQueue()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda received, _frame: told_to_stop.put(received))
        duties = self._duties()
        for duty in duties:
            duty.start()
        log.info("scheduler_ready")
        while not self._is_told(told_to_stop):
            pass
        self._farm.stopping.set()
        self._wait_for(duties)
        self._give_up_lead()
        self._store_activity()
        log.info("scheduler_ended")

    @staticmethod
    def _is_told(told_to_stop: SimpleQueue[int]) -> bool:
        """Whether it was told to stop, within LOOK_SECONDS.

        Python runs a handler in the main thread; where the system gave the signal to another one, nothing wakes it.
        """
        with suppress(Empty):
            told_to_stop.get(timeout=LOOK_SECONDS)
            return True
        return False

    def _wait_for(self, duties: Sequence[Duty]) -> None:
        """Let what is under way come to its end, for `handover_seconds` in all: a service may hang, and all with it."""
        deadline = time.monotonic() + self._wiring.settings.handover_seconds
        wait_for_end(duties, self._wiring.settings.handover_seconds)
        self._deliverer.wait_until_idle(max(0.0, deadline - time.monotonic()))

    def _give_up_lead(self) -> None:
        try:
            self._leadership.release()
        except QueueUnavailable as error:  # it runs out
            log.warning("lead_not_given_up", error=str(error))

    def _duties(self) -> list[Duty]:
        interval_seconds = self._wiring.settings.janitor_interval_seconds
        rescue, limits = Rescue(), FreeLimits()
        janitors: dict[str, Callable[[Farm], None]] = {
            "requeue": requeue,
            "rescue": rescue.look,
            "owed": make_owed_retries,
            "follow up": follow_up_owed,
            "unsent": make_owed_deliveries,
            "due": fire_overdue,
            "prune": Prune().look,
            "presence": note_presence,
            "limits": limits.look,
            "prune files": prune_files,
            "count": count_ended,
        }
        duties = [
            self._duty("lead", RING_SECONDS, self._counted("lead", self._lead)),
            self._duty("ring", RING_SECONDS, self._counted("ring", self._ring)),
            self._duty("activity", STORE_EVERY_SECONDS, lambda: self._wiring.activity.store(self._farm)),
            # Every scheduler delivers, whether it leads or not: claims keep them apart.
            self._duty("deliver", 0, self._deliverer.wait_and_deliver),
            self._duty("hear deliveries", BELL_PAUSE_SECONDS, self._hear_deliveries),
        ]
        return duties + [
            self._duty(name, interval_seconds, self._if_leading(name, janitor)) for name, janitor in janitors.items()
        ]

    def _duty(self, name: str, interval_seconds: float, action: Callable[[], object]) -> Duty:
        return Duty(name, interval_seconds, action, stopping=self._farm.stopping, announce=self._farm.announce)

    def _lead(self) -> None:
        led = self._leads
        try:
            self._leads = self._leadership.hold()
        except QueueUnavailable:
            self._leads = False
            raise
        if self._leads and not led:
            log.info("scheduler_leads")

    def _ring(self) -> None:
        if self._leads:
            self._ringer.ring(keep_on=lambda: self._leads and not self._farm.stopping.is_set())

    def _hear_deliveries(self) -> None:
        self._wiring.delivery_bell.listen(self._deliverer.wake, self._farm.stopping)

    def _if_leading(self, name: str, janitor: Callable[[Farm], None]) -> Callable[[], None]:
        counted = self._counted(name, lambda: janitor(self._farm))

        def duty() -> None:
            if self._leads:
                counted()

        return duty

    def _counted(self, name: str, action: Callable[[], object]) -> Callable[[], None]:
        return self._wiring.activity.counted(name.replace(" ", "_"), action, self._farm.clock.now)

    def _store_activity(self) -> None:
        try:
            with self._farm.store.health.within(STORE_WITHIN_SECONDS):
                self._wiring.activity.store(self._farm)
        except StoreUnavailable as error:
            log.warning("activity_not_stored", error=str(error))

"""What every verb of the engine needs: the farm's store, its queue, the time, and who listens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from jobrunner.domain.api_keys import ANYBODY, Caller
from jobrunner.domain.events import Announce
from jobrunner.domain.ports.clock import Clock
from jobrunner.domain.ports.queue import ExecutionQueue, RateLimiter, Triggers
from jobrunner.domain.ports.store import Store
from jobrunner.domain.retry import BackOff
from jobrunner.settings import Settings


class SystemClock:
    """The time of this machine, cut to milliseconds, as MongoDB keeps it."""

    def now(self) -> datetime:
        """The present instant, UTC and aware."""
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


@dataclass(frozen=True)
class Farm:
    """The farm, as one process sees it, on behalf of `caller`. `stopping` is set when the process is to end.

    `wake_deliverers` says that a delivery is due. Best effort: they look by themselves, too. Raises QueueUnavailable.
    """

    settings: Settings
    store: Store
    queue: ExecutionQueue
    triggers: Triggers
    announce: Announce
    clock: Clock = field(default_factory=SystemClock)
    stopping: threading.Event = field(default_factory=threading.Event)
    wake_deliverers: Callable[[], None] = lambda: None
    caller: Caller = ANYBODY
    admission: threading.Lock = field(default_factory=threading.Lock)  # of engine/admission.py
    rate_limiter: RateLimiter | None = None

    @property
    def back_off(self) -> BackOff:
        """How long to wait between the attempts of a job that does not say it."""
        settings = self.settings
        return BackOff(
            settings.retry_first_delay_seconds,
            settings.retry_factor,
            settings.retry_longest_delay_seconds,
            settings.retry_jitter,
        )

"""Things that are done again and again, each in a thread of its own, until the process is to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from jobrunner.domain.events import Announce, Trouble
from jobrunner.errors import JobrunnerError


class Duty(threading.Thread):
    """Calls `action` every `interval_seconds` until `stopping` is set. An error of ours is told, and tried again."""

    def __init__(
        self,
        name: str,
        interval_seconds: float,
        action: Callable[[], object],
        *,
        stopping: threading.Event,
        announce: Announce,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._interval_seconds = interval_seconds
        self._action, self._stopping, self._announce = action, stopping, announce

    def run(self) -> None:
        """The loop: at once, and then at every interval."""
        while not self._stopping.is_set():
            self.once()
            self._stopping.wait(self._interval_seconds)

    def once(self) -> None:
        """Do it now."""
        try:
            self._action()
        except JobrunnerError as error:
            self._announce(Trouble(where=self.name, error=str(error)))
        except Exception as error:  # noqa: BLE001 - a fault in one duty must not end it for good
            self._announce(Trouble(where=self.name, error=f"{type(error).__name__}: {error}"))


def wait_for_end(duties: Sequence[Duty], seconds: float) -> bool:
    """Wait until all of them have ended, for so long at most in all; whether that came. They were told to stop."""
    deadline = time.monotonic() + seconds
    for duty in duties:
        duty.join(max(0.0, deadline - time.monotonic()))
    return not any(duty.is_alive() for duty in duties)

"""Things that are done again and again, each in a thread of its own, until the process is to end."""

from __future__ import annotations

import threading
from collections.abc import Callable

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

"""A notifier that sends nothing, for tests: it notes what it was to send, and answers as it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable

from jobrunner.domain.ports.notifier import Dispatch, Receipt


class FakeNotifier:
    """The Notifier port. It gives `answers` in turn, then takes everything. `before` is called with each dispatch."""

    def __init__(self, *answers: Receipt, before: Callable[[Dispatch], None] = lambda dispatch: None) -> None:
        self.sent: list[Dispatch] = []
        self._answers = list(answers)
        self._before = before
        self._lock = threading.Lock()

    def send(self, dispatch: Dispatch) -> Receipt:
        """Note it, and answer."""
        self._before(dispatch)
        with self._lock:
            self.sent.append(dispatch)
            return self._answers.pop(0) if self._answers else Receipt(status_code=200)

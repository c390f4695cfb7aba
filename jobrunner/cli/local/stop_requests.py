"""SIGINT, SIGTERM and SIGHUP as something to wait for, instead of something that strikes anywhere."""

from __future__ import annotations

import signal
from queue import Empty, SimpleQueue

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StopRequests:
    """The signals that asked this process to stop, in the order in which they came."""

    def __init__(self) -> None:
        self._arrived: SimpleQueue[int] = SimpleQueue()  # its put() may be called from a signal handler

    def listen(self) -> None:
        """Take these signals from now on. One that the starter of this process ignores (nohup, `&`) stays ignored."""
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda received, _frame: self._arrived.put(received))

    def came_within(self, seconds: float) -> bool:
        """Wait this long; whether a request came meanwhile. Each request is reported once."""
        try:
            self._arrived.get(timeout=max(seconds, 0.0))
        except Empty:
            return False
        return True

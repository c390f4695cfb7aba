"""How long a request may take to arrive. A client that sends a byte now and then would hold a thread for ever.

The time limit of a socket starts anew with each byte. So one thread looks at all connections from which a request is
being read, and ends the reading of those that have taken too long: to the reader it looks as if the client had gone.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

from flask import request

LOOKS = 8  # so many in the time that a request has


class ReadDeadlines:
    """The connections from which requests are being read, each with the time when that must be over."""

    def __init__(self) -> None:
        self._due: dict[socket.socket, float] = {}  # all have the same time, so they stand in the order of their ends
        self._lock = threading.Lock()

    def watch(self, seconds: float) -> None:
        """From now on, give each request so long. Call it once, in the process that serves."""
        self._seconds = seconds
        threading.Thread(target=self._look_for_ever, name="read deadlines", daemon=True).start()

    def begin(self, connection: socket.socket) -> None:
        """A request begins to arrive."""
        with self._lock:
            self._due[connection] = time.monotonic() + self._seconds

    def end(self, connection: socket.socket) -> None:
        """It is there, or will not come."""
        with self._lock:
            self._due.pop(connection, None)

    def _look_for_ever(self) -> None:
        while True:
            time.sleep(self._seconds / LOOKS)
            for connection in self._take_overdue():
                with suppress(OSError):  # it has gone by itself
                    connection.shutdown(socket.SHUT_RD)

    def _take_overdue(self) -> list[socket.socket]:
        now = time.monotonic()
        with self._lock:
            overdue = [connection for connection, due in self._due.items() if due <= now]
            for connection in overdue:
                del self._due[connection]
        return overdue


deadlines = ReadDeadlines()


def request_has_arrived() -> None:
    """What follows may take as long as it takes: before_request, after the body was read."""
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        deadlines.end(connection)


def more_is_to_arrive() -> None:
    """From now on, the next part of the body has as long as a whole request has."""
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        deadlines.begin(connection)

"""A bound on the whole of a conversation over a socket: not on each wait, which a dripping peer restarts forever."""

from __future__ import annotations

import queue
import socket
import threading
import time
from types import TracebackType


class Deadline:
    """Cuts the socket that it watches when the time is up; whoever waits on it then gets an OSError, or its end.

    A context: leaving it ends the watch.
    """

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._watched: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self.has_passed = False

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

    @property
    def left_seconds(self) -> float:
        """How much time is left. Raises TimeoutError where none is."""
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def check(self) -> None:
        """Raise TimeoutError if the time is up."""
        if self.has_passed:
            raise TimeoutError

    def watch(self, connection: socket.socket) -> None:
        """Watch this socket from now on, instead of the one before. Raises TimeoutError where it is too late."""
        with self._lock:
            self._watched = connection
            self.check()

    def forget(self) -> None:
        """Watch nothing any more: what was watched is closed, and its number may soon be another's."""
        with self._lock:
            self._watched = None

    def _cut(self) -> None:
        with self._lock:
            self.has_passed = True
            if self._watched is None:
                return
            try:
                # Not the method of an SSLSocket, which takes away the state that another thread is using.
                socket.socket.shutdown(self._watched, socket.SHUT_RDWR)
            except OSError:
                pass  # it is not connected any more, or not yet: then its own timeout ends the wait


def resolve(host: str, port: int, deadline: Deadline) -> list[str]:
    """The addresses of a host, in the system's order of preference. Raises OSError, TimeoutError.

    The system's resolver cannot be interrupted; a thread that waits for it is left behind when the time is up.
    """
    answers: queue.SimpleQueue[list[str] | OSError | UnicodeError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=deadline.left_seconds)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(answer, UnicodeError):  # a label that is empty or too long
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    if isinstance(answer, OSError):
        raise answer
    return answer

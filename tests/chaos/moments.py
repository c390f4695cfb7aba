"""Moments at which a kill is most likely to hurt, as they come: from Redis, MongoDB, the Engine and the receiver."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum


class Moment(StrEnum):
    """What can be waited for."""

    ACCEPTED = "an execution is written"
    TAKEN = "a message is taken"
    PULLING = "an execution is claimed"
    CREATED = "a container is created"
    STARTED = "a container is started"
    EXITED = "a container has exited"
    CLOSED = "an execution is closed"
    FIRED = "a scheduled execution is enqueued"
    CALLED = "a webhook comes in"


class Moments:
    """Tells those who wait of the next moment of a kind, at once. The name of a node goes along where there is one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[Moment, list[queue.SimpleQueue[str | None]]] = {moment: [] for moment in Moment}

    def tell(self, moment: Moment, node: str | None = None) -> None:
        """It is now."""
        with self._lock:
            waiting = list(self._waiting[moment])
        for each in waiting:
            each.put(node)

    def next(self, moment: Moment, seconds: float) -> str | None:
        """Wait for the next one; the node. Raises queue.Empty where none comes in time."""
        with self._wait_for(moment) as mine:
            return mine.get(timeout=seconds)

    @contextmanager
    def _wait_for(self, moment: Moment) -> Iterator[queue.SimpleQueue[str | None]]:
        mine: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        with self._lock:
            self._waiting[moment].append(mine)
        try:
            yield mine
        finally:
            with self._lock:
                self._waiting[moment].remove(mine)

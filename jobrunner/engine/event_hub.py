"""One stream of the farm's events in a process, and all who listen to it.

Each listener has a buffer of its own, with a bound: one that is too slow is dropped, told so, and can go on from where
it was; it holds back neither the stream nor the others.
"""

from __future__ import annotations

import threading
from collections import deque

import structlog

from jobrunner.domain.farm_events import FarmEvent
from jobrunner.domain.ports.events import EventSource, EventStream
from jobrunner.errors import Busy, JobrunnerError

MOST_BUFFERED = 1000
WAIT_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Subscription:
    """What one listener has not read yet. `start`: the place in the stream at which it began to listen."""

    def __init__(self, start: str) -> None:
        self.start = start
        self.ended = ""  # why nothing more comes, in words
        self._changed = threading.Condition()
        self._buffer: deque[FarmEvent] = deque()
        self._position = start

    def put(self, event: FarmEvent) -> None:
        """One more event; the end, if too many are unread."""
        with self._changed:
            if len(self._buffer) >= MOST_BUFFERED:
                self.end("more events came than were read")
            if not self.ended:
                self._buffer.append(event)
                self._changed.notify()

    def advance(self, position: str) -> None:
        """All before this place was told."""
        with self._changed:
            self._position = position

    def end(self, reason: str) -> None:
        """Nothing more comes."""
        with self._changed:
            self.ended = self.ended or reason
            self._changed.notify()

    def take(self, seconds: float) -> tuple[list[FarmEvent], str]:
        """What has come, waiting for it so long at most, and the place in the stream after it."""
        with self._changed:
            self._changed.wait_for(lambda: self._buffer or self.ended, seconds)
            taken = list(self._buffer)
            self._buffer.clear()
            # Once ended, events may be missing before that place: after the last one that is there, none is.
            place = self._position if not self.ended else taken[-1].id if taken else ""
            return taken, place


class EventHub:
    """The listeners of a process. The stream is opened for the first of them, and closed after the last."""

    def __init__(self, source: EventSource, most_listeners: int, stopping: threading.Event) -> None:
        self._source, self._most, self._stopping = source, most_listeners, stopping
        self._lock = threading.Lock()
        self._subscriptions: set[Subscription] = set()
        self._stream: EventStream | None = None
        self._position = ""  # up to which all has been passed on

    @property
    def listeners(self) -> int:
        """How many listen."""
        return len(self._subscriptions)

    def subscribe(self) -> Subscription:
        """Begin to listen. Raises Busy, StoreUnavailable."""
        with self._lock:
            if len(self._subscriptions) >= self._most:
                raise Busy(f"{self._most} listen already, and no more can at a time")
            if self._stream is None:
                self._stream = self._source.open(None, WAIT_SECONDS)
                self._position = self._stream.position
                threading.Thread(target=self._tell, args=(self._stream,), name="events", daemon=True).start()
            subscription = Subscription(self._position)
            self._subscriptions.add(subscription)
            return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Listen no more."""
        with self._lock:
            self._subscriptions.discard(subscription)

    def _tell(self, stream: EventStream) -> None:
        reason = "the API is stopping"
        try:
            while not self._stopping.is_set() and self._has_listeners():
                self._pass_on(stream.next(), stream.position)
        except JobrunnerError as error:
            log.warning("events_broke_off", error=str(error))
            reason = str(error)
        finally:
            self._end(stream, reason)

    def _pass_on(self, event: FarmEvent | None, position: str) -> None:
        with self._lock:
            self._position = position
            for subscription in self._subscriptions:
                if event is not None:
                    subscription.put(event)
                subscription.advance(position)

    def _has_listeners(self) -> bool:
        """Whether anybody listens; if not, the stream is given up in the same step."""
        with self._lock:
            if not self._subscriptions:
                self._stream = None
            return bool(self._subscriptions)

    def _end(self, stream: EventStream, reason: str) -> None:
        with self._lock:
            if self._stream is stream:
                self._stream = None
                for subscription in self._subscriptions:
                    subscription.end(reason)
        try:
            stream.close()
        except JobrunnerError as error:
            log.info("events_not_closed", error=str(error))

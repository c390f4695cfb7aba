"""Stay with a job from its start to its end: its output, the signals that we get, its further attempts."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import FrameType

from jobrunner.cli.answers import Execution, ExecutionRef
from jobrunner.cli.client import ApiError, Client, StreamName
from jobrunner.cli.follow import Write, insist, start_following, writer
from jobrunner.cli.terminal import complain
from jobrunner.domain.states import State

NEVER_TRIED_AGAIN = (State.DONE, State.STOPPED, State.EXPIRED)
NEXT_ATTEMPT_SECONDS = 10.0  # the farm makes it when it closes the one before; after a crash, a janitor does
LOOK_SECONDS = 0.2
WAITING_NOTICE_SECONDS = 3.0


@dataclass(frozen=True)
class Signalled:
    """We got this signal, and are to stop the job."""

    number: int


class SignalledAgain(Exception):
    """We got a second signal, of this number, and are to leave at once."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


Events = SimpleQueue["Execution | Exception | Signalled"]


@contextmanager
def signals_reported(events: Events) -> Iterator[None]:
    """Put the first SIGINT or SIGTERM into `events`; a further one raises SignalledAgain in the main thread.

    A signal that our caller had ignored (the shell does so with SIGINT for `jobrunner run ... &`) stays ignored.
    """
    seen: list[int] = []

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if seen:
            raise SignalledAgain(number)
        seen.append(number)
        events.put(Signalled(number))

    numbers = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not signal.SIG_IGN]
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Attached:
    """Our hold on a job: `ref` is its attempt of the moment, `signalled` the signal that made us stop it."""

    def __init__(self, client: Client, ref: ExecutionRef, events: Events) -> None:
        self._client = client
        self._events = events
        self.ref = ref
        self.signalled: Signalled | None = None
        self._stopping: threading.Thread | None = None

    def wait(self, retries: int) -> Execution:
        """Copy all output until the last attempt has ended, and return that. Raises ApiError, OSError."""
        execution = self._attempt()
        while retries > 0 and execution.status not in NEVER_TRIED_AGAIN and self._go_to_next_attempt():
            complain(f"{describe(execution)}; trying again ({retries} left), as execution {self.ref.execution_id}")
            retries -= 1
            execution = self._attempt()
        if self._stopping:  # the attempt may have ended by itself: the job must be stopped before we go
            self._stopping.join()
            self._next_event(timeout_seconds=0)
        return execution

    def _attempt(self) -> Execution:
        """Follow both streams of one execution to their ends."""
        writes: dict[StreamName, Write] = {"stdout": writer(sys.stdout), "stderr": writer(sys.stderr)}
        start_following(self._client, self.ref, writes, self._events.put)
        ended: list[Execution] = []
        notice_seconds = WAITING_NOTICE_SECONDS if sys.stderr is not None and sys.stderr.isatty() else None
        while len(ended) < len(writes):
            event = self._next_event(notice_seconds)
            if event is not None:
                ended.append(event)
            elif notice_seconds is not None:
                notice_seconds = None
                self._say_if_it_waits()
        return ended[-1]

    def _say_if_it_waits(self) -> None:
        """Tell a person who sees nothing happen that no node has taken the execution yet."""
        try:
            waits = self._client.execution(self.ref).status is State.ENQUEUED
        except ApiError:
            return  # the followers see it too, and deal with it
        if waits:
            complain("no node has taken it yet; it waits for a free one (see `jobrunner worker list`)")

    def _next_event(self, timeout_seconds: float | None = None) -> Execution | None:
        """Wait for an event; carry out the wish to stop. None where there was no end of a stream."""
        try:
            event = self._events.get(timeout=timeout_seconds)
        except Empty:
            return None
        if isinstance(event, Exception):
            raise event
        if isinstance(event, Signalled):
            self.signalled = event
            complain(f"stopping execution {self.ref.execution_id}; once more to leave at once")
            self._stopping = threading.Thread(target=self._stop, name="stop", daemon=True)
            self._stopping.start()
            return None
        return event

    def _stop(self) -> None:
        """Ask until the API has heard it. The whole job: a stopped attempt is not to be followed by another."""
        try:
            insist(lambda: self._client.stop_job(self.ref))
        except ApiError as error:
            self._events.put(error)

    def _go_to_next_attempt(self) -> bool:
        """Find the attempt that follows; False where none does."""
        give_up_at = time.monotonic() + NEXT_ATTEMPT_SECONDS
        while self.signalled is None and time.monotonic() < give_up_at:
            following = insist(lambda: self._client.attempt_after(self.ref))
            if following:
                self.ref = following
                return True
            self._next_event(timeout_seconds=LOOK_SECONDS)
        return False


def describe(execution: Execution) -> str:
    """How an execution ended, in words."""
    return execution.reason or f"the execution is {execution.status}"

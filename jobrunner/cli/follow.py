"""Follow the output of an execution as it comes: each stream by a thread, every byte once, in order.

A connection that breaks is taken up again at the byte where it broke. A follower gives up only where the API has
not answered for PATIENCE_SECONDS.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable, Mapping
from typing import TextIO, TypeVar

from jobrunner.cli.answers import Execution, ExecutionRef
from jobrunner.cli.client import ApiError, Client, StreamName

T = TypeVar("T")
Write = Callable[[bytes], None]
PATIENCE_SECONDS = 120.0
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 5.0


class Patience:
    """How long to go on asking: pauses that grow while nothing comes of it, and an end to them."""

    def __init__(self, seconds: float = PATIENCE_SECONDS) -> None:
        self._seconds = seconds
        self.answered()
        self.hurry()

    def answered(self) -> None:
        """The API answers: the end is as far away as at first."""
        self._ends_at = time.monotonic() + self._seconds

    def hurry(self) -> None:
        """Begin again with short pauses."""
        self._pause_seconds = FIRST_PAUSE_SECONDS

    def pause(self, error: ApiError | None) -> None:
        """Wait a little. Raises `error` where trying again cannot help, or patience is at its end."""
        if error is not None and (not error.worth_a_retry or time.monotonic() >= self._ends_at):
            raise error
        time.sleep(self._pause_seconds)
        self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)


def insist(ask: Callable[[], T], patience: Patience | None = None) -> T:
    """What the API answers, asking it again while that may help. Raises ApiError."""
    patience = patience or Patience()
    while True:
        try:
            return ask()
        except ApiError as error:
            patience.pause(error)


class Follower:
    """Copies one stream of an execution to `write`, from byte `offset` on, until the execution has ended."""

    def __init__(
        self,
        client: Client,
        ref: ExecutionRef,
        stream: StreamName,
        write: Write,
        patience: Patience | None = None,
        offset: int = 0,
    ) -> None:
        self._client = client
        self._ref = ref
        self._stream = stream
        self._write = write
        self._patience = patience or Patience()
        self._offset = offset

    def follow(self) -> Execution:
        """Return the ended execution when all its output is written. Raises ApiError, and what `write` raises.

        That a connection is closed in order means nothing: the API does so at the end of the execution, but a proxy
        may at any time. All is there when the execution had ended before we began to copy.
        """
        while True:
            error = None
            try:
                execution = self._client.execution(self._ref)
                if not execution.status.is_terminal:
                    self._patience.answered()
                self._copy()
                if execution.status.is_terminal:
                    return execution
            except ApiError as failure:
                error = failure
            self._patience.pause(error)

    def _copy(self) -> None:
        """Copy what comes on one connection."""
        began_at = time.monotonic()
        try:
            for content in self._client.output(self._ref, self._stream, self._offset, follow=True):
                self._write(content)
                self._offset += len(content)
                self._patience.answered()
                self._patience.hurry()
        finally:
            if time.monotonic() - began_at > LONGEST_PAUSE_SECONDS:
                self._patience.hurry()


Report = Callable[[Execution | Exception], None]


def start_following(
    client: Client,
    ref: ExecutionRef,
    writes: Mapping[StreamName, Write],
    report: Report,
    offsets: Mapping[StreamName, int] | None = None,
) -> None:
    """Follow each stream in a thread of its own, which at its end reports the ended execution, or what went wrong.

    `offsets`: from which byte on; those that are not named from their first one.
    """
    for stream, write in writes.items():
        follower = Follower(client, ref, stream, write, offset=(offsets or {}).get(stream, 0))
        threading.Thread(target=_follow, args=(follower, report), name=f"follow-{stream}", daemon=True).start()


def _follow(follower: Follower, report: Report) -> None:
    result: Execution | Exception = RuntimeError("a follower of the output died")
    try:
        result = follower.follow()
    except (ApiError, OSError) as error:
        result = error
    finally:
        report(result)


def writer(file: TextIO | None) -> Write:
    """Writes bytes to a file's descriptor at once, without a buffer of ours; to nowhere where the file is closed."""
    if file is None:
        return lambda content: None
    descriptor = file.fileno()

    def write(content: bytes) -> None:
        left = memoryview(content)
        while left:
            try:
                left = left[os.write(descriptor, left) :]
            except BlockingIOError:  # a terminal that another program has set to non-blocking
                select.select([], [descriptor], [])

    return write

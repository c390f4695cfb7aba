"""Have an output followed by many at the price of one: one reader of the store per execution, for all who follow it.

    store ◄── Feed (a look every LOOK_SECONDS) ──► window: the newest chunks, at most WINDOW_BYTES
      ▲                                               │
      └──── who lags behind the window reads ◄── Follower ── Follower ── Follower
            what is stored, at its own pace

All of it lives in one event loop; what blocks (the store) is asked by a few threads. A feed waits for no follower.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from jobrunner.domain.executions import Execution
from jobrunner.domain.identifiers import retry_id
from jobrunner.domain.ports.output_store import Chunk
from jobrunner.domain.states import WAITING
from jobrunner.engine.farm import Farm
from jobrunner.engine.output_batch import is_full, next_chunks, size
from jobrunner.errors import Ending, NotFound

T = TypeVar("T")
LOOK_SECONDS = 0.15
WINDOW_BYTES = 1024**2
FEED_THREADS = 2
CATCH_UP_THREADS = 4  # of their own, so that those who lag behind hold up nobody else


class Feed:
    """The newest output of one execution, and how it is with it. `changed` is set, and replaced, at every change.

    `next_sequence`: of the first chunk that it has not seen. `is_over`: the execution is, and no chunk will follow.
    `next_attempt_id`: then, the execution that tries again. `failure`: why it will not go on.
    """

    def __init__(self, farm: Farm, execution: Execution, threads: ThreadPoolExecutor, stragglers: ThreadPoolExecutor):
        self._store, self._threads, self._stragglers = farm.store, threads, stragglers
        self._window: deque[Chunk] = deque()
        self._window_bytes = 0
        self.execution = execution
        self.next_sequence = 0
        self.is_over = False
        self.next_attempt_id: str | None = None
        self.failure: Exception | None = None
        self.changed = asyncio.Event()
        self.followers = 0
        self.looking: asyncio.Task[None] | None = None

    async def look_on(self) -> None:
        """Look again and again, until the execution is over, or looking fails."""
        try:
            last = await _ask(self._threads, lambda: self._store.output.last(self.execution.id))
            self.next_sequence = last.sequence + 1 if last else 0
            self._tell()  # what is stored by now is for each follower to read
            while not self.is_over:
                if not await self._look():
                    await asyncio.sleep(LOOK_SECONDS)
        except Exception as error:  # noqa: BLE001 - passed on: those who follow must not wait for ever
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Let all followers go, with this error."""
        self.failure = error
        self._tell()

    def newest(self, sequence: int) -> list[Chunk] | None:
        """The chunks from this number on; None where the oldest of them are not in the window any more."""
        if sequence >= self.next_sequence:
            return []
        if not self._window or self._window[0].sequence > sequence:
            return None
        return [chunk for chunk in self._window if chunk.sequence >= sequence]

    async def stored(self, sequence: int) -> list[Chunk]:
        """The next chunks from this number on, from the store, for one who lags behind."""
        return await _ask(self._stragglers, lambda: self._chunks(sequence))

    async def _look(self) -> bool:
        """Take in what is new; whether to look again at once."""
        execution, chunks = await _ask(self._threads, self._read)
        is_new = bool(chunks) or execution.state is not self.execution.state
        is_settled = execution.state.is_terminal and not execution.owes_retry
        is_last = is_settled and not chunks
        if is_last:
            self.next_attempt_id = await _ask(self._threads, lambda: self._next_attempt(execution))
        self.execution, self.is_over = execution, is_last
        for chunk in chunks:
            self._take(chunk)
        if is_new or is_last:
            self._tell()
        return is_settled or is_full(chunks)

    def _read(self) -> tuple[Execution, list[Chunk]]:
        # Looked at before the chunks are: whatever an ended execution wrote is stored by then.
        execution = self._store.executions.get(self.execution.id)
        if execution is None:
            raise NotFound("executionId", self.execution.id)
        return execution, [] if execution.state in WAITING else self._chunks(self.next_sequence)

    def _chunks(self, sequence: int) -> list[Chunk]:
        return next_chunks(self._store.output, self.execution.id, after=sequence - 1)

    def _next_attempt(self, execution: Execution) -> str | None:
        following = self._store.executions.get(retry_id(execution.id))
        return following.id if following else None

    def _take(self, chunk: Chunk) -> None:
        self._window.append(chunk)
        self._window_bytes += size(chunk)
        while self._window_bytes > WINDOW_BYTES and len(self._window) > 1:
            self._window_bytes -= size(self._window.popleft())
        self.next_sequence = chunk.sequence + 1

    def _tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class OutputHub:
    """The feeds of one process: one for each execution that is followed now. For use in one event loop."""

    def __init__(self, farm: Farm) -> None:
        self._farm = farm
        self._threads = ThreadPoolExecutor(FEED_THREADS, thread_name_prefix="output-feed")
        self._stragglers = ThreadPoolExecutor(CATCH_UP_THREADS, thread_name_prefix="output-catch-up")
        self._feeds: dict[str, Feed] = {}

    @contextmanager
    def feed(self, execution: Execution) -> Iterator[Feed]:
        """The feed of an execution, for one follower. It begins with the first, and ends with the last of them."""
        feed = self._feeds.get(execution.id)
        if feed is None or feed.failure is not None:
            feed = Feed(self._farm, execution, self._threads, self._stragglers)
            feed.looking = asyncio.create_task(feed.look_on())
            self._feeds[execution.id] = feed
        feed.followers += 1
        try:
            yield feed
        finally:
            feed.followers -= 1
            if feed.followers == 0:
                self._end(feed)

    def let_go(self) -> None:
        """Have all followers end: this process does."""
        for feed in self._feeds.values():
            feed.fail(Ending("the API ends; come back"))

    def close(self) -> None:
        """End the threads, once nobody follows any more."""
        for threads in (self._threads, self._stragglers):
            threads.shutdown(wait=False, cancel_futures=True)

    def _end(self, feed: Feed) -> None:
        if feed.looking is not None:
            feed.looking.cancel()
        if self._feeds.get(feed.execution.id) is feed:
            del self._feeds[feed.execution.id]


async def _ask(threads: ThreadPoolExecutor, question: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(threads, question)

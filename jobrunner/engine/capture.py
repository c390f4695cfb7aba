"""Store what a container writes: every byte once, in order, in chunks, with bounded memory.

The cursor (bytes seen per stream) is stored in the document of the bytes. A run that takes over reads it, and skips
that many bytes of the Engine's own log.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from uuid import uuid4

from jobrunner.domain.events import Announce, OutputCut, OutputEndLost
from jobrunner.domain.ports.clock import Clock
from jobrunner.domain.ports.executor import OutputReader
from jobrunner.domain.ports.output_store import Chunk, Fragment, OutputStore, Stream
from jobrunner.errors import StoreUnavailable

CHUNK_BYTES = 256 * 1024
RETRY_SECONDS = 0.5


class GaveUp(Exception):
    """The store does not answer, and the process is to end: the rest is read from the Engine's log later."""


class Capture:
    """The output of one execution on its way into the store. `copy` runs in one thread, `flush` in any.

    `give_up(seconds)` waits for that long at most, and says whether to stop trying to store.
    """

    def __init__(
        self,
        store: OutputStore,
        execution_id: str,
        cap_bytes: int,
        announce: Announce,
        give_up: Callable[[float], bool],
        clock: Clock,
    ) -> None:
        self._store, self._execution_id, self._cap_bytes = store, execution_id, cap_bytes
        self._announce, self._give_up, self._clock = announce, give_up, clock
        self._writer = uuid4().hex
        self._lock = threading.Lock()
        self._parts: list[tuple[Stream, bytearray]] = []
        self._buffered_bytes = 0
        self._unsent: Chunk | None = None
        last = store.last(execution_id)
        self._sequence = last.sequence + 1 if last else 0
        self._cursor = dict(last.cursor) if last else {Stream.STDOUT: 0, Stream.STDERR: 0}
        self.cut = last.cut if last else False

    def copy(self, reader: OutputReader, *, from_first_byte: bool) -> None:
        """Take in all that a reader gives. `from_first_byte`: it replays, so what is stored already is skipped."""
        skip = dict(self._cursor) if from_first_byte else dict.fromkeys(Stream, 0)
        for fragment in reader:
            known = min(skip[fragment.stream], len(fragment.content))
            skip[fragment.stream] -= known
            if known < len(fragment.content):
                self._take(fragment.stream, fragment.content[known:])

    def flush(self) -> None:
        """Store what is buffered. Raises StoreUnavailable (nothing is lost: flush again), Superseded."""
        with self._lock:
            self._flush()

    def flush_patiently(self) -> None:
        """Store what is buffered, trying until the store answers. Raises GaveUp, Superseded."""
        while True:
            try:
                return self.flush()
            except StoreUnavailable:
                if self._give_up(RETRY_SECONDS):
                    raise GaveUp from None

    def mark_lost_end(self) -> None:
        """Say where the output ends that more may have been written, which was lost with the Engine."""
        with self._lock:
            if not self.cut:
                self._mark_cut("the Docker Engine was away at the end of this; what was written last may be missing")
                self._announce(OutputEndLost(self._execution_id))

    def _take(self, stream: Stream, content: bytes) -> None:
        with self._lock:
            if self.cut:
                return
            room = self._cap_bytes - sum(self._cursor.values())
            self._buffer(stream, content[:room])
            self._cursor[stream] += min(room, len(content))
            if room < len(content):
                self._mark_cut(f"output cut here, at the cap of {self._cap_bytes} bytes")
                self._announce(OutputCut(self._execution_id, self._cap_bytes))
        if self._buffered_bytes >= CHUNK_BYTES:
            self.flush_patiently()

    def _mark_cut(self, why: str) -> None:
        self.cut = True
        for stream in Stream:
            self._buffer(stream, f"\n[jobrunner: {why}]\n".encode())

    def _buffer(self, stream: Stream, content: bytes) -> None:
        if self._parts and self._parts[-1][0] is stream:
            self._parts[-1][1].extend(content)
        else:
            self._parts.append((stream, bytearray(content)))
        self._buffered_bytes += len(content)

    def _flush(self) -> None:
        # A chunk whose fate is unknown is sent again just as it was: it may have arrived.
        if self._unsent is not None:
            self._send(self._unsent)
        if self._parts:
            fragments = tuple(Fragment(stream, bytes(content)) for stream, content in self._parts)
            chunk = Chunk(
                self._execution_id,
                self._sequence,
                fragments,
                dict(self._cursor),
                self._writer,
                cut=self.cut,
                stored_at=self._clock.now(),
            )
            self._sequence += 1
            self._parts, self._buffered_bytes = [], 0
            self._send(chunk)

    def _send(self, chunk: Chunk) -> None:
        self._unsent = chunk
        self._store.append(chunk)
        self._unsent = None

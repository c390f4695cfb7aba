"""The Engine's own log of a container, taken apart so that every byte is what the container wrote.

The Engine keeps a log entry per line, without its newline. A line of more than 16 KiB is kept as several entries with
one time stamp, and there the driver `local` forgets that a newline came after the last of them (seen with Engine
20.10: daemon/logger/copier.go splits the lines, daemon/logger/local/read.go gives them back). The newline is put back
where the entries show that one was there. One case they do not show: output that ends in a line of more than 16 KiB,
with or without a newline. No byte is invented then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jobrunner.domain.ports.output_store import Fragment, Stream
from jobrunner.executors.docker.frames import HEADER, stream_of

FULL_ENTRY_BYTES = 16 * 1024  # copier.go: defaultBufSize; only the last entry of a line is shorter
LONGEST_FRAME_BYTES = 1024 * 1024
NEWLINE = b"\n"


@dataclass
class _OpenLine:
    """A line whose newline has not been seen: the time stamp of its entries, and whether the last was a full one."""

    stamp: bytes = b""
    full: bool = False


class LogParser:
    """Takes apart GET /containers/{id}/logs?timestamps=1, in whatever pieces it comes. Keeps one unfinished entry."""

    def __init__(self) -> None:
        self._unparsed = bytearray()
        self._open: dict[Stream, _OpenLine] = {}

    def feed(self, received: bytes) -> Iterator[Fragment]:
        """The contents in `received`; neighbours of the same stream are put together. Raises ConnectionError."""
        run: list[bytes] = []
        run_stream = Stream.STDOUT
        for stream, content in self._entries(received):
            if stream is not run_stream and run:
                yield Fragment(run_stream, b"".join(run))
                run = []
            run_stream = stream
            run.append(content)
        if run:
            yield Fragment(run_stream, b"".join(run))

    def finish(self) -> None:
        """Raise ConnectionError if the log ended inside an entry."""
        if self._unparsed:
            raise ConnectionError("the Engine broke off in the middle of its log")

    def _entries(self, received: bytes) -> Iterator[tuple[Stream, bytes]]:
        self._unparsed += received
        position, end = 0, len(self._unparsed)
        while end - position >= HEADER.size:
            number, length = HEADER.unpack_from(self._unparsed, position)
            if length > LONGEST_FRAME_BYTES:
                raise ConnectionError(f"the Engine sent a log entry of {length} bytes")
            start = position + HEADER.size
            if end - start < length:
                break
            position = start + length
            entry = bytes(self._unparsed[start:position])
            stream = stream_of(number, entry)
            stamp, _, content = entry.partition(b" ")
            yield stream, self._restored(stream, stamp, content)
        del self._unparsed[:position]

    def _restored(self, stream: Stream, stamp: bytes, content: bytes) -> bytes:
        """The content of an entry, with the newlines that were forgotten before and in it."""
        line = self._open.pop(stream, None)
        goes_on = line is not None and line.full and line.stamp == stamp
        forgotten = NEWLINE if line is not None and not goes_on else b""
        if not content:  # the last entry of a line whose length is a multiple of a full entry
            return forgotten + NEWLINE
        if not content.endswith(NEWLINE):
            self._open[stream] = _OpenLine(stamp, full=len(content) == FULL_ENTRY_BYTES)
        return forgotten + content

"""Read what is stored of an execution's output: from any byte, any line from its end, or any instant on.

What lies before is not read. The cursors in the chunks say where a byte is: it is searched for by halves.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from jobrunner.domain.executions import Execution
from jobrunner.domain.ports.output_store import Chunk, OutputStore, Stream
from jobrunner.domain.ports.store import Store

BATCH = 4  # chunks: 1 MiB in memory at a time
LONG_AGO = datetime.min.replace(tzinfo=UTC)  # of chunks that do not say when they were stored


@dataclass(frozen=True)
class Start:
    """Where to begin to read a stream: at its byte `offset`, because of what the reader wants."""

    offset: int = 0
    last_lines: int | None = None
    since: datetime | None = None


def notice_of_deletion(execution: Execution) -> bytes:
    """What is shown in the place of an output that was kept for long enough."""
    assert execution.output_deleted_at is not None
    return f"[jobrunner: output deleted by retention at {execution.output_deleted_at:%Y-%m-%dT%H:%M:%SZ}]\n".encode()


def read(store: OutputStore, execution_id: str, stream: Stream, offset: int = 0) -> Iterator[bytes]:
    """The bytes of one stream that are stored now, from `offset` on, in pieces."""
    after, skip = locate(store, execution_id, stream, offset)
    while batch := list(store.chunks(execution_id, after, BATCH, stream)):
        for chunk in batch:
            content = chunk.content(stream)
            if skip < len(content):
                yield content[skip:]
            skip = max(0, skip - len(content))
        after = batch[-1].sequence


def read_kept(store: Store, execution: Execution, stream: Stream, offset: int = 0) -> Iterator[bytes]:
    """The same, and at its end the notice of deletion, where that came meanwhile: what was read may be a part of it.

    That an output is deleted is said before any of it goes, and only of executions that have ended.
    """
    yield from read(store.output, execution.id, stream, offset)
    newest = store.executions.get(execution.id) if execution.state.is_terminal else None
    if newest is not None and newest.output_deleted_at is not None:
        yield notice_of_deletion(newest)


def locate(store: OutputStore, execution_id: str, stream: Stream, offset: int) -> tuple[int, int]:
    """After which chunk (its sequence number, -1: none) and how many bytes of the stream further `offset` is."""
    last = store.last(execution_id) if offset else None
    if last is None:
        return -1, offset
    # The last chunk is not searched: its marker, where the output was cut, does not count in its cursor.
    ahead = range(last.sequence)
    after = bisect_right(ahead, offset, key=lambda number: end_of(store, execution_id, stream, number)) - 1
    return after, offset - end_of(store, execution_id, stream, after)


def end_of(store: OutputStore, execution_id: str, stream: Stream, sequence: int) -> int:
    """The offset of a stream at the end of a chunk; 0 before the first one."""
    chunk = store.at(execution_id, sequence) if sequence >= 0 else None
    return chunk.cursor[stream] if chunk is not None else 0


def offset_of(store: OutputStore, execution: Execution, stream: Stream, start: Start) -> int:
    """The byte of the stream at which to begin, where several things are wanted: the latest of them."""
    offset = start.offset
    if start.since is not None:
        offset = max(offset, offset_since(store, execution, stream, start.since))
    if start.last_lines is not None:
        offset = max(offset, offset_of_last_lines(store, execution.id, stream, start.last_lines))
    return offset


def offset_since(store: OutputStore, execution: Execution, stream: Stream, since: datetime) -> int:
    """Where the first chunk begins that was stored at an instant or later: what was written before is left out.

    A chunk has what was written within a quarter of a second, so a little of what was written just before is in it.
    """
    if execution.started_at is None or since <= execution.started_at:
        return 0
    last = store.last(execution.id)
    if last is None:
        return 0
    first = bisect_left(range(last.sequence + 1), since, key=lambda number: _stored_at(store, execution.id, number))
    if first > last.sequence:
        return _length(store, execution.id, stream)
    return end_of(store, execution.id, stream, first - 1)


def _stored_at(store: OutputStore, execution_id: str, sequence: int) -> datetime:
    chunk = store.at(execution_id, sequence)
    return (chunk.stored_at if chunk is not None else None) or LONG_AGO


def offset_of_last_lines(store: OutputStore, execution_id: str, stream: Stream, lines: int) -> int:
    """Where the last `lines` lines of a stream begin; what follows the last newline is a line, if there is anything.

    However long the lines are, only a few chunks are in memory at a time.
    """
    if lines == 0:
        return _length(store, execution_id, stream)
    is_at_end = True
    for chunk in _newest_first(store, execution_id, stream):
        content = chunk.content(stream)
        end = len(content) - (is_at_end and content.endswith(b"\n"))  # no line begins after the last newline
        is_at_end = is_at_end and not content
        newlines = content.count(b"\n", 0, end)
        if newlines >= lines:
            return _begin(store, chunk, stream) + _after_newline(content, end, lines)
        lines -= newlines
    return 0


def _after_newline(content: bytes, end: int, count: int) -> int:
    """The place after the newline that is the last but `count - 1` of those before `end`."""
    for _ in range(count):
        end = content.rfind(b"\n", 0, end)
    return end + 1


def _newest_first(store: OutputStore, execution_id: str, stream: Stream) -> Iterator[Chunk]:
    before = None
    while batch := store.chunks_before(execution_id, before, BATCH, stream):
        yield from batch
        before = batch[-1].sequence


def _begin(store: OutputStore, chunk: Chunk, stream: Stream) -> int:
    return end_of(store, chunk.execution_id, stream, chunk.sequence - 1)


def _length(store: OutputStore, execution_id: str, stream: Stream) -> int:
    """How many bytes of a stream are stored now, the marker of a cut among them."""
    newest = next(_newest_first(store, execution_id, stream), None)
    return 0 if newest is None else _begin(store, newest, stream) + len(newest.content(stream))

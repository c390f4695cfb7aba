"""Follow one output over a feed: what is stored, then what comes, from any position, at the follower's own pace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from jobrunner.domain.executions import Execution
from jobrunner.domain.output_position import OutputPosition
from jobrunner.domain.ports.output_store import Chunk, Stream
from jobrunner.engine.output_hub import Feed
from jobrunner.engine.stored_output import notice_of_deletion

PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Written:
    """Some bytes that the execution has written to a stream, and the position after them."""

    stream: Stream
    content: bytes
    position: OutputPosition


@dataclass(frozen=True)
class StateChanged:
    """The execution is in another state than when it was told of before."""

    execution: Execution


@dataclass(frozen=True)
class Over:
    """The execution is over, and all of its output was given. `next_attempt_id`: the execution that tries again."""

    execution: Execution
    next_attempt_id: str | None


Item = Written | StateChanged | Over


async def follow(feed: Feed, start: OutputPosition) -> AsyncIterator[Item]:
    """All there is to know about an execution's output from `start` on; `Over` is the last item.

    Raises what has ended the feed: StoreUnavailable, Ending, NotFound.
    """
    sequence, state = start.sequence, None
    if feed.execution.output_deleted_at is not None and not start.is_end:
        yield Written(Stream.STDOUT, notice_of_deletion(feed.execution), start.end())
    while True:
        changed = feed.changed
        execution, is_over = feed.execution, feed.is_over
        if execution.state is not state and not execution.state.is_terminal:
            state = execution.state
            yield StateChanged(execution)
        chunks = [] if start.is_end else feed.newest(sequence)
        if chunks is None:
            chunks = await feed.stored(sequence)
        for chunk in chunks:
            sequence = chunk.sequence + 1
            for written in _pieces(chunk, start):
                yield written
        if chunks:
            continue
        if feed.failure is not None:
            raise feed.failure
        if is_over:
            yield Over(execution, feed.next_attempt_id)
            return
        await changed.wait()


def _pieces(chunk: Chunk, start: OutputPosition) -> Iterator[Written]:
    skip = start.offset if chunk.sequence == start.sequence else 0
    at = 0
    for fragment in chunk.fragments:
        begin = max(0, skip - at)
        for first in range(begin, len(fragment.content), PIECE_BYTES):
            content = fragment.content[first : first + PIECE_BYTES]
            position = OutputPosition(chunk.execution_id, chunk.sequence, at + first + len(content))
            yield Written(fragment.stream, content, position)
        at += len(fragment.content)

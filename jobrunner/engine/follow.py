"""Read the output of an execution: what is there, or on and on until its end."""

from __future__ import annotations

from collections.abc import Iterator

from jobrunner.domain.ports import Chunk, Stream
from jobrunner.engine.farm import Farm

LOOK_SECONDS = 0.2
BATCH = 4  # chunks: 1 MiB in memory at a time


def read(farm: Farm, execution_id: str, stream: Stream, offset: int = 0, follow: bool = False) -> Iterator[bytes]:
    """The bytes of one stream from `offset` on, in pieces. With `follow` until the execution is over.

    In between it yields empty pieces, so that the caller can notice that nobody listens any more.
    """
    skip = offset
    for chunk in _chunks(farm, execution_id, follow):
        if chunk is None:
            yield b""
            continue
        for fragment in chunk.fragments:
            if fragment.stream is stream:
                content = fragment.content[skip:]
                skip = max(0, skip - len(fragment.content))
                if content:
                    yield content


def _chunks(farm: Farm, execution_id: str, follow: bool) -> Iterator[Chunk | None]:
    """Chunks as they come; None after each look for more.

    They are fetched a few at a time: a reader who is slow, or pauses for an hour, holds no cursor of the store open.
    """
    sequence = -1
    while True:
        # Looked at before the chunks are: whatever an ended execution wrote is stored by then.
        execution = farm.store.executions.get(execution_id) if follow else None
        is_over = execution is None or execution.state.is_terminal
        batch = list(farm.store.output.chunks(execution_id, after=sequence, limit=BATCH))
        yield from batch
        yield None
        sequence = batch[-1].sequence if batch else sequence
        if len(batch) == BATCH:
            continue
        if is_over or farm.stopping.is_set():
            return
        farm.stopping.wait(LOOK_SECONDS)

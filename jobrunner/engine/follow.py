"""Read the output of an execution: what is there, or on and on until its end."""

from __future__ import annotations

from collections.abc import Iterator

from jobrunner.domain.ports import Chunk, Stream
from jobrunner.engine.farm import Farm

LOOK_SECONDS = 0.2


def read(farm: Farm, execution_id: str, stream: Stream, offset: int = 0, follow: bool = False) -> Iterator[bytes]:
    """The bytes of one stream from `offset` on, in pieces. With `follow` until the execution is over.

    While there is nothing new it yields empty pieces, so that the caller can notice that nobody listens any more.
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
    """Chunks as they come; None after each look that found nothing new."""
    sequence = -1
    while True:
        # Looked at before the chunks are: whatever an ended execution wrote is stored by then.
        execution = farm.store.executions.get(execution_id) if follow else None
        is_over = execution is None or execution.state.is_terminal
        for chunk in farm.store.output.chunks(execution_id, after=sequence):
            sequence = chunk.sequence
            yield chunk
        if is_over or farm.stopping.is_set():
            return
        yield None
        farm.stopping.wait(LOOK_SECONDS)

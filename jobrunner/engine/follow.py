"""Read the output of an execution that is there already. What comes is followed by output_follower.py."""

from __future__ import annotations

from collections.abc import Iterator

from jobrunner.domain.ports import Chunk, Stream
from jobrunner.engine.farm import Farm

BATCH = 4  # chunks: 1 MiB in memory at a time


def read(farm: Farm, execution_id: str, stream: Stream, offset: int = 0) -> Iterator[bytes]:
    """The bytes of one stream from `offset` on that are stored now, in pieces."""
    skip = offset
    for chunk in _chunks(farm, execution_id):
        for fragment in chunk.fragments:
            if fragment.stream is stream:
                content = fragment.content[skip:]
                skip = max(0, skip - len(fragment.content))
                if content:
                    yield content


def _chunks(farm: Farm, execution_id: str) -> Iterator[Chunk]:
    """All chunks, fetched a few at a time: a reader who is slow, or pauses, holds no cursor of the store open."""
    sequence = -1
    while batch := list(farm.store.output.chunks(execution_id, after=sequence, limit=BATCH)):
        yield from batch
        sequence = batch[-1].sequence

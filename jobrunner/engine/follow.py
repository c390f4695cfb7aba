"""Read the output of an execution that is there already. What comes is followed by output_follower.py."""

from __future__ import annotations

from collections.abc import Iterator

from jobrunner.domain.ports import Chunk, Stream
from jobrunner.engine.farm import Farm
from jobrunner.engine.output_batch import is_full, next_chunks


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
    batch = next_chunks(farm.store.output, execution_id, after=-1)
    yield from batch
    while is_full(batch):
        batch = next_chunks(farm.store.output, execution_id, after=batch[-1].sequence)
        yield from batch

"""Read stored output a few chunks at a time: who reads slowly, or pauses for an hour, holds no cursor of the store."""

from __future__ import annotations

from jobrunner.domain.ports.output_store import Chunk, OutputStore

BATCH = 16  # chunks that are fetched at a time ...
BATCH_BYTES = 512 * 1024  # ... but no more of them than hold this much


def next_chunks(store: OutputStore, execution_id: str, after: int) -> list[Chunk]:
    """The next chunks with a sequence number above `after`; none: nothing more is stored now."""
    chunks: list[Chunk] = []
    total_bytes = 0
    for chunk in store.chunks(execution_id, after=after, limit=BATCH):
        chunks.append(chunk)
        total_bytes += size(chunk)
        if total_bytes >= BATCH_BYTES:
            break
    return chunks


def is_full(chunks: list[Chunk]) -> bool:
    """Whether there may be more than these."""
    return len(chunks) == BATCH or sum(map(size, chunks)) >= BATCH_BYTES


def size(chunk: Chunk) -> int:
    """How many bytes of output a chunk holds."""
    return sum(len(fragment.content) for fragment in chunk.fragments)

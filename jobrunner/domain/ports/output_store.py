"""Where the captured output of executions is kept: its chunks, and their store as a Protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Protocol


class Stream(IntEnum):
    """The two output streams of a container, with the numbers that the Engine gives them in its frames."""

    STDOUT = 1
    STDERR = 2


@dataclass(frozen=True)
class Fragment:
    """A run of bytes that a container wrote to one stream."""

    stream: Stream
    content: bytes


@dataclass(frozen=True)
class Chunk:
    """A piece of an execution's output as it is stored: fragments in order, and the cursor after them.

    `cursor` counts the bytes that the container has written per stream up to here. It is stored in the same document
    as the bytes, so that a byte is stored exactly once. `cut`: the cap was reached, nothing follows. `writer` names
    the run that stored it, so that a run which tries an append again, not knowing whether it arrived, knows its own.
    `stored_at`: when its bytes were captured; None in chunks of a time when that was not noted.
    """

    execution_id: str
    sequence: int
    fragments: tuple[Fragment, ...]
    cursor: Mapping[Stream, int]
    writer: str
    cut: bool = False
    stored_at: datetime | None = None

    def content(self, stream: Stream) -> bytes:
        """The bytes of one stream in it."""
        return b"".join(fragment.content for fragment in self.fragments if fragment.stream is stream)


class OutputStore(Protocol):
    """The captured output of executions, in chunks. The first of an execution is number 0, and none is left out."""

    def append(self, chunk: Chunk) -> None:
        """Store the chunk, once. Raises Superseded where another writer has stored this sequence number already."""

    def last(self, execution_id: str) -> Chunk | None:
        """The newest chunk, without its fragments; None where nothing is stored yet."""

    def at(self, execution_id: str, sequence: int) -> Chunk | None:
        """The chunk of this sequence number, without its fragments; None where there is none."""

    def chunks(
        self, execution_id: str, after: int = -1, limit: int | None = None, stream: Stream | None = None
    ) -> Iterator[Chunk]:
        """The chunks with a sequence number above `after`, in order, at most `limit`; never all in memory at once.

        With `stream` only those that hold a fragment of it; the others are not read.
        """

    def chunks_before(self, execution_id: str, before: int | None, limit: int, stream: Stream) -> list[Chunk]:
        """The chunks with a fragment of `stream` and a sequence number below `before` (None: any), the newest first."""

    def tail(self, execution_id: str, stream: Stream, limit_bytes: int) -> tuple[bytes, bool]:
        """The last bytes of a stream, at most `limit_bytes`, and whether there is more before them."""

    def delete(self, execution_id: str, limit: int) -> int:
        """Delete the oldest chunks of an execution, at most `limit`; how many those were."""

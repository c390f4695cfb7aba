"""The port OutputStore on a list, and a reader of fragments that are known beforehand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from jobrunner.domain.ports.output_store import Chunk, Fragment, Stream
from jobrunner.errors import StoreUnavailable, Superseded


@dataclass
class ListOutput:
    """The port OutputStore on a list. `refuses` and `forgets_to_answer` count how many appends go wrong next."""

    stored: list[Chunk] = field(default_factory=list)
    refuses: int = 0
    forgets_to_answer: int = 0

    def append(self, chunk: Chunk) -> None:
        if self.refuses:
            self.refuses -= 1
            raise StoreUnavailable("the test says so")
        there = next((known for known in self.stored if known.sequence == chunk.sequence), None)
        if there is None:
            self.stored.append(chunk)
        elif there.writer != chunk.writer:
            raise Superseded(chunk.execution_id)
        if self.forgets_to_answer:
            self.forgets_to_answer -= 1
            raise StoreUnavailable("the answer was lost")

    def last(self, execution_id: str) -> Chunk | None:
        return self.stored[-1] if self.stored else None

    def chunks(
        self, execution_id: str, after: int = -1, limit: int | None = None, stream: Stream | None = None
    ) -> Iterator[Chunk]:
        return iter([chunk for chunk in self.stored if chunk.sequence > after][:limit])

    def at(self, execution_id: str, sequence: int) -> Chunk | None:
        raise NotImplementedError

    def chunks_before(self, execution_id: str, before: int | None, limit: int, stream: Stream) -> list[Chunk]:
        raise NotImplementedError

    def delete(self, execution_id: str, limit: int) -> int:
        raise NotImplementedError

    def tail(self, execution_id: str, stream: Stream, limit_bytes: int) -> tuple[bytes, bool]:
        raise NotImplementedError

    def bytes_of(self, stream: Stream) -> bytes:
        return b"".join(f.content for chunk in self.stored for f in chunk.fragments if f.stream is stream)


class Reader:
    """A reader of fragments that are known beforehand."""

    def __init__(self, fragments: Iterable[Fragment]) -> None:
        self._fragments = fragments

    def __iter__(self) -> Iterator[Fragment]:
        return iter(self._fragments)

    def interrupt(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""

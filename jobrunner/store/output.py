"""The captured output in MongoDB: one document a chunk, never a log whole in memory.

This is the hot path of a chatty container: it talks to the collection itself, not through mongoengine's objects,
which cost several times the time of the write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bson import Binary
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError

from jobrunner.domain.ports.output_store import Chunk, Fragment, Stream
from jobrunner.errors import Superseded
from jobrunner.store.documents.output import ChunkDocument
from jobrunner.store.errors import translating_errors

BATCH = 16  # chunks a round trip: at 256 KiB each, 4 MiB in memory at a time


class MongoOutput:
    """The OutputStore port."""

    def append(self, chunk: Chunk) -> None:
        """Store the chunk, once. Raises Superseded where another writer has stored this sequence number already."""
        key = f"{chunk.execution_id}:{chunk.sequence}"
        document = {
            "_id": key,
            "execution_id": chunk.execution_id,
            "sequence": chunk.sequence,
            "fragments": [{"s": int(part.stream), "b": Binary(part.content)} for part in chunk.fragments],
            "stdout_bytes": chunk.cursor[Stream.STDOUT],
            "stderr_bytes": chunk.cursor[Stream.STDERR],
            "writer": chunk.writer,
            "cut": chunk.cut,
            "stored_at": chunk.stored_at,
        }
        with translating_errors():
            try:
                _collection().insert_one(document)
            except DuplicateKeyError:
                stored = _collection().find_one({"_id": key}, {"writer": 1}) or {}
                if stored.get("writer") != chunk.writer:
                    raise Superseded(f"another run stores the output of execution {chunk.execution_id}") from None

    def last(self, execution_id: str) -> Chunk | None:
        """The newest chunk, without its fragments; None where nothing is stored yet."""
        with translating_errors():
            found = _collection().find_one({"execution_id": execution_id}, {"fragments": 0}, sort=[("sequence", -1)])
        return _chunk(found) if found else None

    def at(self, execution_id: str, sequence: int) -> Chunk | None:
        """The chunk of this sequence number, without its fragments; None where there is none."""
        with translating_errors():
            found = _collection().find_one({"_id": f"{execution_id}:{sequence}"}, {"fragments": 0})
        return _chunk(found) if found else None

    def chunks(
        self, execution_id: str, after: int = -1, limit: int | None = None, stream: Stream | None = None
    ) -> Iterator[Chunk]:
        """The chunks with a sequence number above `after`, in order, at most `limit`; those with a stream, if given."""
        query = _chunks_of(execution_id, stream) | {"sequence": {"$gt": after}}
        with translating_errors():
            found = _collection().find(query, sort=[("sequence", 1)], limit=limit or 0, batch_size=BATCH)
            for document in found:
                yield _chunk(document)

    def chunks_before(self, execution_id: str, before: int | None, limit: int, stream: Stream) -> list[Chunk]:
        """The chunks with a fragment of `stream` and a sequence number below `before` (None: any), the newest first."""
        query = _chunks_of(execution_id, stream) | ({} if before is None else {"sequence": {"$lt": before}})
        with translating_errors():
            return [_chunk(document) for document in _collection().find(query, sort=[("sequence", -1)], limit=limit)]

    def tail(self, execution_id: str, stream: Stream, limit_bytes: int) -> tuple[bytes, bool]:
        """The last bytes of a stream, at most `limit_bytes`, and whether there is more before them."""
        parts: list[bytes] = []
        missing = limit_bytes
        with translating_errors():
            found = _collection().find(_chunks_of(execution_id, stream), sort=[("sequence", -1)], batch_size=2)
            for document in found:
                for part in reversed(_chunk(document).fragments):
                    if part.stream is not stream or not part.content:
                        continue
                    if missing == 0:
                        return b"".join(reversed(parts)), True
                    parts.append(part.content[-missing:])
                    if len(part.content) > missing:
                        return b"".join(reversed(parts)), True
                    missing -= len(part.content)
        return b"".join(reversed(parts)), False

    def delete(self, execution_id: str, limit: int) -> int:
        """Delete the oldest chunks of an execution, at most `limit`; how many those were."""
        query: dict[str, Any] = {"execution_id": execution_id}
        with translating_errors():
            oldest = _collection().find_one(query, {"_id": 0, "sequence": 1}, sort=[("sequence", 1)])
            if oldest is None:
                return 0
            query["sequence"] = {"$lt": oldest["sequence"] + limit}
            return int(_collection().delete_many(query).deleted_count)


def _collection() -> Collection[dict[str, Any]]:
    return ChunkDocument._get_collection()


def _chunks_of(execution_id: str, stream: Stream | None) -> dict[str, Any]:
    return {"execution_id": execution_id} | ({} if stream is None else {"fragments.s": int(stream)})


def _chunk(document: Mapping[str, Any]) -> Chunk:
    return Chunk(
        execution_id=document["execution_id"],
        sequence=document["sequence"],
        fragments=tuple(Fragment(Stream(part["s"]), bytes(part["b"])) for part in document.get("fragments", ())),
        cursor={Stream.STDOUT: document["stdout_bytes"], Stream.STDERR: document["stderr_bytes"]},
        writer=document["writer"],
        cut=document["cut"],
        stored_at=document.get("stored_at"),
    )

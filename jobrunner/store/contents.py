"""The bytes of files in MongoDB, in the form of GridFS, so that its own tools can read them.

pymongo's own writer (gridfs.GridIn) keeps up to 32 MiB of each upload in memory, and many may be under way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pymongo
from bson.binary import Binary
from bson.int64 import Int64
from pymongo.collection import Collection

from jobrunner.errors import ContentGone
from jobrunner.store.documents.files import ContentChunkDocument, ContentDocument
from jobrunner.store.errors import translating_errors

CHUNK_BYTES = 1024 * 1024  # each is a durable write: with small ones an upload waits for the journal most of the time
BATCH = 4  # chunks a round trip
LONGEST_DELETE_SECONDS = 30.0  # of one content, which may have a thousand chunks
_AFTER_COLON = ";"  # the next character: where the ids that begin with "<execution>:" end


class MongoContents:
    """The ContentStore port."""

    def write(self, content_id: str, pieces: Iterable[bytes]) -> None:
        """Store these bytes; what says that they are whole comes last."""
        length = 0
        for number, chunk in enumerate(_in_chunks(pieces)):
            with translating_errors():
                _chunks().insert_one({"files_id": content_id, "n": number, "data": Binary(chunk)})
            length += len(chunk)
        whole = {"_id": content_id, "length": Int64(length), "chunkSize": CHUNK_BYTES, "uploadDate": datetime.now(UTC)}
        with translating_errors():
            _contents().insert_one(whole)

    def read(self, content_id: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Its bytes from `offset` on, at most `length`. Raises ContentGone where some are not there."""
        with translating_errors():
            whole = _contents().find_one({"_id": content_id})
        if whole is None:
            raise ContentGone(content_id)
        end = whole["length"] if length is None else min(whole["length"], offset + length)
        first = offset // whole["chunkSize"]
        skip = offset - first * whole["chunkSize"]
        for content in _read_chunks(content_id, first, -(-end // whole["chunkSize"])):
            piece = content[skip : skip + end - offset]
            offset, skip = offset + len(piece), 0
            yield piece
        if offset < end:
            raise ContentGone(content_id)

    def delete(self, content_id: str) -> None:
        """Delete it, or the part of it that is there: that it is whole first."""
        with translating_errors(), pymongo.timeout(LONGEST_DELETE_SECONDS):
            _contents().delete_one({"_id": content_id})
            _chunks().delete_many({"files_id": content_id})

    def delete_of(self, execution_id: str, *, but_writer: str | None = None) -> None:
        """Delete all contents of an execution but those of one writer."""
        begin, end = f"{execution_id}:", f"{execution_id}{_AFTER_COLON}"
        ranges = [{"$gte": begin, "$lt": end}]
        if but_writer is not None:
            kept = f"{begin}{but_writer}"
            ranges = [{"$gte": begin, "$lt": f"{kept}:"}, {"$gte": f"{kept}{_AFTER_COLON}", "$lt": end}]
        with translating_errors():
            for ids in ranges:
                _contents().delete_many({"_id": ids})
                _chunks().delete_many({"files_id": ids})


def drop_unfinished() -> None:
    """Delete the bytes of contents that are not whole. Nobody may be writing any: for a backup that was restored,
    in which chunks are younger than what says whose they are.
    """
    owners: list[dict[str, Any]] = [
        {"$sort": {"files_id": 1}},
        {"$group": {"_id": "$files_id"}},
        {"$lookup": {"from": _contents().name, "localField": "_id", "foreignField": "_id", "as": "whole"}},
        {"$match": {"whole": []}},
    ]
    with translating_errors():
        for unfinished in _chunks().aggregate(owners):
            _chunks().delete_many({"files_id": unfinished["_id"]})


def _read_chunks(content_id: str, first: int, end: int) -> Iterator[bytes]:
    """Chunks, in order, for as long as each follows the one before."""
    query = {"files_id": content_id, "n": {"$gte": first, "$lt": end}}
    with translating_errors():
        found = _chunks().find(query, sort=[("n", 1)], batch_size=BATCH)
        for expected, chunk in enumerate(found, first):
            if chunk["n"] != expected:
                return
            yield bytes(chunk["data"])


def _in_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    buffered = bytearray()
    for piece in pieces:
        buffered += piece
        while len(buffered) >= CHUNK_BYTES:
            yield bytes(buffered[:CHUNK_BYTES])
            del buffered[:CHUNK_BYTES]
    if buffered:
        yield bytes(buffered)


def _contents() -> Collection[dict[str, Any]]:
    return ContentDocument._get_collection()


def _chunks() -> Collection[dict[str, Any]]:
    return ContentChunkDocument._get_collection()

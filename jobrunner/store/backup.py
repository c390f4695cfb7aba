"""A copy of the whole database as one stream of BSON documents, while the farm works; and the way back.

First a header, then for each collection a document that names it and the documents of it, at last a document with the
counts: a copy that was cut short has none, and is refused.

All that changes is read as it was at one instant (a snapshot session: it needs a replica set, of one at least), or an
execution could be in the copy without the attempt that it led to. Output only grows, and is read after that. What the
farm did after the instant is done again once the copy is restored: it is the farm of that moment.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import IO, Any

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from mongoengine.connection import get_db
from pymongo.client_session import ClientSession
from pymongo.database import Database

from jobrunner.errors import BackupUnusable
from jobrunner.store.documents.farm import SCHEMA_VERSION
from jobrunner.store.errors import translating_errors
from jobrunner.store.farm import farm_document

FORMAT = 1
BATCH = 200
BATCH_BYTES = 8 * 1024 * 1024  # a chunk of a file has 1 MiB
ONLY_GROWING = ("log_chunks", "fs.chunks")  # too big for a snapshot, of which MongoDB keeps five minutes
_RAW: CodecOptions[RawBSONDocument] = CodecOptions(document_class=RawBSONDocument)


def write_backup(file: IO[bytes]) -> Mapping[str, int]:
    """Copy the database into an open file; how many documents of each collection. Raises StoreUnavailable."""
    header = {"jobrunner_backup": FORMAT, "schema_version": farm_document().schema_version, "at": datetime.now(UTC)}
    file.write(bson.encode(header))
    counts: dict[str, int] = {}
    with translating_errors():
        database = get_db()
        names = {name for name in database.list_collection_names(filter={"type": "collection"}) if _is_ours(name)}
        with database.client.start_session(snapshot=True) as session:
            for name in sorted(names - set(ONLY_GROWING)):
                counts[name] = _write_collection(database, name, file, session)
        for name in sorted(names & set(ONLY_GROWING)):
            counts[name] = _write_collection(database, name, file)
    file.write(bson.encode({"end": counts}))
    return counts


def read_backup(file: IO[bytes]) -> Mapping[str, int]:
    """Put a copy back into the database, which must be empty; how many documents of each collection.

    Raises BackupUnusable, after which the database is not a whole one; StoreUnavailable, likewise.
    """
    documents = _documents(file)
    _check_header(next(documents, RawBSONDocument(bson.encode({}))))
    with translating_errors():
        database = get_db()
        if any(database[name].find_one() for name in database.list_collection_names(filter={"type": "collection"})):
            raise BackupUnusable("the database is not empty: name another in mongodb_database, or drop this one")
        return _insert_all(database, documents)


def _is_ours(collection: str) -> bool:
    return not collection.startswith("system.")


def _write_collection(database: Database[Any], name: str, file: IO[bytes], session: ClientSession | None = None) -> int:
    file.write(bson.encode({"collection": name}))
    count = 0
    # In the order of their ids: a document that comes meanwhile moves none of the others.
    found = database.get_collection(name, codec_options=_RAW).find(session=session).sort("_id", 1)
    for document in found.batch_size(BATCH):
        file.write(document.raw)
        count += 1
    return count


def _documents(file: IO[bytes]) -> Iterator[RawBSONDocument]:
    try:
        yield from bson.decode_file_iter(file, _RAW)
    except (bson.errors.InvalidBSON, zlib.error, EOFError, OSError):
        raise BackupUnusable("it is damaged, or is no backup") from None


def _check_header(header: RawBSONDocument) -> None:
    if header.get("jobrunner_backup") != FORMAT:
        raise BackupUnusable("it is no backup of jobrunner, or one of another format")
    if (header.get("schema_version") or 0) > SCHEMA_VERSION:
        raise BackupUnusable("it was made by a newer jobrunner: install that one")


def _insert_all(database: Database[Any], documents: Iterator[RawBSONDocument]) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    batch: list[RawBSONDocument] = []
    batch_bytes = 0
    name = ""
    for document in documents:
        is_mark = "_id" not in document
        if batch and (is_mark or len(batch) == BATCH or batch_bytes >= BATCH_BYTES):
            database[name].insert_many(batch, ordered=False)
            counts[name] += len(batch)
            batch, batch_bytes = [], 0
        if not is_mark:
            batch.append(document)
            batch_bytes += len(document.raw)
        elif "end" in document:
            if dict(document["end"]) != counts:
                raise BackupUnusable("it does not hold what it says: it is damaged")
            return counts
        else:
            name = document["collection"]
            counts[name] = 0
    raise BackupUnusable("it was cut short: its end is missing")

"""Files that were uploaded, those that are kept of executions, and their bytes."""

from __future__ import annotations

from mongoengine import (
    BinaryField,
    BooleanField,
    DateTimeField,
    DictField,
    Document,
    IntField,
    ListField,
    LongField,
    StringField,
)


class FileDocument(Document):
    """A file that somebody uploaded; its bytes are in fs.chunks, under its id."""

    id = StringField(primary_key=True)
    name = StringField(default="")
    created_at = DateTimeField(required=True)
    used_at = DateTimeField(required=True)
    size_bytes = LongField(default=0)
    sha256 = StringField(default="")
    is_whole = BooleanField(default=False)
    caller_address = StringField()
    api_key_id = StringField()

    meta = {  # noqa: RUF012
        "collection": "files",
        "auto_create_index": False,
        "indexes": [
            ("is_whole", "-created_at", "-id"),  # FileStore.page: of all
            ("api_key_id", "is_whole", "-created_at", "-id"),  # ... of a key
            ("is_whole", "used_at"),  # idle
        ],
    }


class ArtifactsDocument(Document):
    """What is kept of an execution, under its id: the list, of which a setting bounds the length."""

    id = StringField(primary_key=True)
    claim = IntField(required=True)
    writer = StringField(required=True)
    items = ListField(DictField())
    not_kept = ListField(DictField())

    meta = {"collection": "artifacts", "auto_create_index": False}  # noqa: RUF012


class ContentDocument(Document):
    """That some bytes are whole, as GridFS has it (github.com/mongodb/specifications, gridfs)."""

    id = StringField(primary_key=True)
    length = LongField(required=True)
    chunk_size = IntField(required=True, db_field="chunkSize")
    stored_at = DateTimeField(required=True, db_field="uploadDate")

    meta = {"collection": "fs.files", "auto_create_index": False}  # noqa: RUF012


class ContentChunkDocument(Document):
    """Bytes, as GridFS has them."""

    files_id = StringField(required=True)
    number = IntField(required=True, db_field="n")
    content = BinaryField(required=True, db_field="data")

    meta = {  # noqa: RUF012
        "collection": "fs.chunks",
        "auto_create_index": False,
        "indexes": [{"fields": ["files_id", "number"], "unique": True}],  # ContentStore: all of it
    }

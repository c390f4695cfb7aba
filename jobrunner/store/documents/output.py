"""The captured output, in chunks."""

from __future__ import annotations

from mongoengine import (
    BinaryField,
    BooleanField,
    DateTimeField,
    Document,
    EmbeddedDocument,
    EmbeddedDocumentListField,
    IntField,
    LongField,
    StringField,
)


class FragmentDocument(EmbeddedDocument):
    """A run of bytes of one stream."""

    stream = IntField(db_field="s")
    content = BinaryField(db_field="b")


class ChunkDocument(Document):
    """A piece of an execution's output, with the cursor after it. The id is "<execution id>:<sequence>"."""

    id = StringField(primary_key=True)
    execution_id = StringField(required=True)
    sequence = IntField(required=True)
    fragments = EmbeddedDocumentListField(FragmentDocument)
    stdout_bytes = LongField(required=True)
    stderr_bytes = LongField(required=True)
    writer = StringField(required=True)
    cut = BooleanField(default=False)
    stored_at = DateTimeField()

    meta = {  # noqa: RUF012
        "collection": "log_chunks",
        "auto_create_index": False,
        "indexes": [
            ("execution_id", "sequence"),  # OutputStore: all of it, but what is of one stream
            ("execution_id", "fragments.stream", "sequence"),  # chunks of one stream, chunks_before, tail
        ],
    }

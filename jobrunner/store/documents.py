"""The documents in MongoDB: their fields, and each index beside the query that needs it."""

from __future__ import annotations

from mongoengine import (
    BinaryField,
    BooleanField,
    DateTimeField,
    DictField,
    Document,
    EmbeddedDocument,
    EmbeddedDocumentField,
    EmbeddedDocumentListField,
    FloatField,
    IntField,
    ListField,
    LongField,
    MapField,
    StringField,
)

SCHEMA_VERSION = 2  # of all that is below; schema.py has the step to each version


class TaskDocument(Document):
    """A name that groups jobs."""

    id = StringField(primary_key=True)
    created_at = DateTimeField(required=True)
    modified_at = DateTimeField(required=True)
    jobs_count = IntField(default=0)
    words = ListField(StringField())  # of its id

    meta = {  # noqa: RUF012 - mongoengine's own form
        "collection": "tasks",
        "auto_create_index": False,
        "indexes": [
            ("created_at", "id"),  # TaskStore.page
            ("words", "created_at", "id"),  # TaskStore.search
        ],
    }


class JobDocument(Document):
    """A definition. `spec` is JSON text: callers' keys may hold what BSON keys may not."""

    id = StringField(primary_key=True)
    task_id = StringField(required=True)
    spec = StringField(required=True)
    created_at = DateTimeField(required=True)
    modified_at = DateTimeField(required=True)
    executions_count = IntField(default=0)
    revision = IntField(default=0)
    stopped_at = DateTimeField()
    caller_address = StringField()

    meta = {  # noqa: RUF012
        "collection": "jobs",
        "auto_create_index": False,
        "indexes": [("task_id", "created_at", "id")],  # JobStore.ids_of_task
    }


class OwedDeliveryDocument(EmbeddedDocument):
    """That an execution owes a delivery."""

    id = StringField(required=True)
    moment = StringField(required=True)
    kind = StringField(required=True)
    index = IntField(required=True)


class UsageDocument(EmbeddedDocument):
    """What a container has used up."""

    sampled_at = DateTimeField(required=True)
    cpu_seconds = FloatField(required=True)
    peak_memory_bytes = LongField()
    network_received_bytes = LongField()
    network_sent_bytes = LongField()
    block_read_bytes = LongField()
    block_written_bytes = LongField()


class ArtifactSummaryDocument(EmbeddedDocument):
    """How much is kept of what an execution had in its container."""

    count = IntField(required=True)
    size_bytes = LongField(required=True)
    is_whole = BooleanField(required=True)


class ExecutionDocument(Document):
    """One run of a job."""

    id = StringField(primary_key=True)
    job_id = StringField(required=True)
    task_id = StringField(required=True)
    spec = StringField(required=True)
    state = StringField(required=True)
    created_at = DateTimeField(required=True)
    attempt = IntField(default=1)
    claim = IntField(default=0)
    node = StringField()
    engine_host = StringField()
    engine_port = IntField()
    container_id = StringField()
    timeout_seconds = FloatField()
    stop_grace_seconds = FloatField()
    due_at = DateTimeField()
    stop_requested_at = DateTimeField()
    started_at = DateTimeField()
    finished_at = DateTimeField()
    cause = StringField()
    reason = StringField(default="")
    exit_code = IntField()
    oom_killed = BooleanField(default=False)
    usage = EmbeddedDocumentField(UsageDocument)
    retried_from = StringField()
    retried_by = StringField()
    owes_retry = BooleanField(default=False)
    owed_deliveries = EmbeddedDocumentListField(OwedDeliveryDocument)
    caller_address = StringField()
    times = MapField(DateTimeField())
    output_deleted_at = DateTimeField()
    prune_at = DateTimeField()
    artifacts = EmbeddedDocumentField(ArtifactSummaryDocument)
    result = StringField()
    result_error = StringField(default="")
    input_files = ListField(StringField(), default=None)  # the ids in `spec.inputs`

    meta = {  # noqa: RUF012
        "collection": "executions",
        "auto_create_index": False,
        "indexes": [
            ("job_id", "-created_at", "-id"),  # page_of_job, page of one job, last_of_job, was_followed
            ("job_id", "state", "created_at", "id"),  # open_of_job, ended_of_job
            ("state", "id"),  # waiting, count_scheduled
            ("state", "-created_at", "-id"),  # page by state
            ("-created_at", "-id"),  # page of all
            ("task_id", "-created_at", "-id"),  # page of one task
            {  # page of one node
                "fields": ["node", "-created_at", "-id"],
                "partialFilterExpression": {"node": {"$exists": True}},
            },
            {"fields": ["job_id", "due_at", "id"], "partialFilterExpression": {"state": "scheduled"}},  # next_of_job
            {"fields": ["due_at", "id"], "partialFilterExpression": {"state": "scheduled"}},  # next_scheduled
            ("node", "state"),  # held_by, on_silent_nodes, stop_wishes
            {"fields": ["owes_retry"], "partialFilterExpression": {"owes_retry": True}},  # owing_retry
            {"fields": ["owed_deliveries.id"], "sparse": True},  # owing_deliveries
            {  # ended
                "fields": ["finished_at", "id"],
                "partialFilterExpression": {"finished_at": {"$exists": True}},
            },
            {"fields": ["prune_at"], "partialFilterExpression": {"prune_at": {"$exists": True}}},  # to_prune
            {  # needs_file
                "fields": ["input_files", "state"],
                "partialFilterExpression": {"input_files": {"$exists": True}},
            },
        ],
    }


class DeliveryAttemptDocument(EmbeddedDocument):
    """One try to make a delivery."""

    at = DateTimeField(required=True)
    duration_seconds = FloatField(required=True)
    status_code = IntField()
    error = StringField(default="")


class DeliveryDocument(Document):
    """One webhook call or e-mail that an execution owes, or has made."""

    id = StringField(primary_key=True)
    execution_id = StringField(required=True)
    job_id = StringField(required=True)
    task_id = StringField(required=True)
    moment = StringField(required=True)
    kind = StringField(required=True)
    index = IntField(required=True)
    target = StringField(required=True)
    host = StringField(required=True)
    most_attempts = IntField(required=True)
    created_at = DateTimeField(required=True)
    next_attempt_at = DateTimeField(required=True)
    claimed_until = DateTimeField(required=True)
    state = StringField(required=True)
    claim = IntField(default=0)
    attempts_count = IntField(default=0)
    attempts = EmbeddedDocumentListField(DeliveryAttemptDocument)

    meta = {  # noqa: RUF012
        "collection": "deliveries",
        "auto_create_index": False,
        "indexes": [
            ("execution_id", "created_at", "id"),  # of_execution
            {"fields": ["next_attempt_at"], "partialFilterExpression": {"state": "owed"}},  # due
        ],
    }


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


class NodeDocument(Document):
    """A machine with a container engine."""

    id = StringField(primary_key=True)
    machine = StringField(required=True)
    pid = IntField(required=True)
    slots = IntField(required=True)
    running = IntField(required=True)
    seen_at = DateTimeField(required=True)
    started_at = DateTimeField(required=True)
    engine_version = StringField(default="")
    stopped_at = DateTimeField()

    meta = {  # noqa: RUF012
        "collection": "nodes",
        "auto_create_index": False,
        "indexes": ["seen_at"],  # silent_since
    }


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

    meta = {  # noqa: RUF012
        "collection": "files",
        "auto_create_index": False,
        "indexes": [
            ("is_whole", "-created_at", "-id"),  # FileStore.page
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


class FarmDocument(Document):
    """The farm itself."""

    id = StringField(primary_key=True)
    farm_id = StringField(required=True)
    schema_version = IntField()

    meta = {"collection": "farm", "auto_create_index": False}  # noqa: RUF012


ALL_DOCUMENTS = (
    FarmDocument,
    TaskDocument,
    JobDocument,
    ExecutionDocument,
    DeliveryDocument,
    ChunkDocument,
    NodeDocument,
    FileDocument,
    ArtifactsDocument,
    ContentDocument,
    ContentChunkDocument,
)

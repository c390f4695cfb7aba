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

SCHEMA_VERSION = 3  # of all that is below; schema.py has the step to each version


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
    api_key_id = StringField()
    paused_at = DateTimeField()
    turn = StringField()
    scheduled_until = DateTimeField()
    labels = ListField(StringField())  # terms
    template_name = StringField()
    template_revision = IntField()

    meta = {  # noqa: RUF012
        "collection": "jobs",
        "auto_create_index": False,
        "indexes": [
            ("task_id", "created_at", "id"),  # ids_of_task, slice of one task
            ("-created_at", "-id"),  # slice of all
            {  # slice by label
                "fields": ["labels", "-created_at", "-id"],
                "partialFilterExpression": {"labels": {"$exists": True}},
            },
            {  # slice of the scheduled ones
                "fields": ["-created_at", "-id", "scheduled_until"],
                "partialFilterExpression": {"scheduled_until": {"$exists": True}},
            },
            {  # slice of the paused ones
                "fields": ["-created_at", "-id", "paused_at"],
                "partialFilterExpression": {"paused_at": {"$exists": True}},
            },
            {  # slice of the stopped ones
                "fields": ["-created_at", "-id", "stopped_at"],
                "partialFilterExpression": {"stopped_at": {"$exists": True}},
            },
        ],
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
    revision = IntField(default=0)
    tick_at = DateTimeField()
    due_at = DateTimeField()
    fired_at = DateTimeField()
    held = BooleanField(default=False)
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
    api_key_id = StringField()
    times = MapField(DateTimeField())
    output_deleted_at = DateTimeField()
    prune_at = DateTimeField()
    labels = ListField(StringField())  # terms
    gpu_ids = ListField(StringField())
    limits = ListField(StringField())
    waits_for = ListField(StringField())
    owes_follow_up = BooleanField()
    array_index = IntField()
    turn = StringField()
    artifacts = EmbeddedDocumentField(ArtifactSummaryDocument)
    result = StringField()
    result_error = StringField(default="")
    input_files = ListField(StringField(), default=None)  # the ids in `spec.inputs`
    counted = BooleanField()  # of an ended one: whether it is in the totals (tallies.py)

    meta = {  # noqa: RUF012
        "collection": "executions",
        "auto_create_index": False,
        "indexes": [
            ("job_id", "-created_at", "-id"),  # page_of_job, last_of_job, was_followed
            ("job_id", "state", "created_at", "id"),  # open_of_job, slice of one job, ended_of_job, in_the_way
            ("state", "id"),  # overdue
            ("state", "-created_at", "-id"),  # slice by state, enqueued
            ("-created_at", "-id"),  # slice of all
            ("task_id", "state", "-created_at", "-id"),  # slice of one task
            {  # slice of one node
                "fields": ["node", "state", "-created_at", "-id"],
                "partialFilterExpression": {"node": {"$exists": True}},
            },
            {"fields": ["job_id", "due_at", "id"], "partialFilterExpression": {"state": "scheduled"}},  # *_of_job
            {  # slice by label
                "fields": ["labels", "state", "-created_at", "-id"],
                "partialFilterExpression": {"labels": {"$exists": True}},
            },
            {  # next_scheduled, count_scheduled
                "fields": ["state", "due_at", "id"],
                "partialFilterExpression": {"state": "scheduled"},
            },
            ("node", "state"),  # held_by, on_silent_nodes, stop_wishes
            {"fields": ["owes_retry"], "partialFilterExpression": {"owes_retry": True}},  # owing_retry
            {"fields": ["job_id", "owes_retry"], "partialFilterExpression": {"owes_retry": True}},  # in_the_way
            {"fields": ["owed_deliveries.id"], "sparse": True},  # owing_deliveries
            {  # ended
                "fields": ["finished_at", "id"],
                "partialFilterExpression": {"finished_at": {"$exists": True}},
            },
            {"fields": ["waits_for", "id"], "partialFilterExpression": {"state": "scheduled"}},  # waiting_for
            {"fields": ["owes_follow_up"], "partialFilterExpression": {"owes_follow_up": True}},  # owing_follow_up
            {  # next_in_turn
                "fields": ["job_id", "array_index"],
                "partialFilterExpression": {"state": "scheduled", "array_index": {"$exists": True}},
            },
            {  # was_passed: no two get the same turn
                "fields": ["turn"],
                "unique": True,
                "partialFilterExpression": {"turn": {"$exists": True}},
            },
            {"fields": ["prune_at"], "partialFilterExpression": {"prune_at": {"$exists": True}}},  # to_prune
            {"fields": ["counted"], "partialFilterExpression": {"counted": False}},  # count_ended
            {  # count_at_work
                "fields": ["api_key_id", "state"],
                "partialFilterExpression": {"api_key_id": {"$exists": True}},
            },
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
            {"fields": ["created_at"], "partialFilterExpression": {"state": "owed"}},  # MeasureStore.deliveries
            {"fields": ["state"], "partialFilterExpression": {"state": "given_up"}},  # ... of those given up
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


class ResourcesDocument(EmbeddedDocument):
    """Amounts of everything that is shared out on a node."""

    slots = IntField(default=0)
    cpu_millis = LongField(default=0)
    memory_bytes = LongField(default=0)
    gpus = IntField(default=0)
    storage_bytes = LongField(default=0)


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
    engine_address = StringField(default="")
    circuit = StringField(default="closed")
    engine_error = StringField(default="")
    address = StringField(default="")
    pools = ListField(StringField())
    labels = ListField(StringField())  # name=value: a name may hold what keys of BSON may not
    total = EmbeddedDocumentField(ResourcesDocument)
    capacity = EmbeddedDocumentField(ResourcesDocument)
    reserved = EmbeddedDocumentField(ResourcesDocument)
    gpu_names = ListField(StringField())
    limits_storage = BooleanField(default=False)
    volumes = ListField(StringField())

    meta = {  # noqa: RUF012
        "collection": "nodes",
        "auto_create_index": False,
    }


class ApiKeyDocument(Document):
    """An API key, without its secret."""

    id = StringField(primary_key=True)  # ApiKeyStore.get, page
    name = StringField(required=True)
    role = StringField(required=True)
    secret_hash = StringField(required=True)
    created_at = DateTimeField(required=True)
    expires_at = DateTimeField()
    revoked_at = DateTimeField()
    last_used_at = DateTimeField()
    task_pattern = StringField()
    image_pattern = StringField()
    most_running = IntField()
    most_cpus = FloatField()
    most_memory_bytes = LongField()

    meta = {"collection": "api_keys", "auto_create_index": False}  # noqa: RUF012


class AuditDocument(Document):
    """One write that somebody asked for. MongoDB removes it at `forget_at`."""

    id = StringField(primary_key=True)
    at = DateTimeField(required=True)
    action = StringField(required=True)
    status = IntField(required=True)
    key_id = StringField()
    key_name = StringField(default="")
    address = StringField(default="")
    request_id = StringField(default="")
    task_id = StringField()
    job_id = StringField()
    execution_id = StringField()
    things = MapField(StringField())
    reason = StringField(default="")
    forget_at = DateTimeField(required=True)

    meta = {  # noqa: RUF012
        "collection": "audit",
        "auto_create_index": False,
        "indexes": [
            ("-at", "-id"),  # AuditStore.page: of all
            ("key_id", "-at", "-id"),  # ... of a key
            ("task_id", "-at", "-id"),  # ... of a task
            ("job_id", "-at", "-id"),  # ... of a job
            ("action", "-at", "-id"),  # ... of an action
            {"fields": ["forget_at"], "expireAfterSeconds": 0},
        ],
    }


class NodePresenceDocument(Document):
    """What a node was to the farm when that was last looked at; each change of it is an event."""

    id = StringField(primary_key=True)
    state = StringField(required=True)
    at = DateTimeField(required=True)

    meta = {"collection": "node_presence", "auto_create_index": False}  # noqa: RUF012


class BlacklistedNodeDocument(Document):
    """A node that takes no new work."""

    id = StringField(primary_key=True)
    at = DateTimeField(required=True)

    meta = {"collection": "blacklist", "auto_create_index": False}  # noqa: RUF012


class DrainDocument(Document):
    """The order that a node takes nothing new. The id is the node's name; it is found by it."""

    id = StringField(primary_key=True)
    requested_at = DateTimeField(required=True)
    deadline = DateTimeField()

    meta = {"collection": "drains", "auto_create_index": False}  # noqa: RUF012


class LimitDocument(Document):
    """The executions that run under a limit. The id is the limit's name; they are found by it."""

    id = StringField(primary_key=True)
    holders = ListField(StringField())

    meta = {"collection": "limits", "auto_create_index": False}  # noqa: RUF012


class KeptAnswerDocument(EmbeddedDocument):
    """What a request was answered."""

    status = IntField(required=True)
    content_type = StringField(required=True)
    body = BinaryField(required=True)


class KeyedRequestDocument(Document):
    """A request with a key of the client's."""

    id = StringField(primary_key=True)
    token = StringField(required=True)
    body_digest = StringField(required=True)
    claimed_until = DateTimeField(required=True)
    expires_at = DateTimeField(required=True)
    answer = EmbeddedDocumentField(KeptAnswerDocument)

    meta = {  # noqa: RUF012
        "collection": "keyed_requests",
        "auto_create_index": False,
        "indexes": [{"fields": ["expires_at"], "expireAfterSeconds": 0}],  # MongoDB itself forgets them
    }


class TemplateDocument(Document):
    """A template of jobs; its id is its name. `definition` is JSON text, as `spec` of a job."""

    id = StringField(primary_key=True)
    definition = StringField(required=True)
    created_at = DateTimeField(required=True)
    modified_at = DateTimeField(required=True)
    revision = IntField(default=0)

    meta = {"collection": "templates", "auto_create_index": False}  # noqa: RUF012


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


class FarmDocument(Document):
    """The farm itself."""

    id = StringField(primary_key=True)
    farm_id = StringField(required=True)
    schema_version = IntField()

    meta = {"collection": "farm", "auto_create_index": False}  # noqa: RUF012


class TallyDocument(Document):
    """Totals: of ended executions (tallies.py), and of what processes have done (measures.py). Found by their ids."""

    id = StringField(primary_key=True)
    revision = LongField()
    batch = ListField(StringField())
    ended = MapField(LongField())
    start_delay = DictField()
    duration = DictField()
    duties = DictField()
    delivery_attempts = MapField(LongField())

    meta = {"collection": "tallies", "auto_create_index": False}  # noqa: RUF012


ALL_DOCUMENTS = (
    FarmDocument,
    TaskDocument,
    JobDocument,
    ExecutionDocument,
    DeliveryDocument,
    ChunkDocument,
    NodeDocument,
    ApiKeyDocument,
    AuditDocument,
    NodePresenceDocument,
    BlacklistedNodeDocument,
    LimitDocument,
    DrainDocument,
    KeyedRequestDocument,
    TemplateDocument,
    FileDocument,
    ArtifactsDocument,
    ContentDocument,
    ContentChunkDocument,
    TallyDocument,
)

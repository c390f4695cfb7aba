"""Executions, and the limits under which they run."""

from __future__ import annotations

from mongoengine import (
    BooleanField,
    DateTimeField,
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


class LimitDocument(Document):
    """The executions that run under a limit. The id is the limit's name; they are found by it."""

    id = StringField(primary_key=True)
    holders = ListField(StringField())

    meta = {"collection": "limits", "auto_create_index": False}  # noqa: RUF012

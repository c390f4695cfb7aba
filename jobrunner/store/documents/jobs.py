"""Tasks, jobs and templates, and what callers were answered under a key of theirs."""

from __future__ import annotations

from mongoengine import (
    BinaryField,
    DateTimeField,
    Document,
    EmbeddedDocument,
    EmbeddedDocumentField,
    IntField,
    ListField,
    StringField,
)


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

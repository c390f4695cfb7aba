"""Deliveries, with what came of each attempt."""

from __future__ import annotations

from mongoengine import (
    DateTimeField,
    Document,
    EmbeddedDocument,
    EmbeddedDocumentListField,
    FloatField,
    IntField,
    StringField,
)


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

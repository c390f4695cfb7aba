"""API keys, and the audit trail of what was done with them."""

from __future__ import annotations

from mongoengine import (
    DateTimeField,
    Document,
    FloatField,
    IntField,
    LongField,
    MapField,
    StringField,
)


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

"""From API keys and the audit trail to the documents of the native API. Pure; a secret is only in `created_key`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jobrunner.api.native.times import iso
from jobrunner.api.native.translate import Document
from jobrunner.api.native.urls import with_query
from jobrunner.domain.api_keys import ApiKey, Token
from jobrunner.domain.audit import AuditEntry


def key_document(key: ApiKey, now: datetime) -> Document:
    """A key, without its secret."""
    return {
        "keyId": key.id,
        "name": key.name,
        "role": key.role,
        "state": key.state(now),
        "createdAt": iso(key.created_at),
        "expiresAt": iso(key.expires_at),
        "revokedAt": iso(key.revoked_at),
        "lastUsedAt": iso(key.last_used_at),
        "taskPattern": key.limits.task_pattern,
        "imagePattern": key.limits.image_pattern,
        "mostRunning": key.limits.most_running,
        "mostCpus": key.limits.most_cpus,
        "mostMemoryBytes": key.limits.most_memory_bytes,
    }


def created_key(key: ApiKey, token: Token, now: datetime) -> Document:
    """A new key, with what its holder presents: shown here, and never again."""
    return {**key_document(key, now), "key": str(token)}


def key_list(keys: Sequence[ApiKey], has_next: bool, now: datetime, list_url: str) -> Document:
    """A page of keys."""
    next_url = with_query(list_url, after=keys[-1].id) if has_next else None
    return {"items": [key_document(key, now) for key in keys], "hasNext": has_next, "nextUrl": next_url}


def audit_list(entries: Sequence[AuditEntry], has_next: bool, list_url: str, **query: str | None) -> Document:
    """A page of the audit trail. `query`: what it was chosen by."""
    next_url = with_query(list_url, **query, cursor=cursor_after(entries[-1])) if has_next else None
    return {"items": list(map(_entry, entries)), "hasNext": has_next, "nextUrl": next_url}


def cursor_after(entry: AuditEntry) -> str:
    """What a caller gives back to go on after this entry."""
    return f"{round(entry.at.timestamp() * 1000)}_{entry.id}"


def _entry(entry: AuditEntry) -> Document:
    return {
        "at": iso(entry.at),
        "action": entry.action,
        "status": entry.status,
        "keyId": entry.key_id,
        "keyName": entry.key_name,
        "address": entry.address,
        "requestId": entry.request_id,
        "taskId": entry.task_id,
        "jobId": entry.job_id,
        "executionId": entry.execution_id,
        "things": dict(entry.things),
        "reason": entry.reason,
    }

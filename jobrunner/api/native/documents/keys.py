"""The documents that the native API answers about keys and the audit trail, key by key: for its OpenAPI document."""

from __future__ import annotations

from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from jobrunner.api.openapi.forms import closed
from jobrunner.api.openapi.operation import QueryParameter
from jobrunner.domain.api_keys import KeyState, Role

AFTER_KEY = QueryParameter("after", "The id of a key: those after it.", {"type": "string", "pattern": "^[0-9a-f]{12}$"})


KEY = QueryParameter("key", "Only what was done with the key of this id.")


ACTION = QueryParameter("action", "Only this action, such as job.submit.")


JOB = QueryParameter("job", "Only what was done to this job.")


UNTIL = QueryParameter("until", "Only what was done before: ISO 8601 (2026-05-01T12:00:00Z), or UNIX seconds.")


CURSOR = QueryParameter(
    "cursor", "Where to go on, as nextUrl has it.", {"type": "string", "pattern": "^([0-9]{1,13}_[0-9a-f]{24})?$"}
)


@closed
class KeyItem(TypedDict):
    """An API key, without its secret."""

    keyId: str
    name: str
    role: Role
    state: KeyState
    createdAt: str
    expiresAt: str | None
    revokedAt: str | None
    lastUsedAt: str | None
    taskPattern: str | None
    imagePattern: str | None
    mostRunning: int | None
    mostCpus: float | None
    mostMemoryBytes: int | None


@closed
class CreatedKey(KeyItem):
    """A new API key; `key` is what its holder presents, shown this once."""

    key: str


@closed
class KeyList(TypedDict):
    """A page of keys."""

    items: list[KeyItem]
    hasNext: bool
    nextUrl: str | None


@closed
class AuditItem(TypedDict):
    """One write that somebody asked for."""

    at: str
    action: str
    status: int
    keyId: str | None
    keyName: str
    address: str
    requestId: str
    taskId: str | None
    jobId: str | None
    executionId: str | None
    things: dict[str, str]
    reason: str


@closed
class AuditPage(TypedDict):
    """A page of the audit trail."""

    items: list[AuditItem]
    hasNext: bool
    nextUrl: str | None

"""The audit trail: who did what to which thing, when, and with what result. Plain values."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


def new_entry_id() -> str:
    """A new id of an entry: of two that one process makes, the later one has the greater."""
    return f"{time.time_ns():016x}{secrets.token_hex(4)}"


@dataclass(frozen=True)
class AuditEntry:
    """One write that somebody asked for.

    `status` is that of the HTTP answer; `reason` says why it was refused. `things`: what else it was about, by name.
    No entry has a secret in it.
    """

    id: str
    at: datetime
    action: str
    status: int
    key_id: str | None = None
    key_name: str = ""
    address: str = ""
    request_id: str = ""
    task_id: str | None = None
    job_id: str | None = None
    execution_id: str | None = None
    things: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class AuditQuery:
    """Which entries are asked for; None: all. `before`: those that are older than this instant and id."""

    key_id: str | None = None
    action: str | None = None
    task_id: str | None = None
    job_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: tuple[datetime, str] | None = None

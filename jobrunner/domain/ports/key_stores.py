"""Where API keys and the audit trail are kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from jobrunner.domain.api_keys import ApiKey
from jobrunner.domain.audit import AuditEntry, AuditQuery


class ApiKeyStore(Protocol):
    """API keys. They are never deleted: one that has ended still says who did what."""

    def add(self, key: ApiKey) -> None:
        """Store a new key, durably."""

    def get(self, key_id: str) -> ApiKey | None:
        """The key of this id."""

    def page(self, after: str | None, limit: int) -> list[ApiKey]:
        """Keys by their ids, those after this one."""

    def any(self) -> bool:
        """Whether there is a key, whatever its state."""

    def revoke(self, key_id: str, at: datetime) -> ApiKey | None:
        """Note that a key was revoked, the first time that it is; the key afterwards, None where there is none."""

    def note_use(self, key_id: str, at: datetime) -> None:
        """Note when a key was last used."""


class AuditStore(Protocol):
    """The audit trail. MongoDB forgets an entry when its time is over."""

    def add(self, entries: Sequence[AuditEntry], forget_after: timedelta) -> None:
        """Store entries, durably; those that are there already (their ids) are left as they are."""

    def page(self, query: AuditQuery, limit: int) -> list[AuditEntry]:
        """Entries, the newest first."""

"""API keys straight in the farm's database, for `jobrunner keys --in-database`."""

from __future__ import annotations

import getpass
import platform
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from jobrunner.api.native.job_spec import specify
from jobrunner.api.native.translate_keys import created_key, key_document
from jobrunner.cli.answers import ApiKey
from jobrunner.cli.service import wire
from jobrunner.domain.audit import AuditEntry, new_entry_id
from jobrunner.domain.key_wish import KeyWish
from jobrunner.engine import keys
from jobrunner.settings import load_settings


class KeysInDatabase:
    """Speaks as the client of the API does about keys. Each change is in the audit trail, under who is logged in."""

    def __init__(self, config: Path | None) -> None:
        """Raises SettingsError."""
        self._settings = load_settings(config)

    def __enter__(self) -> KeysInDatabase:
        """Connect, waiting for MongoDB and Redis."""
        self._wiring = wire(self._settings)
        self._farm = self._wiring.farm
        return self

    def __exit__(self, *_raised: object) -> None:
        """Close the connections."""
        self._wiring.close()

    def create_key(self, wish: Mapping[str, Any]) -> ApiKey:
        """Make a key. Raises InvalidRequest."""
        key, token = keys.create_key(self._farm, specify(KeyWish, wish))
        self._note("key.create", key.id, 201)
        return ApiKey.from_json(created_key(key, token, self._farm.clock.now()))

    def keys(self) -> Iterator[ApiKey]:
        """All keys."""
        after, has_next = None, True
        while has_next:
            found, has_next = keys.list_keys(self._farm, after)
            for key in found:
                yield ApiKey.from_json(key_document(key, self._farm.clock.now()))
            after = found[-1].id if found else None

    def revoke_key(self, key_id: str) -> ApiKey:
        """Revoke a key. Raises NotFound."""
        key = keys.revoke_key(self._farm, key_id)
        self._note("key.revoke", key.id, 200)
        return ApiKey.from_json(key_document(key, self._farm.clock.now()))

    def _note(self, action: str, key_id: str, status: int) -> None:
        entry = AuditEntry(
            id=new_entry_id(),
            at=self._farm.clock.now(),
            action=action,
            status=status,
            key_name=f"{getpass.getuser()}@{platform.node()}, in the database",
            things={"key_id": key_id},
        )
        self._farm.store.audit.add([entry], timedelta(days=self._settings.audit_retention_days))

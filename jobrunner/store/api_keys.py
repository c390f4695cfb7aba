"""API keys in MongoDB."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobrunner.domain.api_keys import ApiKey, Limits, Role
from jobrunner.store.documents.keys import ApiKeyDocument
from jobrunner.store.errors import translating_errors

SOON_ENOUGH = {"w": 1}

_LIMITS = tuple(Limits.__dataclass_fields__)
_OWN_FIELDS = ("role", *_LIMITS)
_PLAIN_FIELDS = tuple(name for name in ApiKeyDocument._fields if name not in _OWN_FIELDS)


class MongoApiKeys:
    """The ApiKeyStore port."""

    def add(self, key: ApiKey) -> None:
        """Store a new key, durably."""
        with translating_errors():
            _document(key).save(force_insert=True)

    def get(self, key_id: str) -> ApiKey | None:
        """The key of this id."""
        with translating_errors():
            document = ApiKeyDocument.objects(id=key_id).first()
        return _key(document) if document else None

    def page(self, after: str | None, limit: int) -> list[ApiKey]:
        """Keys by their ids, those after this one."""
        query = ApiKeyDocument.objects(id__gt=after or "")
        with translating_errors():
            return [_key(document) for document in query.order_by("id").limit(limit)]

    def any(self) -> bool:
        """Whether there is a key, whatever its state."""
        with translating_errors():
            return ApiKeyDocument.objects.only("id").first() is not None

    def revoke(self, key_id: str, at: datetime) -> ApiKey | None:
        """Note that a key was revoked, the first time that it is; the key afterwards, None where there is none."""
        with translating_errors():
            ApiKeyDocument.objects(id=key_id, revoked_at=None).update_one(set__revoked_at=at)
        return self.get(key_id)

    def note_use(self, key_id: str, at: datetime) -> None:
        """Note when a key was last used."""
        with translating_errors():
            ApiKeyDocument.objects(id=key_id).update_one(write_concern=SOON_ENOUGH, max__last_used_at=at)


def _document(key: ApiKey) -> ApiKeyDocument:
    limits: dict[str, Any] = {name: getattr(key.limits, name) for name in _LIMITS}
    return ApiKeyDocument(role=key.role.value, **limits, **{name: getattr(key, name) for name in _PLAIN_FIELDS})


def _key(document: ApiKeyDocument) -> ApiKey:
    return ApiKey(
        role=Role(document.role),
        limits=Limits(**{name: getattr(document, name) for name in _LIMITS}),
        **{name: getattr(document, name) for name in _PLAIN_FIELDS},
    )

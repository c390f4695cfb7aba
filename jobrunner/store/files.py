"""Uploaded files in MongoDB, without their bytes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from mongoengine import NotUniqueError, Q
from pymongo.errors import DuplicateKeyError

from jobrunner.domain.stored_files import StoredFile
from jobrunner.store.documents.files import FileDocument
from jobrunner.store.errors import translating_errors

_FIELDS = tuple(FileDocument._fields)


class MongoFiles:
    """The FileStore port."""

    def add(self, file: StoredFile) -> bool:
        """Note a file whose bytes are about to come; False where its id is there already."""
        try:
            with translating_errors():
                FileDocument(**{name: getattr(file, name) for name in _FIELDS}).save(force_insert=True)
        except (NotUniqueError, DuplicateKeyError):
            return False
        return True

    def get(self, file_id: str) -> StoredFile | None:
        """The file of this id, whole or not."""
        with translating_errors():
            document = FileDocument.objects(id=file_id).first()
        return _file(document) if document else None

    def complete(self, file_id: str, size_bytes: int, sha256: str, now: datetime) -> StoredFile | None:
        """Note that all of it has come; None where it is not there any more."""
        changes = {"size_bytes": size_bytes, "sha256": sha256, "used_at": now, "is_whole": True}
        with translating_errors():
            document = FileDocument.objects(id=file_id).modify(
                new=True, **{f"set__{name}": value for name, value in changes.items()}
            )
        return _file(document) if document else None

    def touch(self, file_ids: Iterable[str], now: datetime) -> None:
        """Note that these are in use."""
        with translating_errors():
            FileDocument.objects(id__in=list(file_ids)).update(set__used_at=now)

    def retire(self, file_id: str) -> bool:
        """Note that it is about to be deleted. Whether it was whole."""
        with translating_errors():
            return bool(FileDocument.objects(id=file_id, is_whole=True).update_one(set__is_whole=False))

    def delete(self, file_id: str) -> None:
        """Delete it."""
        with translating_errors():
            FileDocument.objects(id=file_id).delete()

    def page(self, after: StoredFile | None, limit: int, *, api_key_id: str | None = None) -> list[StoredFile]:
        """The whole files (of a key), the newest first, those after `after`, at most `limit`."""
        query = Q(is_whole=True) if api_key_id is None else Q(api_key_id=api_key_id, is_whole=True)
        if after is not None:
            same_instant = Q(created_at=after.created_at, id__lt=after.id)
            query &= Q(created_at__lte=after.created_at) & (Q(created_at__lt=after.created_at) | same_instant)
        with translating_errors():
            found = FileDocument.objects(query).order_by("-created_at", "-id").limit(limit)
            return [_file(document) for document in found]

    def idle(self, before: datetime, limit: int, *, whole: bool) -> list[StoredFile]:
        """Files that were last in use before an instant, the longest first."""
        with translating_errors():
            found = FileDocument.objects(is_whole=whole, used_at__lt=before).order_by("used_at").limit(limit)
            return [_file(document) for document in found]


def _file(document: FileDocument) -> StoredFile:
    return StoredFile(**{name: getattr(document, name) for name in _FIELDS})

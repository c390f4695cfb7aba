"""The audit trail in MongoDB."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pymongo import WriteConcern
from pymongo.errors import BulkWriteError

from jobrunner.domain.audit import AuditEntry, AuditQuery
from jobrunner.store.documents.keys import AuditDocument
from jobrunner.store.errors import translating_errors

DUPLICATE_KEY = 11000
_FIELDS = tuple(name for name in AuditEntry.__dataclass_fields__ if name != "id")


class MongoAudit:
    """The AuditStore port."""

    def add(self, entries: Sequence[AuditEntry], forget_after: timedelta) -> None:
        """Store entries, durably; those that are there already are left as they are."""
        documents = [_document(entry, forget_after) for entry in entries]
        durably = WriteConcern("majority", j=True)
        with translating_errors():
            try:
                AuditDocument._get_collection().with_options(write_concern=durably).insert_many(
                    documents, ordered=False
                )
            except BulkWriteError as error:
                if any(fault["code"] != DUPLICATE_KEY for fault in error.details["writeErrors"]):
                    raise

    def page(self, query: AuditQuery, limit: int) -> list[AuditEntry]:
        """Entries, the newest first."""
        with translating_errors():
            found = AuditDocument.objects(__raw__=_wanted(query)).order_by("-at", "-id").limit(limit)
            return [_entry(document) for document in found]


def _document(entry: AuditEntry, forget_after: timedelta) -> dict[str, Any]:
    fields = {name: getattr(entry, name) for name in _FIELDS}
    shown = {name: value for name, value in fields.items() if value not in (None, "", {})}
    return {"_id": entry.id, "forget_at": entry.at + forget_after, **shown}


def _entry(document: AuditDocument) -> AuditEntry:
    return AuditEntry(id=document.id, **{name: getattr(document, name) for name in _FIELDS})


def _wanted(query: AuditQuery) -> dict[str, Any]:
    equal = {name: getattr(query, name) for name in ("key_id", "action", "task_id", "job_id")}
    wanted: dict[str, Any] = {name: value for name, value in equal.items() if value is not None}
    times = {"$gte": query.since, "$lt": query.until, "$lte": query.before and query.before[0]}
    if any(times.values()):
        wanted["at"] = {operator: instant for operator, instant in times.items() if instant is not None}
    if query.before is not None:
        at, entry_id = query.before
        wanted["$or"] = [{"at": {"$lt": at}}, {"at": at, "_id": {"$lt": entry_id}}]
    return wanted

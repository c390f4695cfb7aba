"""Deliveries in MongoDB. Whoever sends one holds a claim on it for a time: a lease, with a fencing token."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from mongoengine import NotUniqueError
from pymongo.errors import DuplicateKeyError

from jobrunner.domain.deliveries import (
    MOST_ATTEMPTS_KEPT,
    Delivery,
    DeliveryAttempt,
    DeliveryKind,
    DeliveryState,
    OwedDelivery,
)
from jobrunner.domain.hooks import Moment
from jobrunner.store.documents.deliveries import DeliveryAttemptDocument, DeliveryDocument
from jobrunner.store.documents.executions import OwedDeliveryDocument
from jobrunner.store.errors import translating_errors
from jobrunner.store.tasks import SOON_ENOUGH

_OWN_FIELDS = ("moment", "kind", "state", "attempts")
_PLAIN_FIELDS = tuple(name for name in DeliveryDocument._fields if name not in _OWN_FIELDS)


class MongoDeliveries:
    """The DeliveryStore port."""

    def add(self, delivery: Delivery) -> bool:
        """Store a new delivery, durably; False where its id is there already."""
        try:
            with translating_errors():
                _document(delivery).save(force_insert=True)
        except (NotUniqueError, DuplicateKeyError):
            return False
        return True

    def get(self, delivery_id: str) -> Delivery | None:
        """The delivery of this id."""
        with translating_errors():
            return _delivery_or_none(DeliveryDocument.objects(id=delivery_id).first())

    def of_execution(self, execution_id: str) -> list[Delivery]:
        """All deliveries of an execution, the oldest first."""
        query = DeliveryDocument.objects(execution_id=execution_id)
        with translating_errors():
            return list(map(_delivery, query.order_by("created_at", "id")))

    def delete_of_execution(self, execution_id: str) -> None:
        """Delete all deliveries of an execution."""
        with translating_errors():
            DeliveryDocument.objects(execution_id=execution_id).delete(write_concern=SOON_ENOUGH)

    def due(self, now: datetime, limit: int, except_hosts: Iterable[str] = ()) -> list[Delivery]:
        """Deliveries that are owed, due and claimed by nobody, the longest due first; none to `except_hosts`."""
        query = DeliveryDocument.objects(host__nin=list(except_hosts), **_free(now), **_due(now))
        with translating_errors():
            return list(map(_delivery, query.order_by("next_attempt_at").limit(limit)))

    def claim(self, delivery_id: str, now: datetime, until: datetime) -> Delivery | None:
        """Claim a delivery that is owed and due until an instant; None where it is not, or somebody else has it."""
        query = DeliveryDocument.objects(id=delivery_id, **_free(now), **_due(now))
        with translating_errors():
            return _delivery_or_none(query.modify(new=True, set__claimed_until=until, inc__claim=1))

    def record(
        self, claimed: Delivery, attempt: DeliveryAttempt, state: DeliveryState, next_attempt_at: datetime
    ) -> bool:
        """Note an attempt and what follows, and end the claim. False where the claim is not the newest any more."""
        noted = {"$each": [asdict(attempt)], "$slice": -MOST_ATTEMPTS_KEPT}
        changes = {
            "$push": {"attempts": noted},
            "$inc": {"attempts_count": 1},
            "$set": {"state": state.value, "next_attempt_at": next_attempt_at, "claimed_until": attempt.at},
        }
        with translating_errors():
            updated = DeliveryDocument.objects(id=claimed.id, claim=claimed.claim).update_one(__raw__=changes)
        return bool(updated)

    def owe_again(self, delivery_id: str, now: datetime) -> Delivery | None:
        """Have a delivery made now, whatever became of it, once more at least; None where it is being made just now."""
        stored = self.get(delivery_id)
        if stored is None:
            return None
        query = DeliveryDocument.objects(id=delivery_id, claim=stored.claim, **_free(now))
        with translating_errors():
            document = query.modify(
                new=True,
                set__state=DeliveryState.OWED.value,
                set__next_attempt_at=now,
                max__most_attempts=stored.attempts_count + 1,
            )
        return _delivery_or_none(document)


def owed_documents(owed: Iterable[OwedDelivery]) -> list[OwedDeliveryDocument]:
    """What an execution owes, as its document has it."""
    return [
        OwedDeliveryDocument(id=one.id, moment=one.moment.value, kind=one.kind.value, index=one.index) for one in owed
    ]


def owed_delivery(document: OwedDeliveryDocument) -> OwedDelivery:
    """The same, as the engine sees it."""
    return OwedDelivery(document.id, Moment(document.moment), DeliveryKind(document.kind), document.index)


def _free(now: datetime) -> dict[str, Any]:
    return {"claimed_until__lte": now}


def _due(now: datetime) -> dict[str, Any]:
    return {"state": DeliveryState.OWED.value, "next_attempt_at__lte": now}


def _document(delivery: Delivery) -> DeliveryDocument:
    return DeliveryDocument(
        moment=delivery.moment.value,
        kind=delivery.kind.value,
        state=delivery.state.value,
        attempts=[DeliveryAttemptDocument(**asdict(attempt)) for attempt in delivery.attempts],
        **{name: getattr(delivery, name) for name in _PLAIN_FIELDS},
    )


def _delivery(document: DeliveryDocument) -> Delivery:
    return Delivery(
        moment=Moment(document.moment),
        kind=DeliveryKind(document.kind),
        state=DeliveryState(document.state),
        attempts=tuple(
            DeliveryAttempt(attempt.at, attempt.duration_seconds, attempt.status_code, attempt.error)
            for attempt in document.attempts
        ),
        **{name: getattr(document, name) for name in _PLAIN_FIELDS},
    )


def _delivery_or_none(document: DeliveryDocument | None) -> Delivery | None:
    return _delivery(document) if document else None

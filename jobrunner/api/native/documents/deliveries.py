"""Deliveries, with their attempts."""

from __future__ import annotations

from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from jobrunner.api.openapi.forms import closed
from jobrunner.domain.deliveries import DeliveryKind, DeliveryState


@closed
class Attempt(TypedDict):
    """One try to make a delivery."""

    at: str
    statusCode: int | None
    error: str
    durationSeconds: float


@closed
class DeliveryDocument(TypedDict):
    """A webhook call or an e-mail that an execution owes, or has made."""

    deliveryId: str
    event: str
    kind: DeliveryKind
    target: str
    state: DeliveryState
    createdAt: str
    nextAttemptAt: str | None
    attemptCount: int
    maxAttempts: int
    attempts: list[Attempt]
    redeliverUrl: str


@closed
class DeliveryList(TypedDict):
    """All deliveries of an execution."""

    items: list[DeliveryDocument]

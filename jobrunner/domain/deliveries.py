"""What is owed to people and programs outside, and what became of it: plain immutable values.

    owed ─► delivered
      └───► given up (no attempts are left, or the receiver may not be called)

Both ends can be left again by hand only: a delivery that is to be made once more is owed again, under the same id.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from jobrunner.domain.hooks import Moment

MOST_ATTEMPTS_KEPT = 50


class DeliveryKind(StrEnum):
    """How something is delivered."""

    WEBHOOK = "webhook"
    EMAIL = "email"


class DeliveryState(StrEnum):
    """What has become of a delivery."""

    OWED = "owed"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True)
class OwedDelivery:
    """That an execution owes a delivery: number `index` of its specification's receivers of this kind and moment.

    It is written into the execution, by the update that makes the move which it tells of.
    """

    id: str
    moment: Moment
    kind: DeliveryKind
    index: int


@dataclass(frozen=True)
class DeliveryAttempt:
    """One try. `error` is empty where it was delivered; it never holds a secret."""

    at: datetime
    duration_seconds: float
    status_code: int | None = None
    error: str = ""


@dataclass(frozen=True)
class Delivery:
    """One webhook call or e-mail that an execution owes, or has made.

    `id` goes along, so that a receiver can drop repeats. `target` is for people: without secrets. `host` is who is
    asked to take it, so that one slow receiver holds up nobody else. `claim` is a fencing token, as an execution's:
    it counts how often somebody has taken hold of the delivery, each time until `claimed_until`.
    """

    id: str
    execution_id: str
    job_id: str
    task_id: str
    moment: Moment
    kind: DeliveryKind
    index: int
    target: str
    host: str
    most_attempts: int
    created_at: datetime
    next_attempt_at: datetime
    claimed_until: datetime
    state: DeliveryState = DeliveryState.OWED
    claim: int = 0
    attempts_count: int = 0
    attempts: tuple[DeliveryAttempt, ...] = ()  # the newest MOST_ATTEMPTS_KEPT, the oldest first


def delivery_id(execution_id: str, moment: Moment, kind: DeliveryKind, index: int) -> str:
    """The id of a delivery: always the same, so that what is owed is made once however often we try."""
    return str(uuid.uuid5(uuid.UUID(execution_id), f"{moment} {kind} {index}"))

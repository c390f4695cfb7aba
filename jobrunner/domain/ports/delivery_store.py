"""Where owed deliveries are kept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from jobrunner.domain.deliveries import Delivery, DeliveryAttempt, DeliveryState


class DeliveryStore(Protocol):
    """Deliveries. Whoever sends one has claimed it, and writes under the claim number that it got."""

    def add(self, delivery: Delivery) -> bool:
        """Store a new delivery, durably; False where its id is there already (it was made before: nothing changes)."""

    def get(self, delivery_id: str) -> Delivery | None:
        """The delivery of this id."""

    def of_execution(self, execution_id: str) -> list[Delivery]:
        """All deliveries of an execution, the oldest first. (A specification bounds how many there can be.)"""

    def due(self, now: datetime, limit: int, except_hosts: Iterable[str] = ()) -> list[Delivery]:
        """Deliveries that are owed, due and claimed by nobody, the longest due first; none to `except_hosts`."""

    def claim(self, delivery_id: str, now: datetime, until: datetime) -> Delivery | None:
        """Claim a delivery that is owed and due until an instant; None where it is not, or somebody else has it."""

    def record(
        self, claimed: Delivery, attempt: DeliveryAttempt, state: DeliveryState, next_attempt_at: datetime
    ) -> bool:
        """Note an attempt and what follows, and end the claim. False where the claim is not the newest any more."""

    def owe_again(self, delivery_id: str, now: datetime) -> Delivery | None:
        """Have a delivery made now, whatever became of it, once more at least; None where it is being made just now."""

    def delete_of_execution(self, execution_id: str) -> None:
        """Delete all deliveries of an execution."""

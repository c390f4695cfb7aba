"""Who makes deliveries: what it is given, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from jobrunner.domain.deliveries import Delivery
from jobrunner.domain.executions import Execution


@dataclass(frozen=True)
class Dispatch:
    """A delivery that is to be made now: of what, and when. `stdout` and `stderr`: the end of what was written."""

    delivery: Delivery
    execution: Execution
    sent_at: datetime
    stdout: bytes = b""
    stderr: bytes = b""


@dataclass(frozen=True)
class Receipt:
    """What came of it. `error` is empty where it was taken, and never holds a secret.

    `status_code` is what the receiver answered, in HTTP or SMTP. `is_final`: it is no use to try again.
    """

    status_code: int | None = None
    error: str = ""
    is_final: bool = False


class Notifier(Protocol):
    """Makes deliveries of one kind. A receiver that does not take one is a receipt, and never raises."""

    def send(self, dispatch: Dispatch) -> Receipt:
        """Make the delivery, within the notifier's own bound of time."""

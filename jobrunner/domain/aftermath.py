"""What an ending leads to, decided without I/O: whether there is another attempt, and when.

What is owed to people (webhooks, e-mail) is decided here too, so that it can be written in the update that closes
the execution. At present nothing can be asked for, so nothing is owed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from jobrunner.domain.executions import Execution
from jobrunner.domain.outcomes import Outcome
from jobrunner.domain.states import State

TRIED_AGAIN = frozenset({State.FAILED, State.TIMEDOUT, State.LOST})


@dataclass(frozen=True)
class BackOff:
    """How long to wait before the next attempt: `first`, then `factor` times as long each time, up to `longest`."""

    first_seconds: float
    factor: float
    longest_seconds: float

    def delay(self, attempt: int) -> timedelta:
        """The wait after attempt number `attempt` (counted from 1) has failed."""
        exponent = min(attempt - 1, 64)  # a float overflows far beyond any delay that anybody waits
        return timedelta(seconds=min(self.first_seconds * self.factor**exponent, self.longest_seconds))


def wants_retry(execution: Execution, outcome: Outcome) -> bool:
    """Whether the job asks for another attempt after this ending. Never after a stop or an expiration."""
    return outcome.state in TRIED_AGAIN and execution.attempt <= execution.spec.retries


def retry_due_at(execution: Execution, ended_at: datetime, back_off: BackOff) -> datetime:
    """When the attempt after this one is due."""
    return ended_at + back_off.delay(execution.attempt)

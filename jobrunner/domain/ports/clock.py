"""The time of the farm, as a Protocol."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The time of the farm, the same for all its processes. Tests move it."""

    def now(self) -> datetime:
        """The present instant, UTC and aware."""

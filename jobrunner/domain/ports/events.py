"""The events of the farm as they come."""

from __future__ import annotations

from typing import Protocol

from jobrunner.domain.farm_events import FarmEvent


class EventStream(Protocol):
    """The events of the farm, in the order in which they happened."""

    @property
    def position(self) -> str:
        """The place up to which all has been told: an id to go on after. Of two places, the later is the greater."""

    def next(self) -> FarmEvent | None:
        """The next event; None where there was none for the time that `open` was given."""

    def close(self) -> None:
        """End it."""


class EventSource(Protocol):
    """Where the events of the farm come from."""

    def open(self, after: str | None, wait_seconds: float) -> EventStream:
        """The events after that of an id, or from now on. Raises InvalidRequest (no such id), Gone (too long ago)."""

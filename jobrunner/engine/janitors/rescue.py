"""Close the executions of nodes that have been silent for too long, as lost; those that allow it are tried again."""

from __future__ import annotations

from datetime import datetime, timedelta

from jobrunner.domain import outcomes
from jobrunner.domain.events import Repaired
from jobrunner.engine.farm import Farm
from jobrunner.engine.finish import close

BATCH = 200
LONGEST_GAP_INTERVALS = 3


class Rescue:
    """The duty, with what it has heard of each node: its word when it was last heard, and when that was new to us.

    What counts is how long a node has had nothing new to say, and not what time it says: clocks may be apart, or be
    set. While the store was away no node could be heard, so after a break they are given their full time again.
    """

    def __init__(self) -> None:
        self._heard: dict[str, tuple[datetime, datetime]] = {}
        self._last_look: datetime | None = None

    def look(self, farm: Farm) -> None:
        """One batch. A node that comes back finds that it was superseded, and removes its containers."""
        now = farm.clock.now()
        self._listen(now, farm)
        silent_seconds = farm.settings.node_silent_seconds
        silence = timedelta(seconds=silent_seconds)
        silent = [name for name, (_, new_at) in self._heard.items() if now - new_at > silence]
        if not silent:
            return
        for execution in farm.store.executions.on_silent_nodes(silent, BATCH):
            assert execution.node is not None  # it was found by its node
            if close(farm, execution, outcomes.node_lost(execution.node, silent_seconds)):
                farm.announce(Repaired(execution.id, janitor="rescue", what=f"node {execution.node} is silent"))

    def _listen(self, now: datetime, farm: Farm) -> None:
        last_seen = farm.store.nodes.last_seen()
        if self._had_a_break(now, farm):
            self._heard.clear()
        self._last_look = now
        self._heard = {name: self._as_heard(name, seen_at, now) for name, seen_at in last_seen.items()}

    def _as_heard(self, name: str, seen_at: datetime, now: datetime) -> tuple[datetime, datetime]:
        known = self._heard.get(name)
        return known if known is not None and known[0] == seen_at else (seen_at, now)

    def _had_a_break(self, now: datetime, farm: Farm) -> bool:
        """Whether it has not looked for a while; or the farm's clock was set, which looks the same or goes back."""
        gap = timedelta(seconds=LONGEST_GAP_INTERVALS * farm.settings.janitor_interval_seconds)
        return self._last_look is None or not timedelta(0) <= now - self._last_look <= gap

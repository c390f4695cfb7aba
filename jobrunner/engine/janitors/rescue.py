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
    """The duty, with the time since when it has seen the store without a break.

    While the store was away no node could be heard. So after a break, nodes are given their full time again.
    """

    def __init__(self) -> None:
        self._seen_since: datetime | None = None
        self._last_look: datetime | None = None

    def look(self, farm: Farm) -> None:
        """One batch. A node that comes back finds that it was superseded, and removes its containers."""
        now = farm.clock.now()
        silent_seconds = farm.settings.node_silent_seconds
        silent = farm.store.nodes.silent_since(now - timedelta(seconds=silent_seconds))
        if not self._has_listened(now, farm) or not silent:
            return
        for execution in farm.store.executions.on_silent_nodes(silent, BATCH):
            assert execution.node is not None  # it was found by its node
            if close(farm, execution, outcomes.node_lost(execution.node, silent_seconds)):
                farm.announce(Repaired(execution.id, janitor="rescue", what=f"node {execution.node} is silent"))

    def _has_listened(self, now: datetime, farm: Farm) -> bool:
        gap = timedelta(seconds=LONGEST_GAP_INTERVALS * farm.settings.janitor_interval_seconds)
        if self._seen_since is None or self._last_look is None or now - self._last_look > gap:
            self._seen_since = now
        self._last_look = now
        return now - self._seen_since >= timedelta(seconds=farm.settings.node_silent_seconds)

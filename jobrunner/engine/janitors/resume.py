"""Take up what this node holds in MongoDB but does not run: what a worker left that crashed or handed over.

And let go of what it runs but does not hold any more: it was silent for too long, was given up, and is back.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from jobrunner.domain.executions import Execution
from jobrunner.engine.demand import demand_of
from jobrunner.engine.janitors.reap import reap_execution
from jobrunner.engine.node import ThisNode
from jobrunner.engine.reservations import Reservation

BATCH = 1000


class Resume:
    """The duty, with what it saw last: a run that has just ended looks as if it was not running, for a moment."""

    def __init__(self, node: ThisNode) -> None:
        self._node = node
        self._seen: Set[str] = frozenset()

    def at_start(self) -> int:
        """Send a message to this node for everything that it holds; nothing runs here yet. How many there were.

        What it holds stays reserved, so that nothing is taken in its place before it runs here again.
        """
        held = self._held()
        self._keep_reserved(held.values())
        for execution in held.values():
            self._send(execution)
        return len(held)

    def now_and_then(self) -> None:
        """Send a message for what was not running here at the last look, and is not now; end what was given up."""
        running = {run.execution_id for run in self._node.runs()}
        held = self._held()
        for execution_id in running - held.keys():
            reap_execution(self._node, execution_id)
        idle = held.keys() - running
        self._keep_reserved(held[execution_id] for execution_id in idle)
        for execution_id in idle & self._seen:
            self._send(held[execution_id])
        self._seen = idle

    def _held(self) -> dict[str, Execution]:
        held = self._node.farm.store.executions.held_by(self._node.name, BATCH)
        return {execution.id: execution for execution in held}

    def _keep_reserved(self, idle: Iterable[Execution]) -> None:
        self._node.reservations.hold(
            {execution.id: Reservation(execution.spec.resources.needs, execution.gpu_ids) for execution in idle}
        )

    def _send(self, execution: Execution) -> None:
        demand = demand_of(self._node.farm.settings, execution)
        self._node.farm.queue.push(execution.id, demand, node=self._node.name)

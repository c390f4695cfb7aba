"""Take up what this node holds in MongoDB but does not run: what a worker left that crashed or handed over.

And let go of what it runs but does not hold any more: it was silent for too long, was given up, and is back.
"""

from __future__ import annotations

from jobrunner.engine.janitors.reap import reap_execution
from jobrunner.engine.node import ThisNode

BATCH = 1000


class Resume:
    """The duty, with what it saw last: a run that has just ended looks as if it was not running, for a moment."""

    def __init__(self, node: ThisNode) -> None:
        self._node = node
        self._seen: set[str] = set()

    def at_start(self) -> int:
        """Send a message to this node for everything that it holds; nothing runs here yet. How many there were."""
        held = self._held()
        for execution_id in held:
            self._node.farm.queue.push(execution_id, node=self._node.name)
        return len(held)

    def now_and_then(self) -> None:
        """Send a message for what was not running here at the last look, and is not now; end what was given up."""
        running = {run.execution_id for run in self._node.runs()}
        held = self._held()
        for execution_id in running - held:
            reap_execution(self._node, execution_id)
        idle = held - running
        for execution_id in idle & self._seen:
            self._node.farm.queue.push(execution_id, node=self._node.name)
        self._seen = idle

    def _held(self) -> set[str]:
        return {execution.id for execution in self._node.farm.store.executions.held_by(self._node.name, BATCH)}

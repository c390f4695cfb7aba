"""Remove containers of this farm that no living execution has."""

from __future__ import annotations

from jobrunner.domain.events import Repaired
from jobrunner.engine.node import ThisNode


def reap(node: ThisNode) -> int:
    """Remove the containers on this Engine whose executions are over or unknown; how many those were.

    An execution never changes its node, so one that is not over keeps its container, whichever worker has it.
    """
    return sum(reap_execution(node, container.execution_id) for container in node.executor.containers())


def reap_execution(node: ThisNode, execution_id: str) -> bool:
    """Remove the container of an execution, if the execution is over; whether that was so."""
    execution = node.farm.store.executions.get(execution_id)
    if execution is not None and not execution.state.is_terminal:
        return False
    node.executor.remove(execution_id)
    return True


def reap_and_tell(node: ThisNode) -> None:
    """Reap, and announce what was found: a container is normally removed by the run that closed its execution."""
    removed = reap(node)
    if removed:
        node.farm.announce(Repaired(janitor="reap", what=f"removed {removed} containers whose executions are over"))

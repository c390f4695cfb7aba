"""Give the message of an execution back when its worker shuts down, or take up what a dead worker left."""

from __future__ import annotations

from collections.abc import Iterable

from jobrunner.domain.events import Trouble
from jobrunner.domain.states import ON_A_NODE, State
from jobrunner.engine.demand import demand_of
from jobrunner.engine.node import ThisNode
from jobrunner.engine.send import send
from jobrunner.errors import ServiceUnavailable


def hand_back(node: ThisNode, execution_id: str) -> None:
    """Put a message where it belongs now: for this node if it holds the execution, else for all.

    Best effort: what this node holds it takes up at its next start, and an execution without a message gets one.
    """
    try:
        _put_back(node, execution_id)
    except ServiceUnavailable as error:
        node.farm.announce(Trouble(execution_id, "hand back", str(error)))


def return_unclaimed(node: ThisNode, execution_ids: Iterable[str]) -> None:
    """Put back what a dead worker of this node took and did not come to claim; forget the messages of what is over."""
    for execution_id in execution_ids:
        execution = node.farm.store.executions.get(execution_id)
        if execution is None or execution.state.is_terminal:
            node.farm.queue.withdraw(execution_id)
        elif execution.state is State.ENQUEUED:
            send(node.farm, execution)


def forget_message(node: ThisNode, execution_id: str) -> bool:
    """Forget a message that nobody beats for, if its execution is over; False where that cannot be said just now.

    Its worker died after the close, or Redis was away when it was to be told of the end.
    """
    try:
        execution = node.farm.store.executions.get(execution_id)
        if execution is None or execution.state.is_terminal:
            node.farm.queue.withdraw(execution_id)
    except ServiceUnavailable as error:
        node.farm.announce(Trouble(execution_id, "forget message", str(error)))
        return False
    return True


def _put_back(node: ThisNode, execution_id: str) -> None:
    execution = node.farm.store.executions.get(execution_id)
    if execution is None:
        return
    demand, since = demand_of(node.farm.settings, execution), execution.times.get(State.ENQUEUED)
    if execution.state is State.ENQUEUED:  # it was taken in its turn, and has it still
        node.farm.queue.push(execution_id, demand, waiting_since=since, at_front=True)
    elif execution.state in ON_A_NODE and execution.node == node.name:
        node.farm.queue.push(execution_id, demand, node=node.name)

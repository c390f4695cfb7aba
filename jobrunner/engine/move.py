"""The functions that change the state of an execution: of one, and of all that wait in an array."""

from __future__ import annotations

from typing import Any

from jobrunner.domain.events import Moved
from jobrunner.domain.executions import Execution
from jobrunner.domain.states import State, may_move
from jobrunner.engine.farm import Farm


def move(farm: Farm, execution: Execution, target: State, **changes: Any) -> Execution | None:
    """Move an execution to `target`, together with other changes, if it is still as we know it: same state and claim.

    Returns it as it is afterwards, or None where somebody else was faster: read it again, and think again.
    Raises ValueError for a move that the table of states does not have (a fault in the program).
    """
    if not may_move(execution.state, target):
        raise ValueError(f"no execution moves from {execution.state} to {target}")
    moved = farm.store.executions.compare_and_set(
        execution.id,
        states=[execution.state],
        claim=execution.claim,
        changes={"state": target, "moved_at": farm.clock.now(), **changes},
    )
    if moved is not None:
        farm.announce(Moved(execution.id, execution.state, target, moved.node, moved.reason))
    return moved


def move_waiting(farm: Farm, job_id: str, target: State, **changes: Any) -> int:
    """Move all executions of a job's array that wait for their turn, with the same changes; how many those were."""
    if not may_move(State.SCHEDULED, target):
        raise ValueError(f"no execution moves from {State.SCHEDULED} to {target}")
    moved_at = farm.clock.now()
    return farm.store.arrays.move_waiting(job_id, {"state": target, "moved_at": moved_at, **changes})

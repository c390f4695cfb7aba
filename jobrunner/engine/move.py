"""The only place where the state of an execution changes: one at a time, or many in one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobrunner.domain.events import Moved
from jobrunner.domain.executions import Execution
from jobrunner.domain.states import State, may_move
from jobrunner.engine.farm import Farm


def move_all(farm: Farm, executions: Sequence[Execution], target: State) -> bool:
    """Move executions of the same state and claim to `target` in one step, each if it is still as we know it.

    Whether all of them were moved. If not, nobody knows which of them were: read them again.
    """
    origin, claim = executions[0].state, executions[0].claim
    if not may_move(origin, target) or any((e.state, e.claim) != (origin, claim) for e in executions):
        raise ValueError(f"these executions do not move from {origin} to {target} together")
    changes = {"state": target, "moved_at": farm.clock.now()}
    ids = [execution.id for execution in executions]
    if farm.store.executions.set_all(ids, state=origin, claim=claim, changes=changes) != len(ids):
        return False
    for execution_id in ids:
        farm.announce(Moved(execution_id, origin, target))
    return True


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

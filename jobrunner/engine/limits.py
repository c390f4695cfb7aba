"""Limits to how many executions of a kind run at once: of a group, of a task, of a pool's rule.

An execution is counted in the store before it is claimed, and until it has ended: so no crash can have more of them
running than may. Redis has a copy, by which nodes pass by what has to wait; what it says is only a hint.
"""

from __future__ import annotations

from jobrunner.domain.events import Trouble
from jobrunner.domain.executions import Execution
from jobrunner.engine.demand import demand_of
from jobrunner.engine.farm import Farm
from jobrunner.errors import QueueUnavailable, ServiceUnavailable


def hold_limits(farm: Farm, execution: Execution) -> tuple[str, ...] | None:
    """Have an execution counted under all its limits, whose names are returned; None where one of them is reached.

    Where it is not claimed afterwards it stays counted until the janitor `limits` looks: it cannot be told here
    whether another run of the same execution has claimed it.
    """
    limits = demand_of(farm.settings, execution).limits
    for limit in limits:
        if not farm.store.limits.hold(limit.name, execution.id, limit.most):
            note_limit(farm, limit.name)
            return None
    return tuple(limit.name for limit in limits)


def free_limits(farm: Farm, ended: Execution) -> None:
    """Have an execution that has ended not counted any more. Best effort: the janitor does what was not done."""
    if not ended.limits:
        return
    try:
        for name in ended.limits:
            farm.store.limits.free(name, ended.id)
        farm.queue.free_limits(ended.id, ended.limits)
    except ServiceUnavailable as error:
        farm.announce(Trouble(ended.id, "free limits", str(error)))


def note_limit(farm: Farm, name: str) -> None:
    """Tell Redis what the store has counted under a limit."""
    try:
        farm.queue.note_limit(name, farm.store.limits.holders(name))
    except QueueUnavailable as error:
        farm.announce(Trouble(None, "note limit", str(error)))

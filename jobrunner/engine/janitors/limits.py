"""Free limits of executions that are counted and do not run: their end was not noted, or they were not claimed.

And tell Redis what is counted, so that nodes take no more than may run, and all that may.
"""

from __future__ import annotations

from jobrunner.domain.events import Repaired
from jobrunner.domain.states import ON_A_NODE, State
from jobrunner.engine.farm import Farm

Holding = tuple[str, str]


class FreeLimits:
    """The duty, with what it saw last: what is counted is claimed a moment later, normally."""

    def __init__(self) -> None:
        self._suspects: set[Holding] = set()

    def look(self, farm: Farm) -> None:
        """Look at all that is counted; what did not run at the last look, and does not now, is freed.

        Raises QueueUnavailable: a limit is forgotten only once Redis knows that nothing is counted under it.
        """
        suspects = set()
        limits = farm.store.limits.all()
        for name, holders in limits.items():
            for execution_id in holders:
                if _runs_under(farm, name, execution_id):
                    continue
                if (name, execution_id) not in self._suspects or not _free(farm, name, execution_id):
                    suspects.add((name, execution_id))
            farm.queue.note_limit(name, farm.store.limits.holders(name))
        self._suspects = suspects
        farm.store.limits.forget_unused(name for name, holders in limits.items() if not holders)


def _runs_under(farm: Farm, name: str, execution_id: str) -> bool:
    execution = farm.store.executions.get(execution_id)
    return execution is not None and execution.state in ON_A_NODE and name in execution.limits


def _free(farm: Farm, name: str, execution_id: str) -> bool:
    """Free it, unless it is claimed in this very moment; whether it was freed.

    A run that counted it and hangs since must not claim it after all: so its claim number goes up first.
    """
    execution = farm.store.executions.get(execution_id)
    if execution is not None and execution.state is State.ENQUEUED:
        fenced = farm.store.executions.compare_and_set(
            execution_id,
            states=[State.ENQUEUED],
            claim=execution.claim,
            changes={"claim": execution.claim + 1},
        )
        if fenced is None:
            return False
    elif execution is not None and execution.state in ON_A_NODE and name in execution.limits:
        return False
    farm.store.limits.free(name, execution_id)
    farm.announce(Repaired(execution_id, janitor="limits", what=f"it was counted under {name!r}, and did not run"))
    return True

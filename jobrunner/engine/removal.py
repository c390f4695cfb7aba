"""How what is not to be kept goes: for good, or in a rehearsal, which deletes nothing and announces the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jobrunner.domain.events import Pruned
from jobrunner.domain.executions import Execution
from jobrunner.domain.states import TERMINAL
from jobrunner.engine.farm import Farm
from jobrunner.engine.forget import forget, forget_output, may_be_forgotten


class Removal:
    """Deletes for good."""

    def forget(self, farm: Farm, execution: Execution) -> bool:
        """Delete an execution with all that belongs to it, if that may be; whether it was done."""
        return forget(farm, execution)

    def forget_output(self, farm: Farm, execution: Execution) -> Execution:
        """Delete the output of an ended execution; the execution as it is then."""
        return forget_output(farm, execution)

    def look_again(self, farm: Farm, execution: Execution, at: datetime | None) -> None:
        """Note when what was looked at is to be looked at next by what its job says; None: not any more."""
        farm.store.executions.compare_and_set(execution.id, states=TERMINAL, claim=None, changes={"prune_at": at})

    def still_there(self, forgotten: Sequence[bool]) -> int:
        """How many of those that were to be forgotten the store still has, by what `forget` has answered."""
        return forgotten.count(False)


class Rehearsal(Removal):
    """Deletes and writes nothing. It remembers the ids of what would be gone: else that would be announced twice."""

    def __init__(self) -> None:
        self._executions: set[str] = set()
        self._outputs: set[str] = set()

    def forget(self, farm: Farm, execution: Execution) -> bool:
        """Whether it may be deleted."""
        if execution.id not in self._executions:
            if not may_be_forgotten(farm, execution):
                return False
            self._executions.add(execution.id)
            farm.announce(Pruned(execution.id, what="execution"))
        return True

    def forget_output(self, farm: Farm, execution: Execution) -> Execution:
        """The execution as it is."""
        is_gone = execution.id in self._executions or execution.id in self._outputs
        if not is_gone and farm.store.output.last(execution.id) is not None:
            self._outputs.add(execution.id)
            farm.announce(Pruned(execution.id, what="output"))
        return execution

    def look_again(self, farm: Farm, execution: Execution, at: datetime | None) -> None:
        """Nothing: the janitor is to look at it as if there had been no rehearsal."""

    def still_there(self, forgotten: Sequence[bool]) -> int:
        """All of them."""
        return len(forgotten)

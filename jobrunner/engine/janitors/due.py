"""Fire scheduled executions whose time has come and that have no alarm: Redis lost it, or never got it."""

from __future__ import annotations

from datetime import timedelta

from jobrunner.domain.events import Repaired
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm
from jobrunner.engine.fire import fire

BATCH = 500
GRACE_SECONDS = 2.0  # the alarm itself goes off within a second


def fire_overdue(farm: Farm) -> None:
    """Look through all that are overdue, a batch at a time; those that have an alarm ring by themselves."""
    before = farm.clock.now() - timedelta(seconds=GRACE_SECONDS)
    after_id = None
    while batch := farm.store.executions.overdue(before, after_id, BATCH):
        for execution_id in farm.triggers.without_alarm(batch):
            _fire(farm, execution_id)
        after_id = batch[-1]
        if farm.stopping.is_set():
            return


def _fire(farm: Farm, execution_id: str) -> None:
    """Fire it, unless it has been fired since the look: alarms are removed after that, and not before."""
    execution = farm.store.executions.get(execution_id)
    if execution is None or execution.state is not State.SCHEDULED:
        return
    again_at = fire(farm, execution_id)
    if again_at is not None:
        farm.triggers.at(execution_id, again_at)
    farm.announce(Repaired(execution_id, janitor="due", what="its alarm was lost"))

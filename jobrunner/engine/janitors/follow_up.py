"""Look after executions that wait for other jobs, where a crash came in between, or where there were many of them."""

from __future__ import annotations

from jobrunner.engine.farm import Farm
from jobrunner.engine.follow_up import follow_up

BATCH = 100


def follow_up_owed(farm: Farm) -> None:
    """All of it, a batch at a time. What was done before is done again without harm."""
    while batch := farm.store.dependencies.owing_follow_up(BATCH):
        for execution in batch:
            follow_up(farm, execution)
            if farm.stopping.is_set():
                return

"""Make the attempts that ended executions owe, where a crash came between the close and the making."""

from __future__ import annotations

from jobrunner.engine.farm import Farm
from jobrunner.engine.finish import make_retry

BATCH = 200


def make_owed_retries(farm: Farm) -> None:
    """One batch. Making an attempt that is there already changes nothing."""
    for ended in farm.store.executions.owing_retry(BATCH):
        make_retry(farm, ended)

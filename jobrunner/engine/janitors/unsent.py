"""Make the deliveries that executions owe, where a crash or an outage came between the move and the making."""

from __future__ import annotations

from jobrunner.engine.farm import Farm
from jobrunner.engine.notify import notify

BATCH = 200


def make_owed_deliveries(farm: Farm) -> None:
    """One batch. Making a delivery that is there already changes nothing."""
    for execution in farm.store.executions.owing_deliveries(BATCH):
        notify(farm, execution)

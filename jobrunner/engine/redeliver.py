"""Read the deliveries of an execution, and have one made again by hand."""

from __future__ import annotations

from jobrunner.domain.deliveries import Delivery
from jobrunner.domain.executions import Execution
from jobrunner.domain.identifiers import check_uuid
from jobrunner.engine.farm import Farm
from jobrunner.engine.notify import wake_deliverers
from jobrunner.errors import Conflict, NotFound


def deliveries_of(farm: Farm, execution: Execution) -> list[Delivery]:
    """All deliveries of an execution, the oldest first."""
    return farm.store.deliveries.of_execution(execution.id)


def redeliver(farm: Farm, execution: Execution, delivery_id: str) -> Delivery:
    """Have a delivery made now, once more at least, under the same id; if that fails, its retries go on.

    Raises InvalidRequest, NotFound, Conflict (it is being made at this moment).
    """
    stored = farm.store.deliveries.get(check_uuid("deliveryId", delivery_id))
    if stored is None or stored.execution_id != execution.id:
        raise NotFound("deliveryId", delivery_id)
    owed = farm.store.deliveries.owe_again(stored.id, farm.clock.now())
    if owed is None:
        raise Conflict("deliveryId", "is being delivered at this moment; see what becomes of that")
    wake_deliverers(farm, execution.id)
    return owed

"""Delete what was kept for long enough: the output of an execution, or all of it.

What is reached through something goes before it: chunks and deliveries first, the execution last. So whoever dies in
between leaves nothing that nobody finds again.
"""

from __future__ import annotations

from datetime import timedelta

from jobrunner.domain.deliveries import DeliveryState
from jobrunner.domain.events import Pruned
from jobrunner.domain.executions import Execution
from jobrunner.domain.states import TERMINAL, State
from jobrunner.engine.farm import Farm

CHUNKS = 256  # that are deleted at a time
LOST_FOR_AT_LEAST = timedelta(days=1)  # a node that comes back may still store what it had in hand


def forget(farm: Farm, execution: Execution) -> bool:
    """Delete an execution with all that belongs to it, if that may be; whether it was done. Idempotent."""
    if not may_be_forgotten(farm, execution):
        return False
    if _has_output(farm, execution):
        _delete_output(farm, execution)
    farm.store.deliveries.delete_of_execution(execution.id)
    if farm.store.executions.delete(execution.id):
        farm.store.jobs.discount_execution(execution.job_id)
        farm.announce(Pruned(execution.id, what="execution"))
    return True


def forget_output(farm: Farm, execution: Execution) -> Execution:
    """Delete the output of an ended execution, if there is any; the execution as it is then. Idempotent."""
    if not _has_output(farm, execution):
        return execution
    pruned = _delete_output(farm, execution)
    farm.announce(Pruned(execution.id, what="output"))
    return pruned


def _has_output(farm: Farm, execution: Execution) -> bool:
    """Whether there may be something; what a worker that died has kept of its files can only be looked for."""
    return bool(execution.spec.outputs) or farm.store.output.last(execution.id) is not None


def _delete_output(farm: Farm, execution: Execution) -> Execution:
    """Say that it is deleted, then do it: nobody is to take a part of it for all.

    `prune_at` has it completed where it is broken off.
    """
    said = None
    if execution.output_deleted_at is None:
        now = farm.clock.now()
        said = farm.store.executions.compare_and_set(
            execution.id, states=TERMINAL, claim=None, changes={"output_deleted_at": now, "prune_at": now}
        )
    while farm.store.output.delete(execution.id, CHUNKS):
        pass
    if execution.spec.outputs:  # also what a worker that died had stored, and did not come to show
        farm.store.contents.delete_of(execution.id)
        farm.store.artifacts.delete(execution.id)
    return said or execution


def may_be_forgotten(farm: Farm, execution: Execution) -> bool:
    """Whether nothing needs it any more: it owes nothing, is not its job's last one, and would not be made again."""
    return (
        execution.state.is_terminal
        and not _owes_something(farm, execution)
        and farm.store.executions.was_followed(execution)
        and not _may_be_made_again(farm, execution)
        and not _may_still_write(farm, execution)
        and not _is_of_open_array(farm, execution)
    )


def _is_of_open_array(farm: Farm, execution: Execution) -> bool:
    """Whether others of its array go on: how that ends as a whole is counted from all of them."""
    return execution.array_index is not None and farm.store.arrays.is_open(execution.job_id)


def _owes_something(farm: Farm, execution: Execution) -> bool:
    deliveries = farm.store.deliveries.of_execution(execution.id)
    is_owed = any(delivery.state is DeliveryState.OWED for delivery in deliveries)
    return execution.owes_retry or bool(execution.owes_follow_up) or bool(execution.owed_deliveries) or is_owed


def _may_be_made_again(farm: Farm, execution: Execution) -> bool:
    """Whether somebody may still be about to make it: that it is there keeps it from being made twice."""
    now = farm.clock.now()
    if execution.due_at is not None and execution.due_at > now:
        return True
    before = farm.store.executions.get(execution.retried_from) if execution.retried_from else None
    if before is not None and before.owes_retry:
        return True
    waiting = farm.store.executions.next_of_job(execution.job_id) if execution.spec.cron else None
    return waiting is not None and waiting.due_at is not None and waiting.due_at <= now


def _may_still_write(farm: Farm, execution: Execution) -> bool:
    ended_at = execution.finished_at or farm.clock.now()
    return execution.state is State.LOST and farm.clock.now() - ended_at < LOST_FOR_AT_LEAST

"""Stop executions and jobs. The wish is stored first, so it is carried out even if worker or Redis are away now."""

from __future__ import annotations

from enum import StrEnum

from jobrunner.domain import outcomes
from jobrunner.domain.events import Trouble
from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.states import TERMINAL, WAITING, State
from jobrunner.engine.farm import Farm
from jobrunner.engine.finish import close
from jobrunner.engine.make import make_next_tick
from jobrunner.errors import QueueUnavailable

BATCH = 500
OPEN = [state for state in State if state not in TERMINAL]


class Stopped(StrEnum):
    """What a stop did."""

    BEFORE_START = "stopped before it started"
    STOPPING = "stopping"
    ALREADY_OVER = "already over"


def stop_execution(farm: Farm, execution: Execution) -> Stopped:
    """Stop one execution. Idempotent. Raises StoreUnavailable: then nothing may have happened.

    A cron goes on without the one tick that is stopped: the next one is made first, as when a tick is fired.
    """
    if execution.state is State.SCHEDULED and execution.is_tick:
        make_next_tick(farm, execution)
    return stop_alone(farm, execution)


def stop_alone(farm: Farm, execution: Execution) -> Stopped:
    """The same, but the tick that follows it is not made."""
    wished = farm.store.executions.compare_and_set(
        execution.id,
        states=OPEN,
        claim=None,
        changes={"stop_requested_at": execution.stop_requested_at or farm.clock.now()},
    )
    while wished is not None and wished.state in WAITING:
        if close(farm, wished, outcomes.stopped_before_start()):
            _forget_message(farm, wished)
            return Stopped.BEFORE_START
        wished = farm.store.executions.get(execution.id)
    if wished is None or wished.state.is_terminal:
        return Stopped.ALREADY_OVER
    _tell_node(farm, wished)
    return Stopped.STOPPING


def stop_job(farm: Farm, job: Job) -> None:
    """Stop all that a job does: what runs, what waits, its schedule and its retries."""
    farm.store.jobs.set_stopped(job.id, farm.clock.now())
    while open_now := farm.store.executions.open_of_job(job.id, BATCH):
        for execution in open_now:
            stop_alone(farm, execution)


def withdraw_superseded(farm: Farm, job: Job) -> None:
    """Stop what waits for its time under an earlier definition of the job; what is under way by now goes on."""
    while old := farm.store.executions.scheduled_of_job(job.id, BATCH, below_revision=job.revision):
        for execution in old:
            close(farm, execution, outcomes.superseded())
            _forget_message(farm, execution)


def _forget_message(farm: Farm, execution: Execution) -> None:
    try:
        farm.queue.withdraw(execution.id)
        farm.triggers.cancel(execution.id)
    except QueueUnavailable as error:  # a message without a living execution is dropped by whoever takes it
        farm.announce(Trouble(execution.id, "stop", str(error)))


def _tell_node(farm: Farm, execution: Execution) -> None:
    if execution.node is None:
        return
    try:
        farm.queue.signal_stop(execution.id, execution.node)
    except QueueUnavailable as error:  # the node reads the wish from the store a little later
        farm.announce(Trouble(execution.id, "stop", str(error)))

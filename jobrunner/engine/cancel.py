"""Stop executions and jobs. The wish is stored first, so it is carried out even if worker or Redis are away now."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from jobrunner.domain import outcomes
from jobrunner.domain.events import Trouble
from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.identifiers import retry_id
from jobrunner.domain.states import TERMINAL, WAITING, State
from jobrunner.engine.array import end_waiting
from jobrunner.engine.farm import Farm
from jobrunner.engine.finish import close, make_retry
from jobrunner.engine.make import make_next_tick
from jobrunner.errors import QueueUnavailable

BATCH = 500
OPEN = [state for state in State if state not in TERMINAL]


class Stopped(StrEnum):
    """What a stop did."""

    BEFORE_START = "stopped before it started"
    STOPPING = "stopping"
    ALREADY_OVER = "already over"
    NEXT_ATTEMPT = "already over; the next attempt is stopped before it started"


@dataclass(frozen=True)
class StoppedJob:
    """What the stop of a job did: how many executions it ended before they started, and how many are stopping now.

    `was_stopped`: the job had been stopped before.
    """

    was_stopped: bool
    before_start: int
    stopping: int


def stop_execution(farm: Farm, execution: Execution) -> Stopped:
    """Stop one execution. Idempotent. Raises StoreUnavailable: then nothing may have happened.

    A cron goes on without the one tick that is stopped: the next one is made first, as when a tick is fired.
    One that has failed, and waits to be tried again, is not.
    """
    if execution.state is State.SCHEDULED and execution.is_tick:
        make_next_tick(farm, execution)
    stopped = stop_alone(farm, execution)
    if stopped is Stopped.ALREADY_OVER and _stop_next_attempt(farm, execution):
        return Stopped.NEXT_ATTEMPT
    return stopped


def _stop_next_attempt(farm: Farm, execution: Execution) -> bool:
    """Stop the attempt that follows an ended one, if it waits for its time; whether that was so."""
    ended = farm.store.executions.get(execution.id)
    if ended is not None and ended.owes_retry:
        make_retry(farm, ended)
    following = farm.store.executions.get(retry_id(execution.id))
    if following is None or following.state is not State.SCHEDULED:
        return False
    return stop_alone(farm, following) is Stopped.BEFORE_START


def stop_alone(farm: Farm, execution: Execution, *, tell_redis: bool = True) -> Stopped:
    """Stop one execution; the tick that follows it is not made, and the attempt that follows it goes on."""
    wished = farm.store.executions.compare_and_set(
        execution.id,
        states=OPEN,
        claim=None,
        changes={"stop_requested_at": execution.stop_requested_at or farm.clock.now()},
    )
    while wished is not None and wished.state in WAITING:
        if close(farm, wished, outcomes.stopped_before_start()):
            if tell_redis:
                _forget_message(farm, wished)
            return Stopped.BEFORE_START
        wished = farm.store.executions.get(execution.id)
    if wished is None or wished.state.is_terminal:
        return Stopped.ALREADY_OVER
    if tell_redis:
        _tell_node(farm, wished)
    return Stopped.STOPPING


def stop_job(farm: Farm, job: Job) -> StoppedJob:
    """Stop all that a job does: what runs, what waits, its schedule and its retries. Idempotent."""
    farm.store.jobs.set_stopped(job.id, farm.clock.now())
    redis_answers = _redis_answers(farm, job)
    counts: Counter[Stopped] = Counter()
    if job.spec.array is not None:  # first: then nobody has a turn to pass on
        counts[Stopped.BEFORE_START] += end_waiting(farm, job.id, outcomes.stopped_before_start())
    while open_now := farm.store.executions.open_of_job(job.id, BATCH):
        counts.update(stop_alone(farm, execution, tell_redis=redis_answers) for execution in open_now)
    return StoppedJob(job.stopped_at is not None, counts[Stopped.BEFORE_START], counts[Stopped.STOPPING])


def withdraw_superseded(farm: Farm, job: Job) -> None:
    """Stop what waits for its time under an earlier definition of the job; what is under way by now goes on."""
    while old := farm.store.executions.scheduled_of_job(job.id, BATCH, below_revision=job.revision):
        for execution in old:
            close(farm, execution, outcomes.superseded())
            _forget_message(farm, execution)


def _redis_answers(farm: Farm, job: Job) -> bool:
    """Asked once for all executions of a job: where Redis hangs, each of them would wait for it."""
    try:
        farm.queue.check()
    except QueueUnavailable as error:
        farm.announce(Trouble(where=f"stop of job {job.id}", error=str(error)))
        return False
    return True


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

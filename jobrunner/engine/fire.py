"""The time of a scheduled execution has come: enqueue it; for a cron, make the next tick first.

The next tick is made before this one moves on, and both are idempotent. So whoever dies in between, the execution is
still scheduled, it is fired again, and the chain of a cron never breaks.
"""

from __future__ import annotations

from jobrunner.domain import outcomes
from jobrunner.domain.executions import Execution
from jobrunner.domain.schedules import due_at
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm
from jobrunner.engine.finish import close
from jobrunner.engine.move import move
from jobrunner.engine.submit import make_execution, send


def fire(farm: Farm, execution_id: str) -> None:
    """Enqueue a scheduled execution that is due. Anything else (moved on, stopped, not due yet) is left alone."""
    execution = farm.store.executions.get(execution_id)
    if execution is None or execution.state is not State.SCHEDULED:
        return
    if execution.due_at is not None and execution.due_at > farm.clock.now():
        farm.triggers.at(execution.id, execution.due_at)
        return
    if execution.spec.cron and execution.attempt == 1:
        make_next_tick(farm, execution)
    expires_at = execution.spec.expires_at
    if expires_at is not None and farm.clock.now() > expires_at:
        close(farm, execution, outcomes.expired(expires_at))
        return
    enqueued = move(farm, execution, State.ENQUEUED)
    if enqueued is not None:
        send(farm, enqueued)


def make_next_tick(farm: Farm, tick: Execution) -> None:
    """Make the execution of the cron instant that follows now, once, unless the job was stopped or is gone."""
    job = farm.store.jobs.get(tick.job_id)
    if job is None or job.stopped_at is not None or job.spec.cron is None:
        return
    now = farm.clock.now()
    due = due_at(job.spec, now)
    following = make_execution(farm, job, now, due)
    if farm.store.executions.add(following):
        farm.store.jobs.count_execution(job.id, now)
    assert due is not None  # a job with a cron has a next instant
    farm.triggers.at(following.id, due)

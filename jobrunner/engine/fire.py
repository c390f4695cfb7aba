"""The time of a scheduled execution has come: enqueue it; for a cron, make the tick that follows first.

The next tick is made before this one moves on, and both are idempotent. So whoever dies in between, the execution is
still scheduled, it is fired again, and the chain of a cron never breaks. An execution is there before its job is read:
what a stop, a pause or a new definition of the job did not find among its executions finds the job so changed here.
"""

from __future__ import annotations

from datetime import datetime

from jobrunner.domain import outcomes
from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.misfire import A_SECOND
from jobrunner.domain.outcomes import Outcome
from jobrunner.domain.specs import Overlap
from jobrunner.domain.states import State
from jobrunner.engine.claim import refuse
from jobrunner.engine.farm import Farm
from jobrunner.engine.finish import close
from jobrunner.engine.make import add_tick, go_on, ticks_of
from jobrunner.engine.move import move
from jobrunner.engine.overlap import let_in
from jobrunner.engine.pause import hold
from jobrunner.engine.send import send


def fire(farm: Farm, execution_id: str) -> datetime | None:
    """Enqueue a scheduled execution that is due. Anything else (moved on, stopped, not due yet) is left alone.

    So is what has no time of its own, and waits for other jobs or for its turn in an array.
    Returns when it is to be fired again; None: its alarm has done its work.
    """
    execution = farm.store.executions.get(execution_id)
    if execution is None or execution.state is not State.SCHEDULED or execution.due_at is None:
        return None
    if execution.due_at > farm.clock.now():
        return execution.due_at
    job = farm.store.jobs.get(execution.job_id)
    if job is None or job.stopped_at is not None:  # it was made while its job was being stopped
        return _close(farm, execution, outcomes.stopped_before_start())
    if execution.revision != job.revision:
        return _withdraw(farm, job, execution)
    if execution.held or (job.paused_at is not None and execution.attempt == 1):
        return hold(farm, execution)
    refusal = _make_following(farm, job, execution) or refuse(farm, execution)
    if refusal is not None:
        return _close(farm, execution, refusal)
    if execution.is_tick and job.spec.overlap is not Overlap.ALLOW:
        return let_in(farm, execution, _enqueue)
    return _enqueue(farm, execution)


def _withdraw(farm: Farm, job: Job, execution: Execution) -> datetime | None:
    """It is of an earlier definition of its job. Who gave it the new one may have died: see that it goes on."""
    if job.spec.cron is not None and job.paused_at is None:
        since = (execution.tick_at or farm.clock.now()) - A_SECOND
        go_on(farm, job, max(since, job.modified_at))
    return _close(farm, execution, outcomes.superseded())


def _make_following(farm: Farm, job: Job, tick: Execution) -> Outcome | None:
    """Make the tick that comes after this one. An outcome: this one was missed, and does not run."""
    if not tick.is_tick or tick.tick_at is None:
        return None
    ticks, as_of = ticks_of(farm, job), tick.fired_at or farm.clock.now()
    if tick.fired_at is not None:  # found to be late already, and to run all the same
        add_tick(farm, job, ticks.following(tick.tick_at), as_of)
        return None
    verdict = ticks.judge(tick.tick_at, as_of)
    add_tick(farm, job, verdict.following, as_of)
    return None if verdict.runs else outcomes.misfired(tick.tick_at, ticks.window.total_seconds())


def _enqueue(farm: Farm, execution: Execution) -> datetime | None:
    enqueued = move(farm, execution, State.ENQUEUED)
    if enqueued is not None:
        send(farm, enqueued)
        return None
    return _look_again(farm, execution)


def _close(farm: Farm, execution: Execution, outcome: Outcome) -> datetime | None:
    return None if close(farm, execution, outcome) else _look_again(farm, execution)


def _look_again(farm: Farm, execution: Execution) -> datetime | None:
    """Somebody else was faster. If that has not moved it on (it was held, and released), it is fired again."""
    current = farm.store.executions.get(execution.id)
    return farm.clock.now() if current is not None and current.state is State.SCHEDULED else None

"""Fire many executions in a few round trips: those for which firing is no more than to be enqueued, on time.

What is not so plain (it is late, held, may not overlap, its job has changed, ...) is left for `jobrunner.engine.fire`,
as is everything in which somebody else had a hand meanwhile. The order is that of `fire`, so a crash loses as little:
executions are read before their jobs, and ticks that follow are made before anything moves on.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.specs import Overlap
from jobrunner.domain.states import State
from jobrunner.engine.claim import refuse
from jobrunner.engine.farm import Farm
from jobrunner.engine.make import add_ticks, make_tick, ticks_of
from jobrunner.engine.move import move_all
from jobrunner.engine.send import send_all


def fire_together(farm: Farm, execution_ids: Sequence[str]) -> set[str]:
    """Enqueue those of these executions that can be enqueued together. Returns which those were."""
    plain = _plain(farm, execution_ids)
    if not plain:
        return set()
    following = [tick for execution, job in plain for tick in _following(farm, job, execution)]
    if following:
        add_ticks(farm, following)
    fired = [execution for execution, _ in plain]
    if not move_all(farm, fired, State.ENQUEUED):
        return set()  # those that were moved have no message: `fire` leaves them, and the janitor `requeue` sends them
    send_all(farm, fired)
    return {execution.id for execution in fired}


def _plain(farm: Farm, execution_ids: Sequence[str]) -> list[tuple[Execution, Job]]:
    """The plain ones of these, at most one of each job, each with its job."""
    executions = farm.store.executions.get_all(execution_ids)
    jobs = {job.id: job for job in farm.store.jobs.get_all({execution.job_id for execution in executions})}
    one_each = {execution.job_id: execution for execution in executions if execution.job_id in jobs}
    now = farm.clock.now()
    return [(e, jobs[e.job_id]) for e in one_each.values() if _is_plain(farm, jobs[e.job_id], e, now)]


def _is_plain(farm: Farm, job: Job, execution: Execution, now: datetime) -> bool:
    is_due = execution.state is State.SCHEDULED and execution.due_at is not None and execution.due_at <= now
    is_as_made = execution.claim == 0 and execution.fired_at is None and execution.revision == job.revision
    if not is_due or not is_as_made or job.stopped_at is not None or job.paused_at is not None:
        return False
    if execution.is_tick and (job.spec.overlap is not Overlap.ALLOW or not _is_on_time(farm, job, execution, now)):
        return False
    return refuse(farm, execution) is None


def _is_on_time(farm: Farm, job: Job, tick: Execution, now: datetime) -> bool:
    return tick.due_at is not None and tick.due_at >= now - ticks_of(farm, job).window


def _following(farm: Farm, job: Job, execution: Execution) -> list[Execution]:
    """The tick that comes after this one; none after what is no tick, or the last before the job expires."""
    if not execution.is_tick or execution.tick_at is None:
        return []
    instant = ticks_of(farm, job).following(execution.tick_at)
    if job.spec.expires_at is not None and instant > job.spec.expires_at:
        return []
    return [make_tick(farm, job, instant, as_of=farm.clock.now())]

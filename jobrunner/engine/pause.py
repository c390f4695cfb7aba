"""Pause the schedule of a job, and resume it. While it is paused, what waits for its time is held, and not fired.

Ticks whose time comes meanwhile are left out. A start by delay or at an instant is kept: after the resumption it comes
at its time, or at once if that has passed. Waiting retries go on: they belong to a run that has begun.

The pause is noted in the job first, and then what waits is held under a new claim number. So a scheduler that has read
the job before the pause, and is slow, can enqueue nothing after it; and what it makes meanwhile finds the job paused.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from jobrunner.domain import outcomes
from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm
from jobrunner.engine.finish import close
from jobrunner.engine.make import go_on
from jobrunner.engine.send import set_alarm
from jobrunner.errors import Conflict

BATCH = 500


class Paused(StrEnum):
    """What a request to pause or to resume did."""

    PAUSED = "paused"
    WAS_PAUSED = "was paused already"
    RESUMED = "resumed"
    WAS_NOT_PAUSED = "was not paused"


def pause(farm: Farm, job: Job) -> Paused:
    """Pause the schedule of a job. Idempotent. Raises Conflict where it has none, or none that is still to come."""
    _check_has_schedule(job)
    if job.spec.cron is None and farm.store.executions.next_of_job(job.id) is None:
        raise Conflict("jobId", "has started already, and does not start again by itself: there is nothing to pause")
    paused = farm.store.jobs.pause(job.id, farm.clock.now())
    for execution in _waiting(farm, job, held=False):
        _set_held(farm, execution, held=True)
    return Paused.PAUSED if paused else Paused.WAS_PAUSED


def resume(farm: Farm, job: Job) -> Paused:
    """Have the schedule of a job go on. Idempotent. Raises Conflict where it has none."""
    _check_has_schedule(job)
    now = farm.clock.now()
    resumed = farm.store.jobs.resume(job.id, now)
    for execution in _waiting(farm, job, held=True):
        _release(farm, execution)
    if job.spec.cron is not None:
        go_on(farm, job, now)
    return Paused.RESUMED if resumed else Paused.WAS_NOT_PAUSED


def hold(farm: Farm, execution: Execution) -> datetime | None:
    """Hold an execution that has come due, if its job is paused; when it is to be fired again, if it is not."""
    held = execution if execution.held else _set_held(farm, execution, held=True)
    job = farm.store.jobs.get(execution.job_id)
    if job is None or job.paused_at is not None:
        return None
    # It was resumed in the meantime: what the resumption did not find held is released here.
    if held is not None:
        _release(farm, held)
        if held.is_tick and job.stopped_at is None:
            go_on(farm, job, farm.clock.now())
    return farm.clock.now()


def _release(farm: Farm, held: Execution) -> None:
    due_at = held.due_at or held.created_at
    if held.is_tick and due_at <= farm.clock.now():
        close(farm, held, outcomes.paused())
        return
    released = _set_held(farm, held, held=False)
    if released is not None:
        set_alarm(farm, released)


def _set_held(farm: Farm, execution: Execution, *, held: bool) -> Execution | None:
    changes = {"held": held, "claim": execution.claim + 1}
    return farm.store.executions.compare_and_set(
        execution.id, states=[State.SCHEDULED], claim=execution.claim, changes=changes
    )


def _waiting(farm: Farm, job: Job, *, held: bool) -> list[Execution]:
    found = farm.store.executions.scheduled_of_job(job.id, BATCH, held=held)
    return [execution for execution in found if execution.attempt == 1]


def _check_has_schedule(job: Job) -> None:
    if job.stopped_at is not None:
        raise Conflict("jobId", "was stopped: its schedule has ended")
    if job.spec.cron is None and job.spec.start_in is None and job.spec.start_at is None:
        raise Conflict("jobId", "has no schedule (cron, startIn or startAt)")

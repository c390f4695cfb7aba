"""Make executions of a job: the first attempt of a run of it, and for a cron, the tick that follows another."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.schedules import next_instant, tick_id
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm
from jobrunner.engine.send import set_alarm


def make_execution(
    farm: Farm, job: Job, now: datetime, due: datetime | None, execution_id: str | None = None
) -> Execution:
    """The first attempt of a run of the job, due now (None) or later; not stored yet. A tick has an id of its own."""
    settings, spec = farm.settings, job.spec
    state = State.ENQUEUED if due is None else State.SCHEDULED
    timeout_seconds = min(spec.timeout or settings.timeout_seconds, settings.timeout_hard_limit_seconds)
    grace_seconds = settings.stop_grace_seconds if spec.stop_grace is None else spec.stop_grace
    return Execution(
        id=tick_id(job.id, job.revision, due) if due and spec.cron else execution_id or new_id(),
        job_id=job.id,
        task_id=job.task_id,
        spec=spec,
        state=state,
        created_at=now,
        timeout_seconds=timeout_seconds,
        stop_grace_seconds=grace_seconds,
        due_at=due,
        caller_address=job.caller_address,
        times={state: now},
    )


def make_waiting(execution: Execution) -> Execution:
    """The same, waiting for the jobs that its definition names."""
    return replace(
        execution,
        state=State.SCHEDULED,
        times={State.SCHEDULED: execution.created_at},
        waits_for=tuple(dependency.job for dependency in execution.spec.after),
        owes_follow_up=True,
    )


def make_next_tick(farm: Farm, tick: Execution) -> None:
    """Make the execution of the cron instant that follows this tick and now, once, and set its alarm.

    There is none where the job was stopped, has no cron any more, or expires before.
    """
    job = farm.store.jobs.get(tick.job_id)
    if job is None or job.stopped_at is not None or job.spec.cron is None:
        return
    now = farm.clock.now()
    due = next_instant(job.spec.cron, job.spec.timezone, max(now, tick.due_at or now))
    if job.spec.expires_at is not None and due > job.spec.expires_at:
        return
    following = make_execution(farm, job, now, due)
    if farm.store.executions.add(following):
        farm.store.jobs.count_execution(job.id, now)
    set_alarm(farm, following)

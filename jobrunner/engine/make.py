"""Make jobs, and executions of them: the first attempt of a run, and for a cron, the tick that follows another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from jobrunner.domain.executions import Execution, Job, TemplateUse
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.listing import scheduled_until
from jobrunner.domain.misfire import Ticks
from jobrunner.domain.schedules import tick_id
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm
from jobrunner.engine.send import set_alarm, set_alarms


def make_job(
    farm: Farm,
    job_id: str,
    task_id: str,
    spec: JobSpec,
    *,
    caller_address: str | None = None,
    template: TemplateUse | None = None,
) -> Job:
    """A new job of the caller's; not stored yet."""
    now = farm.clock.now()
    return Job(
        job_id,
        task_id,
        spec,
        created_at=now,
        modified_at=now,
        executions_count=spec.array.size if spec.array else 1,
        caller_address=caller_address,
        api_key_id=farm.caller.key_id,
        scheduled_until=scheduled_until(spec, now),
        template=template,
    )


def make_execution(
    farm: Farm, job: Job, now: datetime, due: datetime | None, execution_id: str | None = None
) -> Execution:
    """The first attempt of a run of the job, due now (None) or later; not stored yet."""
    settings, spec = farm.settings, job.spec
    state = State.ENQUEUED if due is None else State.SCHEDULED
    timeout_seconds = min(spec.timeout or settings.timeout_seconds, settings.timeout_hard_limit_seconds)
    grace_seconds = settings.stop_grace_seconds if spec.stop_grace is None else spec.stop_grace
    return Execution(
        id=execution_id or new_id(),
        job_id=job.id,
        task_id=job.task_id,
        spec=spec,
        state=state,
        created_at=now,
        timeout_seconds=timeout_seconds,
        stop_grace_seconds=grace_seconds,
        revision=job.revision,
        due_at=due,
        caller_address=job.caller_address,
        api_key_id=job.api_key_id,
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


def ticks_of(farm: Farm, job: Job) -> Ticks:
    """The ticks of the cron of a job that has one."""
    given = job.spec.missed.window_seconds
    window_seconds = farm.settings.misfire_window_seconds if given is None else given
    return Ticks(job.id, job.spec, timedelta(seconds=window_seconds))


def make_tick(farm: Farm, job: Job, instant: datetime, as_of: datetime | None = None) -> Execution:
    """The execution of an instant of a job's cron; not stored yet. Its id follows from the instant: there is one only.

    `as_of`: when it was found to be late, and to run all the same; what is done about it later is no later than that.
    """
    due = ticks_of(farm, job).due_at(instant)
    execution = make_execution(farm, job, farm.clock.now(), due)
    fired_at = as_of if as_of is not None and due <= as_of else None
    return replace(execution, id=tick_id(job.id, job.revision, instant), tick_at=instant, fired_at=fired_at)


def add_ticks(farm: Farm, ticks: Sequence[Execution]) -> None:
    """Store ticks of as many jobs, in one step each for all of them, and set their alarms."""
    added = farm.store.executions.add_all(ticks)
    farm.store.jobs.count_executions([tick.job_id for tick in ticks if tick.id in added], farm.clock.now())
    set_alarms(farm, ticks)


def add_tick(farm: Farm, job: Job, instant: datetime, as_of: datetime | None = None) -> bool:
    """Make the tick of an instant and set its alarm. False where there is none to make: its end has come before.

    A tick that was there and is over already makes no difference; whether it is, see `go_on`.
    """
    if job.spec.expires_at is not None and instant > job.spec.expires_at:
        return False
    tick = make_tick(farm, job, instant, as_of)
    if farm.store.executions.add(tick):
        farm.store.jobs.count_execution(job.id, tick.created_at)
    set_alarm(farm, tick)
    return True


def go_on(farm: Farm, job: Job, after: datetime) -> None:
    """See to it that the cron of a job goes on after an instant, and after the ticks from there on that are over."""
    instant, ticks = after, ticks_of(farm, job)
    while add_tick(farm, job, instant := ticks.following(instant)):
        stored = farm.store.executions.get(tick_id(job.id, job.revision, instant))
        if stored is None or not stored.state.is_terminal:
            return


def make_next_tick(farm: Farm, tick: Execution) -> None:
    """Have the cron of a tick go on without it, unless its job was stopped, is paused, or was defined anew."""
    job = farm.store.jobs.get(tick.job_id)
    if job is None or job.stopped_at is not None or job.paused_at is not None or job.revision != tick.revision:
        return
    go_on(farm, job, max(farm.clock.now(), tick.tick_at or tick.created_at))

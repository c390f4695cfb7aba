"""Take a job in: store it, and put its first execution on the way. After this has returned, it is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from jobrunner.domain.events import Trouble
from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.schedules import due_at, tick_id
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.engine.cancel import withdraw_schedule
from jobrunner.engine.farm import Farm
from jobrunner.errors import Conflict, QueueUnavailable


@dataclass(frozen=True)
class Accepted:
    """What was taken in: the job, and the execution that it made."""

    job: Job
    execution: Execution


def submit(farm: Farm, task_id: str, spec: JobSpec, job_id: str | None = None) -> Accepted:
    """Make a job of a task, with its first execution.

    The execution is written last and durably: whoever gets an answer has an execution that will reach its end.
    Raises Conflict (the job id is taken), StoreUnavailable, QueueUnavailable (nothing is stored then).
    """
    farm.queue.check()
    now = farm.clock.now()
    job = Job(job_id or new_id(), task_id, spec, created_at=now, modified_at=now)
    farm.store.tasks.touch(task_id, now)
    farm.store.jobs.add(job)
    execution = start_execution(farm, job)
    farm.store.tasks.touch(task_id, now, new_jobs=1)
    return Accepted(job, execution)


def resubmit(farm: Farm, task_id: str, job_id: str, spec: JobSpec) -> Accepted:
    """Give a job a new definition and start it under that, or make the job where there is none of this id.

    Executions of the old definition that wait for their time are withdrawn; those that are under way go on.
    Raises as `submit` does; Conflict also where the id is that of a job of another task.
    """
    stored = farm.store.jobs.get(job_id)
    if stored is None:
        return submit(farm, task_id, spec, job_id)
    if stored.task_id != task_id:
        raise Conflict("jobId", "is the id of a job of another task")
    farm.queue.check()
    now = farm.clock.now()
    job = replace(stored, spec=spec, modified_at=now, revision=stored.revision + 1, stopped_at=None)
    withdraw_schedule(farm, stored)
    farm.store.jobs.replace(job)
    farm.store.tasks.touch(task_id, now)
    return Accepted(job, start_execution(farm, job))


def start_execution(farm: Farm, job: Job) -> Execution:
    """Make an execution of the job and send it off: to the queue, or, where it starts later, to wait for its time."""
    now = farm.clock.now()
    due = due_at(job.spec, now)
    execution = make_execution(farm, job, now, due)
    farm.store.executions.add(execution)
    farm.store.jobs.count_execution(job.id, now)
    if due is None:
        send(farm, execution)
    else:
        farm.triggers.at(execution.id, due)
    return execution


def make_execution(farm: Farm, job: Job, now: datetime, due: datetime | None) -> Execution:
    """The first attempt of a run of the job, due now (None) or later; not stored yet."""
    settings, spec = farm.settings, job.spec
    state = State.ENQUEUED if due is None else State.SCHEDULED
    timeout_seconds = min(spec.timeout or settings.timeout_seconds, settings.timeout_hard_limit_seconds)
    grace_seconds = settings.stop_grace_seconds if spec.stop_grace is None else spec.stop_grace
    return Execution(
        id=new_id() if due is None or not spec.cron else tick_id(job.id, job.revision, due),
        job_id=job.id,
        task_id=job.task_id,
        spec=spec,
        state=state,
        created_at=now,
        timeout_seconds=timeout_seconds,
        stop_grace_seconds=grace_seconds,
        due_at=due,
        times={state: now},
    )


def send(farm: Farm, execution: Execution) -> None:
    """Put a message for a stored, enqueued execution on the queue. If Redis fails now, a janitor does it later."""
    try:
        farm.queue.push(execution.id)
    except QueueUnavailable as error:
        farm.announce(Trouble(execution.id, "send", str(error)))

"""Take a job in: store it, and put its first execution on the way. After this has returned, it is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.schedules import due_at
from jobrunner.domain.specs import JobSpec
from jobrunner.engine.cancel import waiting_of_job, withdraw
from jobrunner.engine.farm import Farm
from jobrunner.engine.files import check_inputs
from jobrunner.engine.make import make_execution
from jobrunner.engine.notify import check_can_notify
from jobrunner.engine.send import send, set_alarm
from jobrunner.errors import Conflict


@dataclass(frozen=True)
class Accepted:
    """What was taken in: the job, and the execution that it made."""

    job: Job
    execution: Execution


def submit(
    farm: Farm, task_id: str, spec: JobSpec, job_id: str | None = None, *, caller_address: str | None = None
) -> Accepted:
    """Make a job of a task, with its first execution.

    The execution is written last and durably: whoever gets an answer has an execution that will reach its end.
    Raises InvalidRequest (it wants e-mail, and the farm has no mail server; an input is no uploaded file), Conflict
    (the job id is taken), StoreUnavailable, QueueUnavailable (nothing is stored then).
    """
    check_can_notify(farm.settings, spec)
    check_inputs(farm, spec)
    farm.queue.check()
    now = farm.clock.now()
    job = Job(
        job_id or new_id(),
        task_id,
        spec,
        created_at=now,
        modified_at=now,
        executions_count=1,
        caller_address=caller_address,
    )
    farm.store.jobs.add(job)
    farm.store.tasks.touch(task_id, now, new_jobs=1)
    return Accepted(job, _start(farm, job))


def resubmit(farm: Farm, task_id: str, job_id: str, spec: JobSpec, *, caller_address: str | None = None) -> Accepted:
    """Give a job a new definition and start it under that, or make the job where there is none of this id.

    Executions of the old definition that wait for their time are withdrawn; those that are under way go on.
    Raises as `submit` does; Conflict also where the id is that of a job of another task.
    """
    stored = farm.store.jobs.get(job_id)
    if stored is None:
        return submit(farm, task_id, spec, job_id, caller_address=caller_address)
    if stored.task_id != task_id:
        raise Conflict("jobId", "is the id of a job of another task")
    check_can_notify(farm.settings, spec)
    check_inputs(farm, spec)
    farm.queue.check()
    now = farm.clock.now()
    revision = stored.revision + 1
    job = replace(stored, spec=spec, modified_at=now, revision=revision, stopped_at=None, caller_address=caller_address)
    superseded = waiting_of_job(farm, stored)
    farm.store.jobs.replace(job)
    farm.store.tasks.touch(task_id, now)
    farm.store.jobs.count_execution(job.id, now)
    execution = _start(farm, job)
    # Last: a crash before this leaves an old tick too many, and not a cron without a next one.
    withdraw(farm, superseded)
    return Accepted(job, execution)


def _start(farm: Farm, job: Job) -> Execution:
    """Make an execution of the job and send it off: to the queue, or, where it starts later, to wait for its time.

    It is written last, durably, and the journal of MongoDB keeps the order: so what was written before is there too.
    """
    now = farm.clock.now()
    due = due_at(job.spec, now)
    execution = make_execution(farm, job, now, due)
    farm.store.executions.add(execution)
    if due is None:
        send(farm, execution.id)
    else:
        set_alarm(farm, execution)
    return execution

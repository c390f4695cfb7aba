"""Take a job in: store it, and put its first execution on the way. After this has returned, it is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.listing import scheduled_until
from jobrunner.domain.schedules import due_at
from jobrunner.domain.specs import JobSpec
from jobrunner.engine.admission import admission
from jobrunner.engine.cancel import withdraw_superseded
from jobrunner.engine.farm import Farm
from jobrunner.engine.feasibility import check_can_run
from jobrunner.engine.files import check_inputs
from jobrunner.engine.make import make_execution, make_tick
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
    (the job id is taken, or no node can ever run it), NotFound, Forbidden, TooManyRequests (the caller's key does not
    allow it), StoreUnavailable, QueueUnavailable (nothing is stored then).
    """
    with admission(farm, task_id, spec):
        return _submit(farm, task_id, spec, job_id or new_id(), caller_address)


def _submit(farm: Farm, task_id: str, spec: JobSpec, job_id: str, caller_address: str | None) -> Accepted:
    check_can_notify(farm.settings, spec)
    check_can_run(farm, task_id, spec)
    check_inputs(farm, spec)
    farm.queue.check()
    now = farm.clock.now()
    job = Job(
        job_id,
        task_id,
        spec,
        created_at=now,
        modified_at=now,
        executions_count=1,
        caller_address=caller_address,
        api_key_id=farm.caller.key_id,
        scheduled_until=scheduled_until(spec, now),
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
    with admission(farm, task_id, spec):
        return _redefine(farm, stored, spec, caller_address)


def _redefine(farm: Farm, stored: Job, spec: JobSpec, caller_address: str | None) -> Accepted:
    check_can_notify(farm.settings, spec)
    check_can_run(farm, stored.task_id, spec)
    check_inputs(farm, spec, earlier=stored.spec)
    farm.queue.check()
    now = farm.clock.now()
    job = replace(
        stored,
        spec=spec,
        modified_at=now,
        revision=stored.revision + 1,
        stopped_at=None,
        paused_at=None,
        caller_address=caller_address,
        api_key_id=farm.caller.key_id,
        scheduled_until=scheduled_until(spec, now),
    )
    farm.store.jobs.replace(job)
    farm.store.tasks.touch(job.task_id, now)
    farm.store.jobs.count_execution(job.id, now)
    execution = _start(farm, job)
    # What is made under the old definition after this look is found out when it is fired (engine.fire).
    withdraw_superseded(farm, job)
    return Accepted(job, execution)


def _start(farm: Farm, job: Job) -> Execution:
    """Make an execution of the job and send it off: to the queue, or, where it starts later, to wait for its time.

    It is written last, durably, and the journal of MongoDB keeps the order: so what was written before is there too.
    """
    now = farm.clock.now()
    due = due_at(job.spec, now)
    execution = make_execution(farm, job, now, due) if job.spec.cron is None else make_tick(farm, job, due or now)
    farm.store.executions.add(execution)
    if due is None:
        send(farm, execution)
    else:
        set_alarm(farm, execution)
    return execution

"""Take a job in: store it, and put its first execution on the way. After this has returned, it is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jobrunner.domain.arrays import array_execution_id
from jobrunner.domain.executions import Execution, Job, TemplateUse
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.repeats import execution_id_of, job_id_of
from jobrunner.domain.specs import JobSpec
from jobrunner.engine.cancel import waiting_of_job, withdraw
from jobrunner.engine.check import check_dependencies
from jobrunner.engine.farm import Farm
from jobrunner.engine.first import array_executions, first_execution, put_all_on_their_way, put_on_its_way
from jobrunner.engine.notify import check_can_notify
from jobrunner.errors import Conflict, Fault, InvalidRequest


@dataclass(frozen=True)
class Accepted:
    """What was taken in: the job, and the execution that it made."""

    job: Job
    execution: Execution


def submit(
    farm: Farm,
    task_id: str,
    spec: JobSpec,
    job_id: str | None = None,
    *,
    caller_address: str | None = None,
    token: str | None = None,
    template: TemplateUse | None = None,
) -> Accepted:
    """Make a job of a task, with its first execution.

    The execution is written last and durably: whoever gets an answer has an execution that will reach its end.
    `token`: of a request that may come again (`engine.repeat`); what it has made before is found, and completed.
    Raises InvalidRequest (it wants e-mail, and the farm has no mail server), Conflict (the job id is taken),
    StoreUnavailable, QueueUnavailable (nothing is stored then).
    """
    check_can_notify(farm.settings, spec)
    check_dependencies(farm, spec)
    farm.queue.check()
    now = farm.clock.now()
    job = Job(
        job_id or (job_id_of(token) if token else new_id()),
        task_id,
        spec,
        created_at=now,
        modified_at=now,
        executions_count=1,
        caller_address=caller_address,
        template=template,
    )
    if token is not None and (made := _made_before(farm, job.id, token)):
        return made
    if spec.array is not None:
        return _submit_array(farm, replace(job, executions_count=spec.array.size))
    farm.store.jobs.add(job)
    farm.store.tasks.touch(task_id, now, new_jobs=1)
    return Accepted(job, _start(farm, job, token))


def _submit_array(farm: Farm, job: Job) -> Accepted:
    """All of it, or nothing, is stored."""
    farm.store.tasks.touch(job.task_id, job.created_at)
    executions = array_executions(farm, job)
    if not farm.store.submissions.add_all([job], executions):
        raise Conflict("jobId", "is taken by another job")
    farm.store.tasks.touch(job.task_id, job.created_at, new_jobs=1)
    return Accepted(job, put_all_on_their_way(farm, executions))


def _check_can_change(stored: Job, spec: JobSpec) -> None:
    if spec.after:
        raise InvalidRequest(Fault("after", "cannot be given to a job that is there already; make a new one"))
    if spec.array is not None or stored.spec.array is not None:
        raise InvalidRequest(Fault("array", "cannot be given to, or taken from, a job that is there; make a new one"))


def _made_before(farm: Farm, job_id: str, token: str) -> Accepted | None:
    """The job that an earlier try of this request has made; its execution is made where that try did not get to it."""
    job = farm.store.jobs.get(job_id)
    if job is None:
        return None
    first_id = array_execution_id(job_id, 0) if job.spec.array else execution_id_of(token)
    execution = farm.store.executions.get(first_id) or farm.store.executions.last_of_job(job_id)
    if execution is None:
        farm.store.tasks.touch(job.task_id, farm.clock.now())
        execution = _start(farm, job, token)
    return Accepted(job, execution)


def resubmit(
    farm: Farm,
    task_id: str,
    job_id: str,
    spec: JobSpec,
    *,
    caller_address: str | None = None,
    token: str | None = None,
) -> Accepted:
    """Give a job a new definition and start it under that, or make the job where there is none of this id.

    Executions of the old definition that wait for their time are withdrawn; those that are under way go on.
    Raises as `submit` does; Conflict also where the id is that of a job of another task.
    """
    stored = farm.store.jobs.get(job_id)
    if stored is None:
        return submit(farm, task_id, spec, job_id, caller_address=caller_address, token=token)
    if stored.task_id != task_id:
        raise Conflict("jobId", "is the id of a job of another task")
    _check_can_change(stored, spec)
    if token is not None and (made := farm.store.executions.get(execution_id_of(token))):
        return Accepted(stored, made)
    check_can_notify(farm.settings, spec)
    farm.queue.check()
    now = farm.clock.now()
    revision = stored.revision + 1
    job = replace(stored, spec=spec, modified_at=now, revision=revision, stopped_at=None, caller_address=caller_address)
    job = replace(job, template=None)
    superseded = waiting_of_job(farm, stored)
    farm.store.jobs.replace(job)
    farm.store.tasks.touch(task_id, now)
    farm.store.jobs.count_execution(job.id, now)
    execution = _start(farm, job, token)
    # Last: a crash before this leaves an old tick too many, and not a cron without a next one.
    withdraw(farm, superseded)
    return Accepted(job, execution)


def _start(farm: Farm, job: Job, token: str | None) -> Execution:
    """Make an execution of the job and send it off: to the queue, or to wait for its time or for other jobs.

    It is written last, durably, and the journal of MongoDB keeps the order: so what was written before is there too.
    """
    execution = first_execution(farm, job, execution_id_of(token) if token else None)
    farm.store.executions.add(execution)
    return put_on_its_way(farm, execution)

"""Take a job in: store it, and put its first execution on the way. After this has returned, it is kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jobrunner.domain.arrays import array_execution_id
from jobrunner.domain.executions import Execution, Job, TemplateUse
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.listing import scheduled_until
from jobrunner.domain.repeats import execution_id_of, job_id_of
from jobrunner.domain.specs import JobSpec
from jobrunner.engine.admission import admission
from jobrunner.engine.cancel import withdraw_superseded
from jobrunner.engine.check import check_dependencies
from jobrunner.engine.farm import Farm
from jobrunner.engine.feasibility import check_can_run
from jobrunner.engine.files import check_inputs
from jobrunner.engine.first import array_executions, first_execution, put_all_on_their_way, put_on_its_way
from jobrunner.engine.make import make_job
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
    Raises InvalidRequest (it wants e-mail, and the farm has no mail server; a container that the farm does not allow;
    an input that is no uploaded file), Conflict (the job id is taken, or no node can ever run it), NotFound, Forbidden,
    TooManyRequests (the caller's key does not allow it), StoreUnavailable, QueueUnavailable (nothing is stored then).
    """
    job_id = job_id or (job_id_of(token) if token else new_id())
    if token is not None and (made := _made_before(farm, job_id, token)):
        return made
    with admission(farm, task_id, spec):
        job = make_job(farm, job_id, task_id, spec, caller_address=caller_address, template=template)
        return _submit(farm, job, token)


def _submit(farm: Farm, job: Job, token: str | None) -> Accepted:
    check_can_notify(farm.settings, job.spec)
    check_dependencies(farm, job.spec)
    check_can_run(farm, job.task_id, job.spec)
    check_inputs(farm, job.spec)
    farm.queue.check()
    if job.spec.array is not None:
        return _submit_array(farm, job)
    with farm.store.health.within(farm.settings.api_service_timeout_seconds):
        farm.store.jobs.add(job)
        farm.store.tasks.touch(job.task_id, job.created_at, new_jobs=1)
        return Accepted(job, _start(farm, job, token))


def _submit_array(farm: Farm, job: Job) -> Accepted:
    """All of it, or nothing, is stored."""
    farm.store.tasks.touch(job.task_id, job.created_at)
    executions = array_executions(farm, job)
    if not farm.store.submissions.add_all([job], executions):
        raise Conflict("jobId", "is taken by another job")
    farm.store.tasks.touch(job.task_id, job.created_at, new_jobs=1)
    return Accepted(job, put_all_on_their_way(farm, executions)[0])


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
    if token is not None and (made := farm.store.executions.get(execution_id_of(token))):
        return Accepted(stored, made)
    with admission(farm, task_id, spec):
        _check_can_change(stored, spec)
        return _redefine(farm, stored, spec, caller_address, token)


def _check_can_change(stored: Job, spec: JobSpec) -> None:
    if spec.after:
        raise InvalidRequest(Fault("after", "cannot be given to a job that is there already; make a new one"))
    if spec.array is not None or stored.spec.array is not None:
        raise InvalidRequest(Fault("array", "cannot be given to, or taken from, a job that is there; make a new one"))


def _redefine(farm: Farm, stored: Job, spec: JobSpec, caller_address: str | None, token: str | None) -> Accepted:
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
        template=None,
    )
    farm.store.jobs.replace(job)
    farm.store.tasks.touch(job.task_id, now)
    farm.store.jobs.count_execution(job.id, now)
    execution = _start(farm, job, token)
    # What is made under the old definition after this look is found out when it is fired (engine.fire).
    withdraw_superseded(farm, job)
    return Accepted(job, execution)


def _start(farm: Farm, job: Job, token: str | None) -> Execution:
    """Make an execution of the job and send it off: to the queue, or to wait for its time or for other jobs.

    It is written last, durably, and the journal of MongoDB keeps the order: so what was written before is there too.
    """
    execution = first_execution(farm, job, execution_id_of(token) if token else None)
    farm.store.executions.add(execution)
    return put_on_its_way(farm, execution)

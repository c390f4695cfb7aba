"""Run a job once more, by hand: now, whatever its schedule says, and whether or not it was stopped."""

from __future__ import annotations

from dataclasses import replace

from jobrunner.domain.executions import Job
from jobrunner.domain.repeats import execution_id_of
from jobrunner.domain.states import State
from jobrunner.engine import queries
from jobrunner.engine.admission import admission
from jobrunner.engine.farm import Farm
from jobrunner.engine.feasibility import check_can_run
from jobrunner.engine.files import check_inputs
from jobrunner.engine.make import make_execution
from jobrunner.engine.notify import check_can_notify
from jobrunner.engine.send import send
from jobrunner.engine.submit import Accepted
from jobrunner.errors import Conflict


def rerun(farm: Farm, job: Job, caller_address: str | None = None, token: str | None = None) -> Accepted:
    """Make a new execution of the job as it is defined now, and put it on the queue; it is linked to the last one.

    What the job runs or waits for meanwhile goes on. The schedule of a stopped job stays ended, and what is run by
    hand then is not tried again. Raises Conflict (its expiration has passed), and as `submit` does.
    `token`: as there.
    """
    if token is not None and (made := farm.store.executions.get(execution_id_of(token))):
        return Accepted(job, made)
    if job.spec.array is not None:
        raise Conflict("array", "is not run again as a whole; post the job anew")
    with admission(farm, job.task_id, job.spec):
        return _rerun(farm, job, caller_address, token)


def _rerun(farm: Farm, job: Job, caller_address: str | None, token: str | None) -> Accepted:
    now = farm.clock.now()
    expires_at = job.spec.expires_at
    if expires_at is not None and now > expires_at:
        raise Conflict("expiration", f"has passed, at {expires_at.isoformat()}: the job does not start any more")
    check_can_notify(farm.settings, job.spec)
    check_can_run(farm, job.task_id, job.spec)
    check_inputs(farm, job.spec, earlier=job.spec)
    farm.queue.check()
    last = queries.last_execution(farm, job)
    retried_from = None if last.state is State.SCHEDULED else last.id  # nothing has run yet
    execution = replace(
        make_execution(farm, job, now, None, execution_id_of(token) if token else None),
        retried_from=retried_from,
        caller_address=caller_address,
        api_key_id=farm.caller.key_id,
    )
    farm.store.tasks.touch(job.task_id, now)
    farm.store.jobs.count_execution(job.id, now)
    farm.store.executions.add(execution)  # last, and durably: as in `submit`
    send(farm, execution)
    return Accepted(job, execution)

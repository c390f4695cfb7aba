"""Take many jobs in at once: all of them, or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from jobrunner.domain.arrays import LARGEST, array_execution_id
from jobrunner.domain.bulk import BulkJob, faults_of_graph, specs_of
from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.repeats import job_id_of
from jobrunner.domain.specs import JobSpec
from jobrunner.engine.admission import check_job, room_for
from jobrunner.engine.container_check import check_container
from jobrunner.engine.farm import Farm
from jobrunner.engine.feasibility import check_can_run
from jobrunner.engine.files import check_inputs
from jobrunner.engine.first import first_executions, put_all_on_their_way
from jobrunner.engine.make import make_job
from jobrunner.engine.notify import check_can_notify
from jobrunner.engine.submit import Accepted
from jobrunner.errors import Conflict, Fault, Forbidden, InvalidRequest, NotFound

Made = tuple[Job, list[Execution]]


def submit_all(farm: Farm, jobs: Sequence[BulkJob], *, token: str, caller_address: str | None = None) -> list[Accepted]:
    """Make all of these jobs, each with its first execution, in one transaction; in their order.

    Nothing starts before all are stored. `token`: as in `submit`: what an earlier try of this request has made is
    found. Raises InvalidRequest with every fault of every job, StoreUnavailable, QueueUnavailable; and for the first
    job that is refused for it, what `submit` raises of the caller's key, and of what no node can run.
    """
    faults = [*_faults_of_each(farm, jobs), *faults_of_graph(jobs), *_too_many(jobs)]
    if faults:
        raise InvalidRequest(*faults)
    nodes = farm.store.nodes.all()
    for number, job in enumerate(jobs):
        with _naming(f"jobs.{number}"):
            check_can_run(farm, job.task, job, nodes)
    ids = [job_id_of(token, number) for number in range(len(jobs))]
    if farm.store.jobs.get(ids[0]) is not None:  # all or none: all are there
        return [_found(farm, job_id) for job_id in ids]
    with room_for(farm, jobs):
        return _store_all(farm, jobs, ids, caller_address)


def _store_all(farm: Farm, jobs: Sequence[BulkJob], ids: Sequence[str], caller_address: str | None) -> list[Accepted]:
    farm.queue.check()
    made = [_make(farm, *one, caller_address) for one in zip(jobs, ids, specs_of(jobs, ids), strict=True)]
    _make_tasks(farm, jobs)
    if not farm.store.submissions.add_all([job for job, _ in made], [one for _, first in made for one in first]):
        return [_found(farm, job_id) for job_id in ids]
    for task_id, count in Counter(job.task for job in jobs).items():
        farm.store.tasks.touch(task_id, farm.clock.now(), new_jobs=count)
    sent = {one.id: one for one in put_all_on_their_way(farm, [one for _, first in made for one in first])}
    return [Accepted(job, sent[first[0].id]) for job, first in made]


@contextmanager
def _naming(place: str) -> Iterator[None]:
    """What is raised within this names the place in the call before the field."""
    try:
        yield
    except (Conflict, Forbidden, NotFound) as error:
        field = "task" if isinstance(error, NotFound) else error.fault.field
        error.fault = Fault(f"{place}.{field}", error.fault.reason)
        raise


def _faults_of_each(farm: Farm, jobs: Sequence[BulkJob]) -> Iterator[Fault]:
    """What this farm cannot do, and jobs that are waited for and not there."""
    known = farm.store.dependencies.known_jobs(
        {dependency.job for job in jobs for dependency in job.after if dependency.job is not None},
        visible=farm.caller.limits.task_pattern,
    )
    for number, job in enumerate(jobs):
        try:
            with _naming(f"jobs.{number}"):
                check_job(farm, job.task, job)
            check_can_notify(farm.settings, job)
            check_container(farm.settings, job.container)
            check_inputs(farm, job)
        except InvalidRequest as error:
            yield from (Fault(f"jobs.{number}.{fault.field}", fault.reason) for fault in error.faults)
        for index, dependency in enumerate(job.after):
            if dependency.job is not None and dependency.job not in known:
                yield Fault(f"jobs.{number}.after.{index}.job", f"there is no job {dependency.job!r}")


def _too_many(jobs: Sequence[BulkJob]) -> Iterator[Fault]:
    count = sum(job.array.size if job.array else 1 for job in jobs)
    if count > LARGEST:
        yield Fault("jobs", f"have {count} executions with all their arrays; at most {LARGEST} are taken in one call")


def _make(farm: Farm, wanted: BulkJob, job_id: str, spec: JobSpec, caller_address: str | None) -> Made:
    job = make_job(farm, job_id, wanted.task, spec, caller_address=caller_address)
    first = first_executions(farm, job, None)
    if all(dependency.job is None for dependency in wanted.after):
        # None of those that it waits for can have ended before: they are stored together with it.
        first = [replace(execution, owes_follow_up=None) for execution in first]
    return job, first


def _make_tasks(farm: Farm, jobs: Sequence[BulkJob]) -> None:
    """Before their jobs, which are found through them."""
    now = farm.clock.now()
    for task_id in {job.task for job in jobs}:
        farm.store.tasks.touch(task_id, now)


def _found(farm: Farm, job_id: str) -> Accepted:
    """What an earlier try has made."""
    job = farm.store.jobs.get(job_id)
    first: Execution | None = farm.store.executions.get(array_execution_id(job_id, 0))
    execution = first or farm.store.executions.last_of_job(job_id)
    if job is None or execution is None:
        raise Conflict("jobs", "cannot be stored: one of their ids is taken")
    return Accepted(job, execution)

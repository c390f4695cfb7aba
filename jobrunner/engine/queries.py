"""Read what is there. Every identifier is checked, and a thing must belong to what its path says."""

from __future__ import annotations

from collections.abc import Iterable

from jobrunner.domain.executions import Execution, Job, Node, Page, Task
from jobrunner.domain.identifiers import check_task_id, check_uuid
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm
from jobrunner.errors import NotFound


def tasks(farm: Farm, page: int) -> Page[Task]:
    """A page of all tasks, the oldest first. Raises NotFound past the end."""
    found = farm.store.tasks.page(page, farm.settings.page_size)
    if page > found.pages:
        raise NotFound("page", str(page))
    return found


def task(farm: Farm, task_id: str) -> Task:
    """The task of this id. Raises InvalidRequest, NotFound."""
    found = farm.store.tasks.get(check_task_id(task_id))
    if found is None:
        raise NotFound("taskId", task_id)
    return found


def job(farm: Farm, task_id: str, job_id: str) -> Job:
    """A job of a task. Raises InvalidRequest, NotFound."""
    check_task_id(task_id)
    found = farm.store.jobs.get(check_uuid("jobId", job_id))
    if found is None or found.task_id != task_id:
        raise NotFound("jobId", job_id)
    return found


def execution(farm: Farm, task_id: str, job_id: str, execution_id: str) -> Execution:
    """An execution of a job of a task. Raises InvalidRequest, NotFound."""
    found = any_execution(farm, execution_id)
    if found.job_id != check_uuid("jobId", job_id) or found.task_id != check_task_id(task_id):
        raise NotFound("executionId", execution_id)
    return found


def any_execution(farm: Farm, execution_id: str) -> Execution:
    """The execution of this id, whatever its job. Raises InvalidRequest, NotFound."""
    found = farm.store.executions.get(check_uuid("executionId", execution_id))
    if found is None:
        raise NotFound("executionId", execution_id)
    return found


def last_execution(farm: Farm, job: Job) -> Execution:
    """The newest execution of a job. Raises NotFound where it has none."""
    found = farm.store.executions.last_of_job(job.id)
    if found is None:
        raise NotFound("executionId", f"last of job {job.id}")
    return found


def executions(
    farm: Farm, page: int, states: Iterable[State] = (), task_id: str | None = None
) -> tuple[list[Execution], bool]:
    """A page of all executions, the newest first, and whether there is a next one."""
    per_page = farm.settings.page_size
    found = farm.store.executions.page(page, per_page, states, task_id)
    return found[:per_page], len(found) > per_page


def nodes(farm: Farm) -> list[Node]:
    """All nodes that ever were, by name."""
    return farm.store.nodes.all()

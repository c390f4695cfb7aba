"""Read what is there, as far as the caller may see it.

A thing must belong to what its path says. What belongs to tasks that the caller's API key does not see is not there
for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from jobrunner.domain.arrays import ArraySummary, summarize
from jobrunner.domain.executions import Execution, Job, Node, Page, Task
from jobrunner.domain.identifiers import check_task_id, check_uuid, words_of
from jobrunner.domain.listing import ExecutionFilter, JobFilter, Position, Slice
from jobrunner.domain.ports.output_store import Stream
from jobrunner.domain.schedules import next_instants
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm
from jobrunner.errors import Fault, InvalidRequest, NotFound

JOBS_PER_PAGE = 1000
EXECUTIONS_PER_PAGE = 20  # of a job
NEXT_TIMES = 5
BEGUN = [state for state in State if state is not State.SCHEDULED]


@dataclass(frozen=True)
class OutputTail:
    """The last bytes of both streams of an execution; `is_whole`: there is nothing before them.

    `written_bytes`: how many are stored in all, per stream, without a marker. `is_cut`: there was, or may be, more.
    """

    stdout: bytes
    stderr: bytes
    is_whole: bool
    written_bytes: Mapping[Stream, int] = field(default_factory=lambda: dict.fromkeys(Stream, 0))
    is_cut: bool = False


def tasks(farm: Farm, page: int) -> Page[Task]:
    """A page of all tasks, the oldest first. Raises NotFound past the end."""
    found = farm.store.tasks.page(page, farm.settings.page_size, visible=farm.caller.limits.task_pattern)
    if page > found.pages:
        raise NotFound("page", str(page))
    return found


def search(farm: Farm, query: str, page: int) -> Page[Task]:
    """A page of the tasks whose ids have all words of the query, the oldest first.

    Raises InvalidRequest where the query has no word, NotFound past the end.
    """
    words = words_of(query)
    if not words:
        raise InvalidRequest(Fault("query", "must have a word: letters or digits of a task id"))
    visible = farm.caller.limits.task_pattern
    found = farm.store.tasks.search(words, page, farm.settings.page_size, visible=visible)
    if page > found.pages:
        raise NotFound("page", str(page))
    return found


def task(farm: Farm, task_id: str) -> Task:
    """The task of this id. Raises InvalidRequest, NotFound."""
    found = farm.store.tasks.get(check_task_id(task_id))
    if found is None or not farm.caller.limits.allows_task(task_id):
        raise NotFound("taskId", task_id)
    return found


def jobs(farm: Farm, task: Task, after: str | None = None) -> tuple[list[str], bool]:
    """The ids of a task's jobs, the oldest first, those after job `after`, and whether there are more of them.

    Raises InvalidRequest, NotFound where `after` is no job of the task.
    """
    if after is not None:
        found = farm.store.jobs.get(check_uuid("after", after))
        if found is None or found.task_id != task.id:
            raise NotFound("after", after)
    ids = farm.store.jobs.ids_of_task(task.id, after, JOBS_PER_PAGE + 1)
    return ids[:JOBS_PER_PAGE], len(ids) > JOBS_PER_PAGE


def job(farm: Farm, task_id: str, job_id: str) -> Job:
    """A job of a task. Raises InvalidRequest, NotFound."""
    check_task_id(task_id)
    found = farm.store.jobs.get(_known_form("jobId", job_id))
    if found is None or found.task_id != task_id or not farm.caller.limits.allows_task(task_id):
        raise NotFound("jobId", job_id)
    return found


def execution(farm: Farm, task_id: str, job_id: str, execution_id: str) -> Execution:
    """An execution of a job of a task. Raises InvalidRequest, NotFound."""
    found = any_execution(farm, execution_id)
    if found.job_id != _known_form("jobId", job_id) or found.task_id != check_task_id(task_id):
        raise NotFound("executionId", execution_id)
    return found


def any_execution(farm: Farm, execution_id: str) -> Execution:
    """The execution of this id, whatever its job. Raises InvalidRequest, NotFound."""
    found = farm.store.executions.get(_known_form("executionId", execution_id))
    if found is None or not farm.caller.limits.allows_task(found.task_id):
        raise NotFound("executionId", execution_id)
    return found


def _known_form(field: str, identifier: str) -> str:
    """The identifier of a thing that is asked for. One in a form that we never give is of nothing: raises NotFound."""
    try:
        return check_uuid(field, identifier)
    except InvalidRequest:
        raise NotFound(field, identifier) from None


def last_execution(farm: Farm, job: Job) -> Execution:
    """The newest execution of a job that is not waiting for its time, else the newest. Raises NotFound if it has none.

    A cron always has its next execution waiting: who asks for the last one means the one before.
    """
    begun = farm.store.executions.page_of_job(job.id, 1, 1, BEGUN)
    last = begun[0] if begun else newest_execution(farm, job)
    if last is None:
        raise NotFound("executionId", f"last of job {job.id}")
    return last


def newest_execution(farm: Farm, job: Job) -> Execution | None:
    """The execution of a job that was made last; None where there is none."""
    return farm.store.executions.last_of_job(job.id)


def executions_of_job(farm: Farm, job: Job, page: int) -> tuple[list[Execution], bool]:
    """A page of a job's executions, the newest first, and whether there is a next one; empty past the end.

    Those that still wait for their time come after all others: who looks at the first one of a cron job, to see what
    became of it, never means the one to come.
    """
    waiting = farm.store.executions.page_of_job(job.id, 1, EXECUTIONS_PER_PAGE, [State.SCHEDULED])
    begun = farm.store.executions.page_of_job(job.id, page, EXECUTIONS_PER_PAGE, BEGUN)
    has_next = page * EXECUTIONS_PER_PAGE < job.executions_count - len(waiting)
    if has_next or (page > 1 and not begun):
        return begun, has_next
    shown = {execution.id for execution in begun}  # among them one whose time has come since the first look
    return [*begun, *(execution for execution in waiting if execution.id not in shown)], has_next


def next_times(farm: Farm, job: Job) -> list[datetime]:
    """When the job starts by itself: the next NEXT_TIMES of its cron, or the one time that it still waits for."""
    if job.stopped_at is not None or job.paused_at is not None:
        return []
    if job.spec.cron is not None:
        return next_instants(job.spec, farm.clock.now(), NEXT_TIMES)
    waiting = farm.store.executions.next_of_job(job.id)
    return [waiting.due_at] if waiting is not None and waiting.due_at is not None else []


def array_summary(farm: Farm, job: Job) -> ArraySummary | None:
    """How the array of a job stands; None where it is none."""
    return summarize(farm.store.arrays.counts(job.id)) if job.spec.array else None


def output_tail(farm: Farm, execution: Execution, limit_bytes: int) -> OutputTail:
    """The end of what an execution has written, at most `limit_bytes` of each stream."""
    last = None if execution.output_deleted_at else farm.store.output.last(execution.id)
    if last is None:
        return OutputTail(b"", b"", is_whole=True)
    tails = dict.fromkeys(Stream, (b"", False))
    for stream in Stream:
        if last.cursor[stream] > 0 or last.cut:
            tails[stream] = farm.store.output.tail(execution.id, stream, limit_bytes)
    (stdout, more_stdout), (stderr, more_stderr) = tails.values()
    return OutputTail(stdout, stderr, not (more_stdout or more_stderr), last.cursor, last.cut)


def executions(farm: Farm, chosen: ExecutionFilter, after: Position | None = None) -> Slice[Execution]:
    """Some of the executions that are asked for, the newest first, and where to go on."""
    seen = replace(chosen, visible=farm.caller.limits.task_pattern)
    return farm.store.executions.slice(seen, farm.settings.page_size, after)


def all_jobs(farm: Farm, chosen: JobFilter, after: Position | None = None) -> Slice[Job]:
    """Some of the jobs that are asked for, whatever their task, the newest first, and where to go on."""
    seen = replace(chosen, visible=farm.caller.limits.task_pattern)
    return farm.store.jobs.slice(seen, farm.settings.page_size, after)


def nodes(farm: Farm) -> list[Node]:
    """All nodes that ever were, by name."""
    return farm.store.nodes.all()

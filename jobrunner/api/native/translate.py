"""From the engine's values to the documents of the native API. Pure.

The keys of fastlane's document (specs) come first in each; ours follow. Times of tasks are UNIX seconds, all others
ISO 8601 in UTC without a zone: that is how fastlane writes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobrunner.api.native.times import iso
from jobrunner.api.native.translate_files import results
from jobrunner.api.native.translate_hooks import notify_document, webhooks_document
from jobrunner.api.native.translate_usage import usage_document
from jobrunner.api.native.urls import Urls, with_query
from jobrunner.domain.arrays import ArraySummary
from jobrunner.domain.executions import Execution, Job, Page, Task
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.redaction import redact
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.engine.cancel import Stopped
from jobrunner.engine.pause import Paused
from jobrunner.engine.queries import EXECUTIONS_PER_PAGE, OutputTail
from jobrunner.engine.submit import Accepted

Document = dict[str, Any]

SAYS_ENOUGH = frozenset({None, Cause.SUCCESS, Cause.EXIT_CODE, Cause.STOPPED})  # status and exitCode tell it all


@dataclass(frozen=True)
class JobView:
    """A job as its details show it: a page of its executions, each with the end of its output, and the newest.

    `next_times`: when it is to start by itself; none: it is not. `has_next`: there is a page after this one.
    """

    job: Job
    page: int
    executions: Sequence[tuple[Execution, OutputTail]]
    newest: Execution | None
    next_times: Sequence[datetime]
    has_next: bool = False
    array: ArraySummary | None = None


# ----------------------------------------------------------------------------------------------------- tasks


def task_page(page: Page[Task], urls: Urls) -> Document:
    """A page of all tasks."""
    return _task_page(page, urls, urls.tasks)


def search_page(page: Page[Task], query: str, urls: Urls) -> Document:
    """A page of the tasks that a query has found."""
    return _task_page(page, urls, urls.search, query=query)


def _task_page(page: Page[Task], urls: Urls, list_url: str, **query: str) -> Document:
    return {
        "items": [_task_item(task, urls) for task in page.items],
        "page": page.number,
        "pages": page.pages,
        "perPage": page.per_page,
        "total": page.total,
        **neighbours(list_url, page.number, page.number < page.pages, **query),
    }


def _task_item(task: Task, urls: Urls) -> Document:
    return {
        "taskId": task.id,
        "createdAt": task.created_at.timestamp(),
        "lastModifiedAt": task.modified_at.timestamp(),
        "jobsCount": task.jobs_count,
        "url": urls.task(task.id),
    }


def task_details(task_id: str, job_ids: Sequence[str], has_next: bool, urls: Urls) -> Document:
    """A task with some of its jobs."""
    return {
        "taskId": task_id,
        "jobs": [_reference(job_id, urls.job(task_id, job_id)) for job_id in job_ids],
        "hasNext": has_next,
        "nextUrl": with_query(urls.task(task_id), after=job_ids[-1]) if has_next else None,
    }


# ------------------------------------------------------------------------------------------------------ jobs


def accepted(taken: Accepted, urls: Urls) -> Document:
    """What was taken in."""
    execution = taken.execution
    starts_later = execution.state is State.SCHEDULED
    url = urls.execution(execution.task_id, execution.job_id, execution.id)
    return {
        **job_reference(taken.job, urls),
        "queueJobId": execution.id,
        "executionId": None if starts_later else execution.id,
        "executionUrl": None if starts_later else url,
    }


def job_reference(job: Job, urls: Urls) -> Document:
    """Where a job and its task are."""
    return {
        "jobId": job.id,
        "jobUrl": urls.job(job.task_id, job.id),
        "taskId": job.task_id,
        "taskUrl": urls.task(job.task_id),
    }


def paused_job(job: Job, done: Paused, urls: Urls) -> Document:
    """The answer to pausing a job, or to resuming it: where it is, and what was done."""
    return {**job_reference(job, urls), "schedule": done}


def job_details(view: JobView, redacted_names: Iterable[str], urls: Urls) -> Document:
    """A job with a page of its executions."""
    job, newest = view.job, view.newest
    url = urls.job(job.task_id, job.id)
    details = {
        "taskId": job.task_id,
        "createdAt": iso(job.created_at),
        "lastModifiedAt": iso(max([job.modified_at, *(newest.times.values() if newest else ())])),
        "executionCount": job.executions_count,
        "executions": [_execution(execution, tail, urls) for execution, tail in view.executions],
        "metadata": _job_metadata(job, newest, redacted_names),
        "scheduled": bool(view.next_times),
        "nextTimes": [iso(instant) for instant in view.next_times],
        "jobId": job.id,
        "url": url,
        "stoppedAt": iso(job.stopped_at),
        "requestIPAddress": job.caller_address,
        "pausedAt": iso(job.paused_at),
        "labels": job.spec.labels,
        "array": _array(job, view.array),
        "template": {"name": job.template.name, "revision": job.template.revision} if job.template else None,
        "page": view.page,
        "perPage": EXECUTIONS_PER_PAGE,
        **neighbours(url, view.page, view.has_next),
    }
    return {"job": details, "task": _reference(job.task_id, urls.task(job.task_id))}


def _array(job: Job, summary: ArraySummary | None) -> Document | None:
    if summary is None or job.spec.array is None:
        return None
    return {
        "count": job.spec.array.size,
        "mostAtOnce": job.spec.array.most_at_once,
        "state": summary.state,
        "waiting": summary.waiting,
        "running": summary.running,
        "done": summary.done,
        "failed": summary.failed,
        "stopped": summary.stopped,
    }


def _job_metadata(job: Job, newest: Execution | None, redacted_names: Iterable[str]) -> Document:
    spec = job.spec
    return {
        "enqueued_id": newest.id if newest else None,
        "envs": redact(spec.envs, redacted_names),
        "notify": notify_document(spec),
        "retries": spec.retries,
        "retryPolicy": _retry_policy(spec),
        "retry_count": newest.attempt - 1 if newest else 0,
        "timeout": int(newest.timeout_seconds) if newest else spec.timeout,
        "webhooks": webhooks_document(spec, redacted_names),
        "container": _container(spec, redacted_names),
        "custom": spec.caller_metadata,
        "after": [dependency.model_dump(mode="json") for dependency in spec.after],
    }


def _container(spec: JobSpec, redacted_names: Iterable[str]) -> Document:
    """As the job gave it, without secrets."""
    shown = spec.container.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return shown | ({"labels": redact(shown["labels"], redacted_names)} if "labels" in shown else {})


def _retry_policy(spec: JobSpec) -> Document | None:
    """As the job gave it."""
    return spec.retry_policy and spec.retry_policy.model_dump(mode="json", by_alias=True, exclude_unset=True)


# ------------------------------------------------------------------------------------------------ executions


def execution_details(execution: Execution, tail: OutputTail, urls: Urls, waiting_for: str | None = None) -> Document:
    """An execution with the end of its output, and what it waits for."""
    task_id, job_id = execution.task_id, execution.job_id
    return {
        "execution": {**_execution(execution, tail, urls), "waitingFor": waiting_for},
        "job": _reference(job_id, urls.job(task_id, job_id)),
        "task": _reference(task_id, urls.task(task_id)),
    }


def _execution(execution: Execution, tail: OutputTail, urls: Urls) -> Document:
    return {
        **_run(execution),
        "error": _error(execution, tail),
        "log": _text(tail.stdout),
        "metadata": {
            "container_id": execution.container_id,
            "docker_host": execution.engine_host,
            "docker_port": execution.engine_port,
        },
        "url": urls.execution(execution.task_id, execution.job_id, execution.id),
        "cause": execution.cause,
        "reason": execution.reason,
        "oomKilled": execution.oom_killed,
        "history": _history(execution),
        "logTruncated": not tail.is_whole,
        "usage": usage_document(execution.usage),
        **_output(execution, tail),
        "waitsFor": list(execution.waits_for),
        **results(execution, urls),
        "retriedFrom": execution.retried_from,
        "retriedBy": execution.retried_by,
        "tickAt": iso(execution.tick_at),
        "dueAt": iso(execution.due_at),
        "stopRequestedAt": iso(execution.stop_requested_at),
        "requestIPAddress": execution.caller_address,
    }


def _output(execution: Execution, tail: OutputTail) -> Document:
    written = {stream.name.lower(): count for stream, count in tail.written_bytes.items()}
    return {
        "outputBytes": written if execution.output_deleted_at is None else None,
        "outputCut": tail.is_cut if execution.output_deleted_at is None else None,
        "outputDeletedAt": iso(execution.output_deleted_at),
    }


def _run(execution: Execution) -> Document:
    return {
        "command": execution.spec.command,
        "createdAt": iso(execution.created_at),
        "exitCode": execution.exit_code,
        "finishedAt": iso(execution.finished_at),
        "image": execution.spec.image,
        "startedAt": iso(execution.started_at),
        "status": execution.state,
        "executionId": execution.id,
        "attempt": execution.attempt,
        "arrayIndex": execution.array_index,
        "node": execution.node,
        "labels": execution.spec.labels,
    }


def _error(execution: Execution, tail: OutputTail) -> str:
    """What went wrong, in words where the exit code does not say it, followed by what the command wrote to stderr."""
    reason = "" if execution.cause in SAYS_ENOUGH else execution.reason
    return "\n".join(filter(None, (reason, _text(tail.stderr))))


def _text(content: bytes) -> str:
    """Bytes of a stream as text. They may begin in the middle of a character: what is left of that is dropped."""
    begin = next((i for i, byte in enumerate(content[:3]) if byte & 0xC0 != 0x80), 3)
    return content[begin:].decode("utf-8", "replace")


def _history(execution: Execution) -> list[Document]:
    order = list(State)
    moves = sorted(execution.times.items(), key=lambda move: (move[1], order.index(move[0])))
    return [{"status": state, "at": iso(at)} for state, at in moves]


def execution_item(execution: Execution, urls: Urls) -> Document:
    """An execution in a list."""
    return {
        **_run(execution),
        "jobId": execution.job_id,
        "taskId": execution.task_id,
        "url": urls.execution(execution.task_id, execution.job_id, execution.id),
    }


def stopped_execution(execution: Execution, stopped: Stopped, urls: Urls) -> Document:
    """The answer to stopping an execution. (Its URLs have a slash at the end in fastlane's document.)"""
    task_id, job_id = execution.task_id, execution.job_id
    return {
        "execution": _reference(execution.id, urls.execution(task_id, job_id, execution.id) + "/"),
        "job": _reference(job_id, urls.job(task_id, job_id) + "/"),
        "task": _reference(task_id, urls.task(task_id) + "/"),
        "stopped": stopped,
    }


# ---------------------------------------------------------------------------------------------------- shared


def _reference(identifier: str, url: str) -> Document:
    return {"id": identifier, "url": url}


def neighbours(url: str, page: int, has_next: bool, **query: str | None) -> Document:
    """Where the pages before and after this one of a list are."""
    return {
        "hasNext": has_next,
        "hasPrev": page > 1,
        "nextUrl": with_query(url, **query, page=page + 1) if has_next else None,
        "prevUrl": with_query(url, **query, page=page - 1) if page > 1 else None,
    }

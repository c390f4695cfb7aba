"""From slices of lists to the documents of the native API. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobrunner.api.native.lists import ChosenBy
from jobrunner.api.native.times import iso
from jobrunner.api.native.translate import Document, execution_item
from jobrunner.api.native.urls import Urls, with_query
from jobrunner.domain.executions import Execution, Job
from jobrunner.domain.listing import Slice, is_scheduled


def execution_list(found: Slice[Execution], per_page: int, urls: Urls, list_url: str, chosen_by: ChosenBy) -> Document:
    """Some executions, of the list at `list_url`."""
    items = [execution_item(execution, urls) for execution in found.items]
    return {"items": items, "perPage": per_page, **_following(found, list_url, chosen_by)}


def job_list(found: Slice[Job], now: datetime, per_page: int, urls: Urls, chosen_by: ChosenBy) -> Document:
    """Some jobs of all tasks."""
    items = [_job_item(job, now, urls) for job in found.items]
    return {"items": items, "perPage": per_page, **_following(found, urls.jobs, chosen_by)}


def _job_item(job: Job, now: datetime, urls: Urls) -> Document:
    return {
        "jobId": job.id,
        "taskId": job.task_id,
        "url": urls.job(job.task_id, job.id),
        "image": job.spec.image,
        "command": job.spec.command,
        "createdAt": iso(job.created_at),
        "lastModifiedAt": iso(job.modified_at),
        "executionCount": job.executions_count,
        "scheduled": is_scheduled(job, now),
        "stoppedAt": iso(job.stopped_at),
        "pausedAt": iso(job.paused_at),
        "labels": job.spec.labels,
    }


def _following(found: Slice[Any], list_url: str, chosen_by: ChosenBy) -> Document:
    following = found.following
    next_url = None if following is None else with_query(list_url, **chosen_by, after=str(following))
    return {"hasNext": following is not None, "nextUrl": next_url}

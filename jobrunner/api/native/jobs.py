"""Routes of jobs."""

from __future__ import annotations

from dataclasses import replace

from jobrunner.api.context import current_farm
from jobrunner.api.native import lists, query, translate, translate_lists
from jobrunner.api.native.job_spec import parse_spec
from jobrunner.api.native.routing import JOB, route
from jobrunner.api.native.translate import Document, JobView
from jobrunner.api.native.urls import urls_for_request
from jobrunner.api.request_body import body
from jobrunner.domain.identifiers import check_task_id, check_uuid
from jobrunner.engine import cancel, queries
from jobrunner.engine.rerun import rerun
from jobrunner.engine.submit import resubmit

LOG_BYTES_IN_A_LIST = 4 * 1024


@route("PUT", JOB)
def enqueue_or_update_job(task_id: str, job_id: str) -> Document:
    """Make the job, or give it a new definition; start it or schedule it."""
    farm = current_farm()
    taken = resubmit(farm, check_task_id(task_id), check_uuid("jobId", job_id), parse_spec(body()))
    return translate.accepted(taken, urls_for_request(farm.settings))


@route("GET", JOB)
def show_job(task_id: str, job_id: str) -> Document:
    """The job with a page of its executions, the newest first."""
    farm, page = current_farm(), query.page()
    job = queries.job(farm, task_id, job_id)
    executions = queries.executions_of_job(farm, job, page)
    view = JobView(
        job,
        page,
        [(execution, queries.output_tail(farm, execution, LOG_BYTES_IN_A_LIST)) for execution in executions],
        newest=queries.newest_execution(farm, job),
        next_times=queries.next_times(farm, job),
    )
    return translate.job_details(view, farm.settings.redacted_names, urls_for_request(farm.settings))


@route("GET", f"{JOB}/executions")
def list_executions_of_job(task_id: str, job_id: str) -> Document:
    """All executions of the job, the newest first; ?status=&node=&label=&since=&until= for some of them."""
    farm, urls = current_farm(), urls_for_request(current_farm().settings)
    job = queries.job(farm, task_id, job_id)
    chosen, chosen_by = lists.chosen_executions()
    found = queries.executions(farm, replace(chosen, job_id=job.id), query.after())
    list_url = f"{urls.job(task_id, job.id)}/executions"
    return translate_lists.execution_list(found, farm.settings.page_size, urls, list_url, chosen_by)


@route("GET", "/jobs")
def list_jobs() -> Document:
    """Jobs of all tasks, the newest first; ?task=&state=scheduled&label=&since=&until= for some of them."""
    farm, urls = current_farm(), urls_for_request(current_farm().settings)
    now = farm.clock.now()
    chosen, chosen_by = lists.chosen_jobs(now)
    found = queries.all_jobs(farm, chosen, query.after())
    return translate_lists.job_list(found, now, farm.settings.page_size, urls, chosen_by)


@route("POST", f"{JOB}/retry")
def rerun_job(task_id: str, job_id: str) -> Document:
    """Run the job once more, now."""
    farm = current_farm()
    taken = rerun(farm, queries.job(farm, task_id, job_id))
    return translate.accepted(taken, urls_for_request(farm.settings))


@route("POST", f"{JOB}/stop")
def stop_job(task_id: str, job_id: str) -> Document:
    """Stop what the job runs, its schedule and its retries."""
    farm = current_farm()
    job = queries.job(farm, task_id, job_id)
    cancel.stop_job(farm, job)
    return translate.job_reference(job, urls_for_request(farm.settings))

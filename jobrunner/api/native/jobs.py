"""Routes of jobs."""

from __future__ import annotations

from dataclasses import replace

from jobrunner.api.caller import caller_address
from jobrunner.api.context import current_farm
from jobrunner.api.native import lists, query, translate, translate_lists
from jobrunner.api.native.documents.jobs import Accepted, JobDetails, PausedJob, StoppedJob
from jobrunner.api.native.documents.lists import ExecutionList, JobList
from jobrunner.api.native.job_spec import parse_spec
from jobrunner.api.native.parameters import AFTER, JOB_STATE, LABEL, NODE, PAGE, SINCE, STATUS, TASK, UNTIL
from jobrunner.api.native.routing import JOB, route
from jobrunner.api.native.translate import Document, JobView
from jobrunner.api.native.translate_stop import stopped_job
from jobrunner.api.native.urls import urls_for_request
from jobrunner.api.openapi.operation import answers
from jobrunner.api.repeats import IDEMPOTENCY_KEY, repeatable, request_token
from jobrunner.api.request_body import body
from jobrunner.domain.identifiers import check_task_id, check_uuid
from jobrunner.domain.specs import JobSpec
from jobrunner.engine import cancel, pause, queries
from jobrunner.engine.rerun import rerun
from jobrunner.engine.submit import resubmit

LOG_BYTES_IN_A_LIST = 4 * 1024


@route("PUT", JOB)
@answers(Accepted, body=JobSpec, headers=(IDEMPOTENCY_KEY,))
@repeatable
def enqueue_or_update_job(task_id: str, job_id: str) -> Document:
    """Make the job, or give it a new definition; start it or schedule it."""
    farm = current_farm()
    ids = check_task_id(task_id), check_uuid("jobId", job_id)
    spec, address, token = parse_spec(body()), caller_address(), request_token()
    taken = resubmit(farm, *ids, spec, caller_address=address, token=token)
    return translate.accepted(taken, urls_for_request(farm.settings))


@route("GET", JOB)
@answers(JobDetails, query=(PAGE,))
def show_job(task_id: str, job_id: str) -> Document:
    """The job with a page of its executions, the newest first; those that wait for their time come last."""
    farm, page = current_farm(), query.page()
    job = queries.job(farm, task_id, job_id)
    executions, has_next = queries.executions_of_job(farm, job, page)
    view = JobView(
        job,
        page,
        [(execution, queries.output_tail(farm, execution, LOG_BYTES_IN_A_LIST)) for execution in executions],
        newest=queries.newest_execution(farm, job),
        next_times=queries.next_times(farm, job),
        has_next=has_next,
        array=queries.array_summary(farm, job),
    )
    return translate.job_details(view, farm.settings.redacted_names, urls_for_request(farm.settings))


@route("GET", f"{JOB}/executions")
@answers(ExecutionList, query=(STATUS, NODE, LABEL, SINCE, UNTIL, AFTER))
def list_executions_of_job(task_id: str, job_id: str) -> Document:
    """All executions of the job, the newest first; ?status=&node=&label=&since=&until= for some of them."""
    farm, urls = current_farm(), urls_for_request(current_farm().settings)
    job = queries.job(farm, task_id, job_id)
    chosen, chosen_by = lists.chosen_executions()
    found = queries.executions(farm, replace(chosen, job_id=job.id), query.after())
    list_url = f"{urls.job(task_id, job.id)}/executions"
    return translate_lists.execution_list(found, farm.settings.page_size, urls, list_url, chosen_by)


@route("GET", "/jobs")
@answers(JobList, query=(TASK, JOB_STATE, LABEL, SINCE, UNTIL, AFTER))
def list_jobs() -> Document:
    """Jobs of all tasks, the newest first; ?task=&state=scheduled&label=&since=&until= for some of them."""
    farm, urls = current_farm(), urls_for_request(current_farm().settings)
    now = farm.clock.now()
    chosen, chosen_by = lists.chosen_jobs(now)
    found = queries.all_jobs(farm, chosen, query.after())
    return translate_lists.job_list(found, now, farm.settings.page_size, urls, chosen_by)


@route("POST", f"{JOB}/retry")
@answers(Accepted, headers=(IDEMPOTENCY_KEY,))
@repeatable
def rerun_job(task_id: str, job_id: str) -> Document:
    """Run the job once more, now."""
    farm = current_farm()
    taken = rerun(farm, queries.job(farm, task_id, job_id), caller_address(), request_token())
    return translate.accepted(taken, urls_for_request(farm.settings))


@route("POST", f"{JOB}/stop")
@answers(StoppedJob)
def stop_job(task_id: str, job_id: str) -> Document:
    """Stop what the job runs, its schedule and its retries."""
    farm = current_farm()
    job = queries.job(farm, task_id, job_id)
    return stopped_job(job, cancel.stop_job(farm, job), urls_for_request(farm.settings))


@route("POST", f"{JOB}/pause")
@answers(PausedJob)
def pause_job(task_id: str, job_id: str) -> Document:
    """Pause the schedule of the job."""
    farm = current_farm()
    job = queries.job(farm, task_id, job_id)
    return translate.paused_job(job, pause.pause(farm, job), urls_for_request(farm.settings))


@route("POST", f"{JOB}/resume")
@answers(PausedJob)
def resume_job(task_id: str, job_id: str) -> Document:
    """Have the schedule of the job go on."""
    farm = current_farm()
    job = queries.job(farm, task_id, job_id)
    return translate.paused_job(job, pause.resume(farm, job), urls_for_request(farm.settings))

"""Routes of jobs."""

from __future__ import annotations

from jobrunner.api.caller import caller_address
from jobrunner.api.context import current_farm
from jobrunner.api.native import query, translate
from jobrunner.api.native.documents import Accepted, ExecutionPage, JobDetails, JobReference
from jobrunner.api.native.job_spec import parse_spec
from jobrunner.api.native.parameters import PAGE
from jobrunner.api.native.routing import JOB, route
from jobrunner.api.native.translate import Document, JobView
from jobrunner.api.native.translate_stop import stopped_job
from jobrunner.api.native.urls import urls_for_request
from jobrunner.api.openapi.operation import answers
from jobrunner.api.repeats import IDEMPOTENCY_KEY, repeatable, request_token
from jobrunner.api.request_body import body
from jobrunner.domain.identifiers import check_task_id, check_uuid
from jobrunner.domain.specs import JobSpec
from jobrunner.engine import cancel, queries
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
@answers(ExecutionPage, query=(PAGE,))
def list_executions_of_job(task_id: str, job_id: str) -> Document:
    """A page of all executions of the job, the newest first."""
    farm, page = current_farm(), query.page()
    job = queries.job(farm, task_id, job_id)
    found, has_next = queries.executions(farm, page, job_id=job.id)
    urls = urls_for_request(farm.settings)
    list_url = f"{urls.job(task_id, job.id)}/executions"
    return translate.execution_page(found, page, farm.settings.page_size, has_next, urls, list_url)


@route("POST", f"{JOB}/retry")
@answers(Accepted, headers=(IDEMPOTENCY_KEY,))
@repeatable
def rerun_job(task_id: str, job_id: str) -> Document:
    """Run the job once more, now."""
    farm = current_farm()
    taken = rerun(farm, queries.job(farm, task_id, job_id), caller_address(), request_token())
    return translate.accepted(taken, urls_for_request(farm.settings))


@route("POST", f"{JOB}/stop")
@answers(JobReference)
def stop_job(task_id: str, job_id: str) -> Document:
    """Stop what the job runs, its schedule and its retries."""
    farm = current_farm()
    job = queries.job(farm, task_id, job_id)
    return stopped_job(job, cancel.stop_job(farm, job), urls_for_request(farm.settings))

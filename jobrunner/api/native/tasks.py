"""Routes of tasks."""

from __future__ import annotations

from flask import request

from jobrunner.api.caller import caller_address
from jobrunner.api.context import current_farm
from jobrunner.api.native import query, translate
from jobrunner.api.native.documents.jobs import Accepted
from jobrunner.api.native.documents.tasks import TaskDetails, TaskPage
from jobrunner.api.native.job_spec import parse_spec
from jobrunner.api.native.parameters import AFTER_JOB, PAGE, QUERY
from jobrunner.api.native.routing import TASK, route
from jobrunner.api.native.translate import Document
from jobrunner.api.native.urls import urls_for_request
from jobrunner.api.openapi.operation import answers
from jobrunner.api.repeats import IDEMPOTENCY_KEY, repeatable, request_token
from jobrunner.api.request_body import body
from jobrunner.domain.identifiers import check_task_id
from jobrunner.domain.specs import JobSpec
from jobrunner.engine import queries
from jobrunner.engine.submit import submit


@route("GET", "/tasks")
@answers(TaskPage, query=(PAGE,))
def list_tasks() -> Document:
    """A page of all tasks."""
    farm = current_farm()
    return translate.task_page(queries.tasks(farm, query.page()), urls_for_request(farm.settings))


@route("GET", "/search")
@answers(TaskPage, query=(QUERY, PAGE))
def search_tasks() -> Document:
    """A page of the tasks whose ids have all words of ?query=."""
    farm, query_text = current_farm(), request.args.get("query", "")
    found = queries.search(farm, query_text, query.page())
    return translate.search_page(found, query_text, urls_for_request(farm.settings))


@route("POST", TASK)
@answers(Accepted, body=JobSpec, headers=(IDEMPOTENCY_KEY,))
@repeatable
def enqueue_job(task_id: str) -> Document:
    """Make a job of the task, and start it or schedule it."""
    farm, task_id = current_farm(), check_task_id(task_id)
    spec, address, token = parse_spec(body()), caller_address(), request_token()
    taken = submit(farm, task_id, spec, caller_address=address, token=token)
    return translate.accepted(taken, urls_for_request(farm.settings))


@route("GET", TASK)
@answers(TaskDetails, query=(AFTER_JOB,))
def show_task(task_id: str) -> Document:
    """The task's jobs, the oldest first; ?after=<job id> for more."""
    farm = current_farm()
    task = queries.task(farm, task_id)
    job_ids, has_next = queries.jobs(farm, task, request.args.get("after"))
    return translate.task_details(task.id, job_ids, has_next, urls_for_request(farm.settings))

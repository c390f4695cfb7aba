"""Routes of executions."""

from __future__ import annotations

from flask import Response, jsonify, request

from jobrunner.api.context import current_farm
from jobrunner.api.native import query, translate
from jobrunner.api.native.routing import EXECUTION, route
from jobrunner.api.native.translate import Document
from jobrunner.api.native.urls import urls_for_request
from jobrunner.domain.identifiers import check_task_id
from jobrunner.engine import cancel, queries
from jobrunner.engine.feasibility import waiting_for

LOG_BYTES = 64 * 1024


@route("GET", "/executions")
def list_executions() -> Document:
    """A page of all executions, the newest first; ?status=running,failed&task=&node=&since= for some of them."""
    farm, page, states, since = current_farm(), query.page(), query.states(), query.since()
    task_id, node = (request.args.get(name) or None for name in ("task", "node"))
    task_id = check_task_id(task_id) if task_id else None
    found, has_next = queries.executions(farm, page, states, task_id, node=node, since=since)
    chosen_by = {
        "status": ",".join(states) or None,
        "task": task_id,
        "node": node,
        "since": request.args.get("since") or None,
    }
    urls = urls_for_request(farm.settings)
    return translate.execution_page(found, page, farm.settings.page_size, has_next, urls, urls.executions, **chosen_by)


@route("GET", "/executions/<execution_id>")
def find_execution(execution_id: str) -> Response:
    """Where the execution of this id is: a redirect to its URL."""
    farm = current_farm()
    execution = queries.any_execution(farm, execution_id)
    url = urls_for_request(farm.settings).execution(execution.task_id, execution.job_id, execution.id)
    response = jsonify(url=url)
    response.status_code = 302
    response.location = url
    return response


@route("GET", EXECUTION)
def show_execution(task_id: str, job_id: str, execution_id: str) -> Document:
    """The execution, with the end of its output."""
    farm = current_farm()
    execution = queries.execution(farm, task_id, job_id, execution_id)
    tail = queries.output_tail(farm, execution, LOG_BYTES)
    urls = urls_for_request(farm.settings)
    return translate.execution_details(execution, tail, urls, waiting_for(farm, execution))


@route("POST", f"{EXECUTION}/stop")
def stop_execution(task_id: str, job_id: str, execution_id: str) -> Document:
    """Stop this execution only."""
    farm = current_farm()
    execution = queries.execution(farm, task_id, job_id, execution_id)
    stopped = cancel.stop_execution(farm, execution)
    return translate.stopped_execution(execution, stopped, urls_for_request(farm.settings))

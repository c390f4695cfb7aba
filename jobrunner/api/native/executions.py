"""Routes of executions."""

from __future__ import annotations

from flask import Response, jsonify

from jobrunner.api.context import current_farm
from jobrunner.api.native import lists, query, translate, translate_lists
from jobrunner.api.native.documents.executions import ExecutionDetails, ExecutionPlace, StoppedExecution
from jobrunner.api.native.documents.lists import ExecutionList
from jobrunner.api.native.parameters import AFTER, LABEL, NODE, SINCE, STATUS, TASK, UNTIL
from jobrunner.api.native.routing import EXECUTION, route
from jobrunner.api.native.translate import Document
from jobrunner.api.native.urls import urls_for_request
from jobrunner.api.openapi.operation import answers
from jobrunner.engine import cancel, queries
from jobrunner.engine.feasibility import waiting_for

LOG_BYTES = 64 * 1024


@route("GET", "/executions")
@answers(ExecutionList, query=(STATUS, TASK, NODE, LABEL, SINCE, UNTIL, AFTER))
def list_executions() -> Document:
    """Executions, the newest first; ?status=running,failed&task=&node=&label=&since=&until= for some of them."""
    farm, urls = current_farm(), urls_for_request(current_farm().settings)
    chosen, chosen_by = lists.chosen_executions("task")
    found = queries.executions(farm, chosen, query.after())
    return translate_lists.execution_list(found, farm.settings.page_size, urls, urls.executions, chosen_by)


@route("GET", "/executions/<execution_id>")
@answers(ExecutionPlace, status=302)
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
@answers(ExecutionDetails)
def show_execution(task_id: str, job_id: str, execution_id: str) -> Document:
    """The execution, with the end of its output."""
    farm = current_farm()
    execution = queries.execution(farm, task_id, job_id, execution_id)
    tail = queries.output_tail(farm, execution, LOG_BYTES)
    urls = urls_for_request(farm.settings)
    return translate.execution_details(execution, tail, urls, waiting_for(farm, execution))


@route("POST", f"{EXECUTION}/stop")
@answers(StoppedExecution)
def stop_execution(task_id: str, job_id: str, execution_id: str) -> Document:
    """Stop this execution only."""
    farm = current_farm()
    execution = queries.execution(farm, task_id, job_id, execution_id)
    stopped = cancel.stop_execution(farm, execution)
    return translate.stopped_execution(execution, stopped, urls_for_request(farm.settings))

"""Routes of what is followed live: a WebSocket, Server-Sent Events, and a page for people, of a job or an execution.

Events have a path of their own beside ws/ and stream/: so one can open them in a browser or with `curl -N` without
any header, and what a URL answers does not depend on who asks.
"""

from __future__ import annotations

from flask import Response

from jobrunner.api.context import current_farm
from jobrunner.api.live import page
from jobrunner.api.live.events import EventTalk
from jobrunner.api.live.handover import followed_body, takes_chunks
from jobrunner.api.live.web_socket import Format, WebSocketTalk
from jobrunner.api.live.web_socket_request import accept_web_socket, opened
from jobrunner.api.native import live_query
from jobrunner.api.native.parameters import FOLLOWED_STREAM, FRAME_FORMAT, FROM, LAST_LINES, POSITION
from jobrunner.api.native.query import choice
from jobrunner.api.native.routing import EXECUTION, JOB, route
from jobrunner.api.openapi.operation import EVENT_STREAM, HTML, NO_BODY, answers
from jobrunner.domain.executions import Execution
from jobrunner.engine import output_start, queries
from jobrunner.errors import Fault, InvalidRequest

START = (FOLLOWED_STREAM, FROM, LAST_LINES, POSITION)


@route("GET", f"{JOB}/ws", is_web_socket=True)
@answers(NO_BODY, status=101, query=(FRAME_FORMAT, *START), refuses=(403, 426))
def follow_job_by_web_socket(task_id: str, job_id: str) -> Response:
    """The output of the job's last execution."""
    return _web_socket(_of_job(task_id, job_id), is_of_job=True)


@route("GET", f"{EXECUTION}/ws", is_web_socket=True)
@answers(NO_BODY, status=101, query=(FRAME_FORMAT, *START), refuses=(403, 426))
def follow_by_web_socket(task_id: str, job_id: str, execution_id: str) -> Response:
    """The output of the execution."""
    return _web_socket(_of_execution(task_id, job_id, execution_id), is_of_job=False)


@route("GET", f"{JOB}/sse")
@answers(EVENT_STREAM, query=START, also={204: NO_BODY})
def follow_job_by_events(task_id: str, job_id: str) -> Response:
    """The output of the job's last execution, as events."""
    return _events(_of_job(task_id, job_id), is_of_job=True)


@route("GET", f"{EXECUTION}/sse")
@answers(EVENT_STREAM, query=START, also={204: NO_BODY})
def follow_by_events(task_id: str, job_id: str, execution_id: str) -> Response:
    """The output of the execution, as events."""
    return _events(_of_execution(task_id, job_id, execution_id), is_of_job=False)


@route("GET", f"{JOB}/stream")
@answers(HTML)
def show_page_of_job(task_id: str, job_id: str) -> Response:
    """A page that follows the output of the job's last execution."""
    queries.job(current_farm(), task_id, job_id)
    return page.answer(f"{task_id}, job {job_id}")


@route("GET", f"{EXECUTION}/stream")
@answers(HTML)
def show_page(task_id: str, job_id: str, execution_id: str) -> Response:
    """A page that follows the output of the execution."""
    queries.execution(current_farm(), task_id, job_id, execution_id)
    return page.answer(f"{task_id}, execution {execution_id}")


def _of_job(task_id: str, job_id: str) -> Execution:
    farm = current_farm()
    return output_start.followed_execution(farm, queries.job(farm, task_id, job_id), live_query.position())


def _of_execution(task_id: str, job_id: str, execution_id: str) -> Execution:
    execution, reached = queries.execution(current_farm(), task_id, job_id, execution_id), live_query.position()
    if reached is not None and reached.execution_id != execution.id:
        raise InvalidRequest(Fault("position", "is of another execution"))
    return execution


def _web_socket(execution: Execution, *, is_of_job: bool) -> Response:
    farm = current_farm()
    handshake = accept_web_socket()
    start, streams = live_query.start(farm, execution), live_query.streams()
    frame_format = Format(choice("format", tuple(Format)))
    return opened(WebSocketTalk(execution, start, streams, frame_format, is_of_job), handshake)


def _events(execution: Execution, *, is_of_job: bool) -> Response:
    start, streams = live_query.start(current_farm(), execution), live_query.streams()
    if start.is_end and execution.state.is_terminal:
        return Response(status=204)  # to an EventSource: all is said, do not come back
    return followed_body(EventTalk(execution, start, streams, is_of_job, takes_chunks()), EVENT_STREAM.name)

"""Routes of output: stdout, stderr, and both (logs), of an execution or of the last one of a job."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, request

from jobrunner.api.context import current_farm
from jobrunner.api.native import query
from jobrunner.api.native.parameters import FOLLOW, OFFSET
from jobrunner.api.native.routing import EXECUTION, JOB, route
from jobrunner.api.openapi.operation import TEXT, answers
from jobrunner.api.streaming import text_stream
from jobrunner.domain.executions import Execution
from jobrunner.domain.ports import Stream
from jobrunner.engine import follow, queries
from jobrunner.engine.farm import Farm
from jobrunner.errors import Fault, InvalidRequest

BETWEEN_STREAMS = b"\n-=-\n"
EXIT_CODE_HEADERS = ("Fastlane-Exit-Code", "Jobrunner-Exit-Code")
STREAMS = {"stdout": Stream.STDOUT, "stderr": Stream.STDERR}
ONE_STREAM = "/<any(stdout, stderr):name>"


@route("GET", JOB + ONE_STREAM)
@answers(TEXT, query=(OFFSET, FOLLOW))
def show_stream_of_job(task_id: str, job_id: str, name: str) -> Response:
    """One stream of the job's last execution."""
    return _one_stream(_last_execution(task_id, job_id), STREAMS[name])


@route("GET", EXECUTION + ONE_STREAM)
@answers(TEXT, query=(OFFSET, FOLLOW))
def show_stream(task_id: str, job_id: str, execution_id: str, name: str) -> Response:
    """One stream of the execution; ?offset=N from its byte N on, ?follow=1 until the execution is over."""
    return _one_stream(queries.execution(current_farm(), task_id, job_id, execution_id), STREAMS[name])


@route("GET", f"{JOB}/logs")
@answers(TEXT, query=(FOLLOW,))
def show_logs_of_job(task_id: str, job_id: str) -> Response:
    """Both streams of the job's last execution."""
    return _both_streams(_last_execution(task_id, job_id))


@route("GET", f"{EXECUTION}/logs")
@answers(TEXT, query=(FOLLOW,))
def show_logs(task_id: str, job_id: str, execution_id: str) -> Response:
    """Both streams of the execution, stdout first; ?follow=1 until the execution is over."""
    return _both_streams(queries.execution(current_farm(), task_id, job_id, execution_id))


def _last_execution(task_id: str, job_id: str) -> Execution:
    farm = current_farm()
    return queries.last_execution(farm, queries.job(farm, task_id, job_id))


def _one_stream(execution: Execution, stream: Stream) -> Response:
    pieces = follow.read(current_farm(), execution.id, stream, query.offset(), query.follow())
    return text_stream(pieces, _exit_code(execution))


def _both_streams(execution: Execution) -> Response:
    if "offset" in request.args:
        raise InvalidRequest(Fault("offset", "is for stdout and stderr only"))
    return text_stream(_joined(current_farm(), execution.id, query.follow()), _exit_code(execution))


def _joined(farm: Farm, execution_id: str, follows: bool) -> Iterator[bytes]:
    yield from follow.read(farm, execution_id, Stream.STDOUT, follow=follows)
    yield BETWEEN_STREAMS
    yield from follow.read(farm, execution_id, Stream.STDERR, follow=follows)


def _exit_code(execution: Execution) -> dict[str, str]:
    """The exit code in headers, where it is known already."""
    return {} if execution.exit_code is None else dict.fromkeys(EXIT_CODE_HEADERS, str(execution.exit_code))

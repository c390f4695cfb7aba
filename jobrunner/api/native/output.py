"""Routes of output: stdout, stderr, and both (logs), of an execution or of the last one of a job."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, request

from jobrunner.api.context import current_farm
from jobrunner.api.live.handover import followed_body, takes_chunks
from jobrunner.api.live.text import TextTalk
from jobrunner.api.native import query
from jobrunner.api.native.routing import EXECUTION, JOB, route
from jobrunner.api.streaming import TEXT, text_stream
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
def show_stream_of_job(task_id: str, job_id: str, name: str) -> Response:
    """One stream of the job's last execution."""
    return _one_stream(_last_execution(task_id, job_id), STREAMS[name])


@route("GET", EXECUTION + ONE_STREAM)
def show_stream(task_id: str, job_id: str, execution_id: str, name: str) -> Response:
    """One stream of the execution; ?offset=N from its byte N on, ?follow=1 until the execution is over."""
    return _one_stream(queries.execution(current_farm(), task_id, job_id, execution_id), STREAMS[name])


@route("GET", f"{JOB}/logs")
def show_logs_of_job(task_id: str, job_id: str) -> Response:
    """Both streams of the job's last execution."""
    return _both_streams(_last_execution(task_id, job_id))


@route("GET", f"{EXECUTION}/logs")
def show_logs(task_id: str, job_id: str, execution_id: str) -> Response:
    """Both streams of the execution, stdout first; ?follow=1 until the execution is over."""
    return _both_streams(queries.execution(current_farm(), task_id, job_id, execution_id))


def _last_execution(task_id: str, job_id: str) -> Execution:
    farm = current_farm()
    return queries.last_execution(farm, queries.job(farm, task_id, job_id))


def _one_stream(execution: Execution, stream: Stream) -> Response:
    if query.follow():
        talk = TextTalk(execution, (stream,), takes_chunks(), offset=query.offset())
        return followed_body(talk, TEXT, _exit_code(execution))
    return text_stream(follow.read(current_farm(), execution.id, stream, query.offset()), _exit_code(execution))


def _both_streams(execution: Execution) -> Response:
    if "offset" in request.args:
        raise InvalidRequest(Fault("offset", "is for stdout and stderr only"))
    if query.follow():
        talk = TextTalk(execution, (Stream.STDOUT, Stream.STDERR), takes_chunks(), between=BETWEEN_STREAMS)
        return followed_body(talk, TEXT, _exit_code(execution))
    return text_stream(_joined(current_farm(), execution.id), _exit_code(execution))


def _joined(farm: Farm, execution_id: str) -> Iterator[bytes]:
    yield from follow.read(farm, execution_id, Stream.STDOUT)
    yield BETWEEN_STREAMS
    yield from follow.read(farm, execution_id, Stream.STDERR)


def _exit_code(execution: Execution) -> dict[str, str]:
    """The exit code in headers, where it is known already."""
    return {} if execution.exit_code is None else dict.fromkeys(EXIT_CODE_HEADERS, str(execution.exit_code))

"""Routes of output: stdout, stderr, and both (logs), of an execution or of the last one of a job.

All take ?follow=1 (until the execution is over), ?tail=N (the last N lines) and ?since= (what was written from then
on); stdout and stderr also ?offset=N (from byte N on).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from flask import Response, request

from jobrunner.api.context import current_farm
from jobrunner.api.live.handover import followed_body, takes_chunks
from jobrunner.api.live.text import StreamStart, TextTalk
from jobrunner.api.native import query
from jobrunner.api.native.parameters import FOLLOW, OFFSET, TAIL, WRITTEN_SINCE
from jobrunner.api.native.routing import EXECUTION, JOB, route
from jobrunner.api.openapi.operation import TEXT, answers
from jobrunner.api.streaming import text_stream
from jobrunner.domain.executions import Execution
from jobrunner.domain.ports.output_store import Stream
from jobrunner.engine import queries
from jobrunner.engine.stored_output import Start, locate, notice_of_deletion, offset_of, read_kept
from jobrunner.errors import Fault, InvalidRequest

BETWEEN_STREAMS = b"\n-=-\n"
EXIT_CODE_HEADERS = ("Fastlane-Exit-Code", "Jobrunner-Exit-Code")
OFFSET_HEADER = "Jobrunner-Output-Offset"  # the byte of the stream at which the answer begins
STREAMS = {"stdout": Stream.STDOUT, "stderr": Stream.STDERR}
ONE_STREAM = "/<any(stdout, stderr):name>"


@route("GET", JOB + ONE_STREAM)
@answers(TEXT, query=(OFFSET, TAIL, WRITTEN_SINCE, FOLLOW))
def show_stream_of_job(task_id: str, job_id: str, name: str) -> Response:
    """One stream of the job's last execution."""
    return _one_stream(_last_execution(task_id, job_id), STREAMS[name])


@route("GET", EXECUTION + ONE_STREAM)
@answers(TEXT, query=(OFFSET, TAIL, WRITTEN_SINCE, FOLLOW))
def show_stream(task_id: str, job_id: str, execution_id: str, name: str) -> Response:
    """One stream of the execution."""
    return _one_stream(queries.execution(current_farm(), task_id, job_id, execution_id), STREAMS[name])


@route("GET", f"{JOB}/logs")
@answers(TEXT, query=(TAIL, WRITTEN_SINCE, FOLLOW))
def show_logs_of_job(task_id: str, job_id: str) -> Response:
    """Both streams of the job's last execution."""
    return _both_streams(_last_execution(task_id, job_id))


@route("GET", f"{EXECUTION}/logs")
@answers(TEXT, query=(TAIL, WRITTEN_SINCE, FOLLOW))
def show_logs(task_id: str, job_id: str, execution_id: str) -> Response:
    """Both streams of the execution, stdout first."""
    return _both_streams(queries.execution(current_farm(), task_id, job_id, execution_id))


def _last_execution(task_id: str, job_id: str) -> Execution:
    farm = current_farm()
    return queries.last_execution(farm, queries.job(farm, task_id, job_id))


def _one_stream(execution: Execution, stream: Stream) -> Response:
    farm, start = current_farm(), _start()
    if execution.output_deleted_at is not None:
        return text_stream(_deleted(execution, start), {OFFSET_HEADER: "0", **_exit_code(execution)})
    begin = offset_of(farm.store.output, execution, stream, start)
    return _streams(execution, {stream: begin}, {OFFSET_HEADER: str(begin), **_exit_code(execution)})


def _both_streams(execution: Execution) -> Response:
    if "offset" in request.args:
        raise InvalidRequest(Fault("offset", "is for stdout and stderr only"))
    farm, start = current_farm(), _start()
    if execution.output_deleted_at is not None:
        return text_stream(_deleted(execution, start), _exit_code(execution))
    # Both are looked for now: by the time that stdout has been followed to its end, stderr has got longer.
    begins = {stream: offset_of(farm.store.output, execution, stream, start) for stream in Stream}
    return _streams(execution, begins, _exit_code(execution))


def _streams(execution: Execution, begins: Mapping[Stream, int], headers: Mapping[str, str]) -> Response:
    """An answer of these streams, each from the byte where it begins on, one after the other."""
    store = current_farm().store
    if query.follow():
        starts = [
            StreamStart(stream, *locate(store.output, execution.id, stream, begin)) for stream, begin in begins.items()
        ]
        return followed_body(TextTalk(execution, starts, takes_chunks(), BETWEEN_STREAMS), TEXT.name, headers)
    pieces = [read_kept(store, execution, stream, begin) for stream, begin in begins.items()]
    parted = [part for piece in pieces for part in ((BETWEEN_STREAMS,), piece)][1:]
    return text_stream(chain.from_iterable(parted), headers)


def _start() -> Start:
    """Where the caller wants to begin. Raises InvalidRequest."""
    start = Start(query.offset(), query.tail(), query.instant("since"))
    for name, value in (("tail", start.last_lines), ("since", start.since)):
        if "offset" in request.args and value is not None:
            raise InvalidRequest(Fault("offset", f"does not go with {name}: give one of them"))
    return start


def _deleted(execution: Execution, start: Start) -> Iterator[bytes]:
    return iter(() if start.last_lines == 0 else (notice_of_deletion(execution),))


def _exit_code(execution: Execution) -> dict[str, str]:
    """The exit code in headers, where it is known already."""
    return {} if execution.exit_code is None else dict.fromkeys(EXIT_CODE_HEADERS, str(execution.exit_code))

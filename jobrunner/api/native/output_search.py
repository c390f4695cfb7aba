"""Routes that search in what an execution has written: .../search/?query=&stream=&ignoreCase=&limit=&after=."""

from __future__ import annotations

import re

from flask import request

from jobrunner.api.context import current_farm
from jobrunner.api.native import query
from jobrunner.api.native.documents.lists import FoundLines
from jobrunner.api.native.parameters import AFTER, IGNORE_CASE, LIMIT, SEARCHED, STREAM
from jobrunner.api.native.routing import EXECUTION, JOB, route
from jobrunner.api.native.times import iso
from jobrunner.api.native.urls import urls_for_request, with_query
from jobrunner.api.openapi.operation import answers
from jobrunner.domain.executions import Execution
from jobrunner.domain.ports.output_store import Stream
from jobrunner.engine import queries
from jobrunner.engine.output_search import Findings, FoundLine, Place, Query, search
from jobrunner.errors import Fault, InvalidRequest

LONGEST_QUERY = 256
STREAMS = {stream.name.lower(): stream for stream in Stream}
_PLACE = re.compile(r"(?P<stream>stdout|stderr)\.(\d{1,16})\.(\d{1,16})\.(\d{1,16})\.([01])", re.ASCII)

Document = dict[str, object]


@route("GET", f"{JOB}/search")
@answers(FoundLines, query=(SEARCHED, STREAM, IGNORE_CASE, LIMIT, AFTER))
def search_output_of_job(task_id: str, job_id: str) -> Document:
    """Lines of the output of the job's last execution."""
    farm = current_farm()
    return _search(queries.last_execution(farm, queries.job(farm, task_id, job_id)))


@route("GET", f"{EXECUTION}/search")
@answers(FoundLines, query=(SEARCHED, STREAM, IGNORE_CASE, LIMIT, AFTER))
def search_output(task_id: str, job_id: str, execution_id: str) -> Document:
    """Lines of the output of the execution that have a text in them, a page at a time."""
    return _search(queries.execution(current_farm(), task_id, job_id, execution_id))


def _search(execution: Execution) -> Document:
    farm, wanted, streams = current_farm(), _query(), _streams()
    after, limit = _after(streams), query.limit()
    found = Findings(after or Place(streams[0]), is_at_end=True)
    if execution.output_deleted_at is None:
        found = search(farm.store.output, execution.id, wanted, streams, after, limit)
    return _document(execution, found, limit)


def _query() -> Query:
    text = request.args.get("query", "")
    if not text or len(text) > LONGEST_QUERY or "\n" in text:
        raise InvalidRequest(Fault("query", f"must be a text of 1 to {LONGEST_QUERY} characters, within one line"))
    if query.flag("regex"):
        raise InvalidRequest(Fault("regex", "is not supported: the query is looked for as it is"))
    return Query(text, ignores_case=query.flag("ignoreCase"))


def _streams() -> list[Stream]:
    name = request.args.get("stream")
    if name is None:
        return list(Stream)
    if name not in STREAMS:
        raise InvalidRequest(Fault("stream", f"must be {' or '.join(STREAMS)}; left out: both, one after the other"))
    return [STREAMS[name]]


def _after(streams: list[Stream]) -> Place | None:
    word = request.args.get("after")
    if word is None:
        return None
    match = _PLACE.fullmatch(word)
    if match is None or STREAMS[match["stream"]] not in streams:
        raise InvalidRequest(Fault("after", "must be what an answer to this search had as `after`"))
    offset, line, line_offset, is_found = map(int, match.groups()[1:])
    return Place(STREAMS[match["stream"]], offset, line, line_offset, bool(is_found))


def _document(execution: Execution, found: Findings, limit: int) -> Document:
    place = found.place
    after = f"{_name(place.stream)}.{place.offset}.{place.line}.{place.line_offset}.{int(place.is_found)}"
    url = urls_for_request(current_farm().settings).execution(execution.task_id, execution.job_id, execution.id)
    chosen_by = {name: request.args.get(name) for name in ("query", "stream", "ignoreCase")}
    next_url = with_query(f"{url}/search", **chosen_by, limit=limit, after=after)
    return {
        "items": [_line(line) for line in found.lines],
        "hasNext": not found.is_at_end,
        "nextUrl": None if found.is_at_end else next_url,
        "after": after,
        "outputDeletedAt": iso(execution.output_deleted_at),
    }


def _line(found: FoundLine) -> Document:
    return {
        "stream": _name(found.stream),
        "line": found.line,
        "offset": found.offset,
        "text": found.text.decode("utf-8", "replace"),
        "truncated": not found.is_whole,
    }


def _name(stream: Stream) -> str:
    return stream.name.lower()

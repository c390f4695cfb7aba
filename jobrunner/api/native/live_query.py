"""What a follower asks for: the parameters of ws/ and sse/, checked, and the start that they stand for."""

from __future__ import annotations

from flask import request

from jobrunner.api.native.query import choice, last_lines
from jobrunner.domain.executions import Execution
from jobrunner.domain.output_position import OutputPosition, parse_position
from jobrunner.domain.ports.output_store import Stream
from jobrunner.engine import output_start
from jobrunner.engine.farm import Farm
from jobrunner.errors import Fault, InvalidRequest

STARTS = ("position", "tail", "from")
STREAMS = {
    "both": frozenset(Stream),
    "stdout": frozenset({Stream.STDOUT}),
    "stderr": frozenset({Stream.STDERR}),
}


def position() -> OutputPosition | None:
    """Where the client has got to before: the Last-Event-ID of an EventSource that comes back, else ?position=."""
    for name, word in (
        ("Last-Event-ID", request.headers.get("Last-Event-ID")),
        ("position", request.args.get("position")),
    ):
        if word:
            return parse_position(name, word)
    return None


def start(farm: Farm, execution: Execution) -> OutputPosition:
    """Where to begin: after ?position=, with the last lines of ?tail=, or at ?from=start (the default) or end.

    A position of an earlier attempt is the start of this one. Raises InvalidRequest.
    """
    if len(given := [name for name in STARTS if name in request.args]) > 1:
        raise InvalidRequest(*(Fault(name, f"only one of {', '.join(STARTS)} can be given") for name in given))
    reached = position()
    if reached is not None:
        return reached if reached.execution_id == execution.id else OutputPosition(execution.id)
    if "tail" in request.args:
        return output_start.before_last_lines(farm, execution, last_lines())
    if choice("from", ("start", "end")) == "end":
        return output_start.at_end(farm, execution)
    return OutputPosition(execution.id)


def streams() -> frozenset[Stream]:
    """?stream=stdout or stderr; both where it says nothing."""
    return STREAMS[choice("stream", tuple(STREAMS))]

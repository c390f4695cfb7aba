"""Each request has an id: that of its header X-Request-Id where that is a sane one, else one of ours.

It is in the answer's header of that name, in the body of an error, and in every line that is logged on the way.
"""

from __future__ import annotations

import re
import uuid

import structlog
from flask import Flask, Response, g, has_request_context, request

HEADER = "X-Request-Id"
_SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}")


def register(app: Flask) -> None:
    """Give each request of the application its id."""
    app.before_request(_begin)
    app.after_request(_show)


def request_id() -> str:
    """The id of this request; empty outside of one."""
    given: str = g.get("request_id", "") if has_request_context() else ""
    return given


def _begin() -> None:
    given = request.headers.get(HEADER, "")
    g.request_id = given if _SANE.fullmatch(given) and not given.startswith("jr_") else uuid.uuid4().hex
    # What the last request of this thread has left is dropped only now: its answer may have been streamed until now.
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _show(response: Response) -> Response:
    if request_id():
        response.headers[HEADER] = request_id()
    return response

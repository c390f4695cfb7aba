"""How an error is answered: {"error": "<field>: <reason>; ...", "errors": [{"field", "reason"}, ...]}.

InvalidRequest 400, Unauthenticated 401 (with WWW-Authenticate), Forbidden 403, NotFound 404, Conflict 409, Gone 410,
TooManyRequests 429 and ServiceUnavailable 503 (both with Retry-After), what Flask refuses (unknown routes, wrong
methods, too large bodies) with its own status, and anything unforeseen 500. `requestId` tells which request it was, as
the logs name it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import structlog
from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from jobrunner.api.request_id import request_id
from jobrunner.errors import (
    Conflict,
    Fault,
    Forbidden,
    Gone,
    InProgress,
    InvalidRequest,
    NotFound,
    RequestError,
    ServiceUnavailable,
    TooManyRequests,
    Unauthenticated,
)

MOST_FAULTS = 50
LONGEST_FIELD = 100
LONGEST_REASON = 500
RETRY_AFTER_SECONDS = 2
CHALLENGE = 'Basic realm="jobrunner", charset="UTF-8", Bearer realm="jobrunner"'

log = structlog.get_logger(__name__)


def register(app: Flask) -> None:
    """Have the application answer all errors in this form."""
    app.register_error_handler(RequestError, _refused)
    app.register_error_handler(ServiceUnavailable, _unavailable)
    app.register_error_handler(HTTPException, _refused_by_flask)
    app.register_error_handler(Exception, _unforeseen)


def error_body(faults: Sequence[Fault]) -> dict[str, object]:
    """The body of an answer that names these faults, cut where a caller's own words would make it endless."""
    shown = [Fault(_cut(fault.field, LONGEST_FIELD), _cut(fault.reason, LONGEST_REASON)) for fault in faults]
    if len(shown) > MOST_FAULTS:
        left_out = Fault("body", f"has {len(shown) - MOST_FAULTS} more faults like these")
        shown = [*shown[:MOST_FAULTS], left_out]
    return {
        "error": "; ".join(map(str, shown)),
        "errors": [{"field": fault.field, "reason": fault.reason} for fault in shown],
    }


def _refused(error: RequestError) -> Response:
    match error:
        case InvalidRequest(faults=faults):
            return _answer(400, *faults)
        case NotFound(fault=fault):
            return _answer(404, fault)
        case InProgress(fault=fault, retry_after_seconds=seconds):
            return _answer(409, fault, headers={"Retry-After": str(seconds)})
        case Conflict(fault=fault):
            return _answer(409, fault)
        case Unauthenticated(fault=fault):
            return _answer(401, fault, headers={"WWW-Authenticate": CHALLENGE})
        case Forbidden(fault=fault):
            return _answer(403, fault)
        case TooManyRequests(fault=fault, retry_after_seconds=seconds):
            return _answer(429, fault, headers={"Retry-After": str(math.ceil(seconds))})
        case Gone(fault=fault):
            return _answer(410, fault)
    raise error


def _unavailable(error: ServiceUnavailable) -> Response:
    return _answer(503, Fault(error.service, str(error)), headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _refused_by_flask(error: HTTPException) -> Response:
    status = error.code or 500
    if isinstance(error, MethodNotAllowed):
        allowed = sorted(error.valid_methods or ())
        fault = Fault("method", f"must be one of {', '.join(allowed)}, not {request.method}")
        return _answer(status, fault, headers={"Allow": ", ".join(allowed)})
    if status == 404:
        return _answer(*_no_such_route(request.path))
    field = "body" if status in (408, 413) else "request"
    headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    return _answer(status, Fault(field, error.description or error.name), headers=headers)


def _no_such_route(path: str) -> tuple[int, Fault]:
    """A slash in a task id reaches us as one more part of the path: then say what is wrong with the id."""
    parts = path.strip("/").split("/")
    if parts[0] == "tasks" and len(parts) > 2 and parts[2] not in ("job", "jobs"):
        return 400, Fault("taskId", "must not contain '/'")
    return 404, Fault("path", f"there is nothing at {path}")


def _unforeseen(error: Exception) -> Response:
    # The path only: a query string may hold what is nobody's business.
    log.error("request_failed", method=request.method, path=request.path, exc_info=error)
    return _answer(500, Fault("server", "something went wrong here; the log of the API has the cause"))


def _answer(status: int, *faults: Fault, headers: Mapping[str, str] | None = None) -> Response:
    response = jsonify({**error_body(faults), "requestId": request_id()})
    response.status_code = status
    response.headers.extend(dict(headers or {}))
    return response


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."

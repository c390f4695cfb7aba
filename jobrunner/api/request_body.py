"""Read a request's body, before anything else is looked at, so that the answer reaches a client that still sends.

A server that answers and hangs up in the middle of an upload resets the connection, and the client never sees why
it was refused. So what is too large is read and thrown away, up to a bound, in small pieces.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from flask import Response, current_app, g, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, RequestTimeout

from jobrunner.api.context import current_farm
from jobrunner.api.read_deadline import more_is_to_arrive, request_has_arrived
from jobrunner.errors import Fault, InvalidRequest, RequestError

PIECE_BYTES = 64 * 1024
SILENCE_SECONDS = 20.0
PART_BYTES = 1024 * 1024  # of a long body: each has the time that is given to a whole request (api_read_seconds)
DRAIN_BYTES = 512 * 1024**2
DRAIN_SECONDS = 30.0
_READ_BY_ROUTE = "reads_its_body"

View = TypeVar("View", bound=Callable[..., Any])


def read_by_the_route(view: View) -> View:
    """Mark a view that reads the body itself, by `body_stream`."""
    setattr(view, _READ_BY_ROUTE, True)
    return view


def read_body() -> None:
    """Keep the body of this request for `body()`, but where its route reads it piece by piece.

    Raises a 413, 408 or 400 where it cannot be had.
    """
    g.is_body_to_come = _takes_stream()
    if g.is_body_to_come:
        return
    with _bounded_silence():
        g.body = _read(current_farm().settings.api_max_body_bytes)


def body() -> bytes:
    """The body of this request."""
    content: bytes = g.body
    return content


def body_stream(limit_bytes: int) -> Iterator[bytes]:
    """The body of this request as it comes, in pieces. Raises a 413, 408 or 400, at whatever piece."""
    if (request.content_length or 0) > limit_bytes:
        raise RequestEntityTooLarge(f"must have at most {limit_bytes} bytes")
    arrived = 0
    with _bounded_silence():
        while piece := _next_piece(arrived):
            arrived += len(piece)
            if arrived > limit_bytes:
                raise RequestEntityTooLarge(f"must have at most {limit_bytes} bytes")
            yield piece
    request_has_arrived()
    g.is_body_to_come = False
    if arrived < (request.content_length or 0):
        raise InvalidRequest(Fault("body", f"broke off: {arrived} of {request.content_length} bytes came"))


def drain_body(response: Response) -> Response:
    """Read, and throw away, what is still to come of a body that nobody has read to its end."""
    if g.get("is_body_to_come"):
        try:
            with _bounded_silence():
                more_is_to_arrive()
                _drain()
        except (HTTPException, RequestError):
            response.headers["Connection"] = "close"  # the client broke off, or is too slow to be waited for
        request_has_arrived()
    return response


def _next_piece(arrived: int) -> bytes:
    if arrived % PART_BYTES == 0:
        more_is_to_arrive()
    piece: bytes = request.stream.read(PIECE_BYTES)
    return piece


def _takes_stream() -> bool:
    return getattr(current_app.view_functions.get(request.endpoint or ""), _READ_BY_ROUTE, False)


def _read(limit_bytes: int) -> bytes:
    announced = request.content_length or 0
    content = b"" if announced > limit_bytes else request.stream.read(limit_bytes + 1)
    if max(announced, len(content)) > limit_bytes:
        _drain()
        raise RequestEntityTooLarge(f"must have at most {limit_bytes} bytes")
    if len(content) < announced:
        raise InvalidRequest(Fault("body", f"broke off: {len(content)} of {announced} bytes came"))
    return content


def _drain() -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    for _ in range(DRAIN_BYTES // PIECE_BYTES):
        if not request.stream.read(PIECE_BYTES) or time.monotonic() > deadline:
            return


@contextmanager
def _bounded_silence() -> Iterator[None]:
    """Wait for the client's next bytes for SILENCE_SECONDS at most. (Only gunicorn's socket can be told so.)"""
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(SILENCE_SECONDS)
    try:
        yield
    except TimeoutError:
        raise RequestTimeout(f"did not arrive: nothing came for {SILENCE_SECONDS:g} s") from None
    except (OSError, ParseException) as error:
        reason = f"broke off, or came in malformed chunks ({type(error).__name__})"
        raise InvalidRequest(Fault("body", reason)) from None
    finally:
        if connection is not None:
            connection.settimeout(None)

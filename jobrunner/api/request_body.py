"""Read a request's body, before anything else is looked at, so that the answer reaches a client that still sends.

A server that answers and hangs up in the middle of an upload resets the connection, and the client never sees why
it was refused. So what is too large is read and thrown away, up to a bound, in small pieces.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import g, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout

from jobrunner.api.context import current_farm
from jobrunner.errors import Fault, InvalidRequest

PIECE_BYTES = 64 * 1024
SILENCE_SECONDS = 20.0
DRAIN_BYTES = 512 * 1024**2
DRAIN_SECONDS = 30.0


def read_body() -> None:
    """Keep the body of this request for `body()`. Raises a 413, 408 or 400 where it cannot be had."""
    with _bounded_silence():
        g.body = _read(current_farm().settings.api_max_body_bytes)


def body() -> bytes:
    """The body of this request."""
    content: bytes = g.body
    return content


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

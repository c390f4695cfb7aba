"""An answer of Server-Sent Events on a thread of the server, for as long as somebody listens."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

from flask import Response, request

from jobrunner.api.keep_alive import keep_alive
from jobrunner.api.openapi.operation import EVENT_STREAM
from jobrunner.api.streaming import STREAM_HEADERS


def event_stream(pieces: Iterator[bytes]) -> Response:
    """An answer made of these pieces. An empty piece says: nothing new, look whether somebody still listens.

    The first piece is fetched now, so that what is wrong with the request is an error, and no broken answer.
    """
    if request.method == "HEAD":
        pieces = iter(())
    first = next(pieces, b"")
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        keep_alive(connection)
    listened_to = _while_listened_to(first, pieces, connection)
    return Response(listened_to, content_type=EVENT_STREAM.name, headers=STREAM_HEADERS)


def _while_listened_to(first: bytes, pieces: Iterator[bytes], connection: socket.socket | None) -> Iterator[bytes]:
    yield first
    for piece in pieces:
        if piece:
            yield piece
        elif connection is not None and _has_gone(connection):
            return


def _has_gone(connection: socket.socket) -> bool:
    """Whether the other side has closed its connection, or lost it."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)  # POLLHUP and POLLERR are always reported
    return bool(poll.poll(0))

"""An answer of Server-Sent Events on a thread of the server, for as long as somebody listens."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

from flask import Response, request

KEEPALIVE_SECONDS = 15  # after this long without a byte, TCP asks whether the other side is still there
KEEPALIVE_PROBES = 4
EVENT_STREAM = "text/event-stream; charset=utf-8"


def event_stream(pieces: Iterator[bytes]) -> Response:
    """An answer made of these pieces. An empty piece says: nothing new, look whether somebody still listens.

    The first piece is fetched now, so that what is wrong with the request is an error, and no broken answer.
    """
    if request.method == "HEAD":
        pieces = iter(())
    first = next(pieces, b"")
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        _keep_alive(connection)
    # nginx would hold small pieces back.
    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return Response(_while_listened_to(first, pieces, connection), content_type=EVENT_STREAM, headers=headers)


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


def _keep_alive(connection: socket.socket) -> None:
    """Have a client that vanished without a word (a cable, a power cut) noticed by TCP."""
    if connection.family == socket.AF_UNIX:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)

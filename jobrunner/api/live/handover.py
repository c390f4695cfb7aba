"""Hand a connection over from gunicorn's thread to the live server.

gunicorn (worker class gthread) gives the application its socket. We take the descriptor out of it, which leaves
gunicorn with a closed one, and raise StopIteration: gunicorn takes that for "no answer from here" and lets the thread
go. `gunicorn_worker.py` has it forget the connection without touching it.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, NoReturn

from flask import Response, current_app, request
from werkzeug.exceptions import NotImplemented as CannotHere

from jobrunner.api.live.server import LiveServer, Talk
from jobrunner.api.streaming import STREAM_HEADERS

LIVE_SERVER = "jobrunner.live"
SOCKET = "gunicorn.socket"


class HandedOver(Response):
    """An answer whose head is sent, and whose body is made, by the live server."""

    is_streamed = True  # so nothing compresses it

    def __init__(self, talk: Talk, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        """Raises Busy, Ending where nobody can be taken in, and a 501 below any other web server."""
        super().__init__(status=status, headers=dict(headers))
        if SOCKET not in request.environ:
            raise CannotHere("what is live can only be followed where `jobrunner api` serves it")
        self._server: LiveServer = current_app.extensions[LIVE_SERVER]
        self._server.check_room()
        self._talk = talk

    def __call__(self, environ: Any, start_response: Any) -> NoReturn:
        """Give the connection away."""
        client = socket.socket(fileno=environ[SOCKET].detach())
        self._server.take(client, self._head(), self._talk)
        raise StopIteration

    def _head(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status}", f"Date: {formatdate(usegmt=True)}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def takes_chunks() -> bool:
    """Whether the client knows bodies in chunks. A proxy may not: nginx speaks HTTP/1.0 unless it is told otherwise."""
    return bool(request.environ["SERVER_PROTOCOL"] != "HTTP/1.0")


def followed_body(talk: Talk, content_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer whose body is made by this talk. The connection ends with it. To a HEAD it is the headers alone."""
    if request.method == "HEAD":
        return Response(content_type=content_type, headers={**STREAM_HEADERS, **(headers or {})})
    framing = {"Transfer-Encoding": "chunked"} if takes_chunks() else {}
    common = {"Content-Type": content_type, "Connection": "close", **framing, **STREAM_HEADERS}
    return HandedOver(talk, HTTPStatus.OK, {**common, **(headers or {})})

"""gunicorn's worker with threads. What gunicorn refuses before Flask sees it is answered in our form too."""

from __future__ import annotations

import json
import os
import socket
import threading
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http.errors import LimitRequestHeaders, LimitRequestLine, ParseException
from gunicorn.workers.gthread import ThreadWorker

from jobrunner.api.context import FARM
from jobrunner.api.errors import error_body
from jobrunner.api.read_deadline import deadlines
from jobrunner.errors import Fault

NOTIFY_SECONDS = 1.0


class ApiWorker(ThreadWorker):
    """Answers malformed and oversized requests as JSON, and logs no part of them: a query may hold anything.

    It forgets a connection that the application has taken over (live/handover.py) without shutting it down.
    """

    def run(self) -> None:
        """Serve until told to end, or until gunicorn's master is gone. Then those who follow something are let go."""
        try:
            super().run()
        finally:
            self.wsgi.extensions[FARM].stopping.set()

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Called when a thread has done with a connection."""
        if conn.sock.fileno() == -1:
            self.nr_conns -= 1
        else:
            super().finish_request(conn, fs)

    def init_process(self) -> None:
        """Start what needs threads: here, after the fork."""
        deadlines.watch(self.app.read_seconds)
        super().init_process()

    def load_wsgi(self) -> None:
        """Make the application, which waits for the services that it needs, however long that takes."""
        is_made = threading.Event()
        threading.Thread(target=self._show_life, args=(is_made,), name="show life", daemon=True).start()
        try:
            super().load_wsgi()
        finally:
            is_made.set()

    def _show_life(self, is_made: threading.Event) -> None:
        """Keep gunicorn's master from killing us as one that hangs; end where it is gone, as `run` does later."""
        while not is_made.wait(NOTIFY_SECONDS):
            self.notify()
            if os.getppid() != self.ppid:
                os._exit(0)

    def handle(self, conn: Any) -> Any:
        """Read a request and answer it, in a thread; the reading has its time."""
        connection = conn.sock
        deadlines.begin(connection)
        try:
            return super().handle(conn)
        finally:
            deadlines.end(connection)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:
        """Answer instead of the application; gunicorn closes the connection then."""
        status, fault = _judge(exc)
        if status is HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log.error("A request failed outside of the application", exc_info=exc)
        else:
            self.log.info("Refused a request that is no HTTP as we take it: %s", type(exc).__name__)
        try:
            util.write_nonblock(client, _answer(status, fault))
        except OSError as error:
            self.log.debug("The answer did not reach the client: %s", error)


def _judge(exc: BaseException) -> tuple[HTTPStatus, Fault]:
    match exc:
        case LimitRequestLine():
            return HTTPStatus.REQUEST_URI_TOO_LONG, Fault(
                "path", f"is too long: the request line has at most {exc.max_size} bytes"
            )
        case LimitRequestHeaders():
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, Fault("headers", "are too many or too long")
        case ParseException():
            return HTTPStatus.BAD_REQUEST, Fault("request", f"is malformed ({exc})")
    return HTTPStatus.INTERNAL_SERVER_ERROR, Fault("server", "something went wrong here")


def _answer(status: HTTPStatus, fault: Fault) -> bytes:
    body = json.dumps(error_body([fault])).encode() + b"\n"
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Connection: close",
        "Content-Type: application/json",
        "X-Content-Type-Options: nosniff",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body

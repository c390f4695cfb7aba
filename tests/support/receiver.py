"""A receiver of webhooks for tests: a real HTTP server that notes each call, and behaves as its path says."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

BIG_BYTES = 10 * 1024**2
DRIP_SECONDS = 0.1
LONGEST_SECONDS = 60  # whatever hangs or drips ends by itself


@dataclass(frozen=True)
class Call:
    """One request that came."""

    method: str
    path: str
    headers: dict[str, str]  # names in small letters
    body: bytes
    at: float  # seconds of the monotonic clock
    mood: str = ""  # of the receiver, when it came


class Receiver(ThreadingHTTPServer):
    """Notes calls. `statuses` are answered in turn by paths that begin with /flaky.

    `mood`: how all paths behave meanwhile, whatever they are, such as "hang"; empty: as they are.
    """

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, 0), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{shown}:{self.server_port}"
        self.calls: list[Call] = []
        self.statuses: list[int] = []
        self.mood = ""
        self.sent_bytes = 0
        self.closing = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what the tests are about."""


@contextmanager
def receiver(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Iterator[Receiver]:
    """A receiver that serves while the block runs."""
    server = Receiver(tls, host)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        mood = self.server.mood
        self.server.calls.append(Call(self.command, self.path, headers, body, time.monotonic(), mood))
        kind = mood or urlsplit(self.path).path.split("/")[1]
        behaviours: dict[str, Callable[[], None]] = {
            "hang": self._hang,
            "reset": self._reset,
            "big": self._big,
            "drip-head": self._drip_head,
            "drip-body": self._drip_body,
            "redirect": self._redirect,
            "garbage": lambda: self._raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
            "flaky": lambda: self._answer(self.server.statuses.pop(0) if self.server.statuses else 200),
            "status": lambda: self._answer(int(urlsplit(self.path).path.split("/")[2])),
        }
        behaviours.get(kind, lambda: self._answer(200))()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def _answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def _redirect(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        self._answer(int(query["code"][0]), Location=query["to"][0])

    def _hang(self) -> None:
        self.server.closing.wait(LONGEST_SECONDS)
        self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _big(self) -> None:
        self._raw(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG_BYTES)
        for _ in range(BIG_BYTES // 65536):
            self._raw(bytes(65536))
            self.server.sent_bytes += 65536

    def _drip_head(self) -> None:
        self._drip(b"HTTP/1.1 200 OK\r\nX-Slow: ")

    def _drip_body(self) -> None:
        self._raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        self._drip(b"")

    def _drip(self, first: bytes) -> None:
        self._raw(first)
        until = time.monotonic() + LONGEST_SECONDS
        while not self.server.closing.wait(DRIP_SECONDS) and time.monotonic() < until:
            self._raw(b"x")

    def _raw(self, content: bytes) -> None:
        self.close_connection = True
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

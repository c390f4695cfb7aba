"""One HTTP request to an address that was checked, on a socket that is opened to that very address.

An HTTP library would look the name up again when it connects, and could get another answer (DNS rebinding). So the
socket is opened here, and http.client speaks over it.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import SplitResult

from jobrunner.notifiers.addresses import AddressPolicy
from jobrunner.notifiers.deadline import Deadline, resolve

DEFAULT_PORTS = {"http": 80, "https": 443}
MOST_ANSWER_BYTES = 4096
ANSWER_BODY_SECONDS = 1.0  # the status is the answer; its body is awaited only so that the receiver can end in peace


class AddressRefused(Exception):
    """The farm does not call any address of this host. The message says why."""


@dataclass(frozen=True)
class Answer:
    """What a receiver says: its status, and where it sends us instead, if it does."""

    status: int
    location: str | None


@dataclass(frozen=True)
class Caller:
    """Makes calls under the farm's rules."""

    policy: AddressPolicy
    tls: ssl.SSLContext

    def call(
        self, method: str, url: SplitResult, headers: Mapping[str, str], body: bytes, deadline: Deadline
    ) -> Answer:
        """Make the request. Raises AddressRefused, OSError (TimeoutError among them), http.client.HTTPException."""
        assert url.hostname is not None
        with self._connected(url, deadline) as connection:
            http_connection = http.client.HTTPConnection(url.hostname, url.port or DEFAULT_PORTS[url.scheme])
            http_connection.sock = connection
            http_connection.request(method, _target(url), body, {"Host": _host(url), "Connection": "close", **headers})
            response = http_connection.getresponse()
            deadline.check()  # a head that was cut off looks like one that has ended
            _drain(response, connection)
            return Answer(response.status, response.getheader("Location"))

    @contextmanager
    def _connected(self, url: SplitResult, deadline: Deadline) -> Iterator[socket.socket]:
        connection = self._open(url, deadline)
        try:
            if url.scheme == "https":
                connection = self.tls.wrap_socket(
                    connection, server_hostname=url.hostname, do_handshake_on_connect=False
                )
                deadline.watch(connection)
                connection.do_handshake()
            yield connection
        finally:
            deadline.forget()
            connection.close()

    def _open(self, url: SplitResult, deadline: Deadline) -> socket.socket:
        """Connect to the first address of the host that may be called and answers."""
        assert url.hostname is not None
        port = url.port or DEFAULT_PORTS[url.scheme]
        refusal, failure = "it has no address", None
        for address in resolve(url.hostname, port, deadline):
            if reason := self.policy.refusal(address):
                refusal = reason
                continue
            try:
                return _connect(address, port, deadline)
            except OSError as error:
                failure = error
        if failure is not None:
            raise failure
        raise AddressRefused(refusal)


def _connect(address: str, port: int, deadline: Deadline) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(deadline.left_seconds)
        deadline.watch(connection)
        connection.connect((address, port))
    except BaseException:
        connection.close()
        raise
    return connection


def _target(url: SplitResult) -> str:
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


def _host(url: SplitResult) -> str:
    """The Host header: without credentials, as the URL has it."""
    return url.netloc.rpartition("@")[2]


def _drain(response: http.client.HTTPResponse, connection: socket.socket) -> None:
    """Read the beginning of the answer's body, if it comes soon. What becomes of it changes nothing."""
    until = time.monotonic() + ANSWER_BODY_SECONDS
    left_bytes = MOST_ANSWER_BYTES
    try:
        while left_bytes > 0 and (left_seconds := until - time.monotonic()) > 0:
            connection.settimeout(left_seconds)
            piece = response.read1(left_bytes)
            if not piece:
                return
            left_bytes -= len(piece)
    except (OSError, ValueError, http.client.HTTPException):
        return

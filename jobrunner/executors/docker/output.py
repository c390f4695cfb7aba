"""The output of a container: live (attach), or from the Engine's own log (replay)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator

import requests
import urllib3
from docker import APIClient

from jobrunner.domain.ports.output_store import Fragment
from jobrunner.executors.docker.client import shut_down
from jobrunner.executors.docker.errors import root_reason
from jobrunner.executors.docker.frames import FrameParser
from jobrunner.executors.docker.log_lines import LogParser

CHUNK_BYTES = 64 * 1024


class EngineReader:
    """A live connection to the output of one container (the port's OutputReader). One thread reads it."""

    def __init__(
        self,
        response: requests.Response,
        connection: socket.socket,
        received: Iterable[bytes],
        parser: FrameParser | LogParser,
    ) -> None:
        self._response = response
        self._connection = connection
        self._received = received
        self._parser = parser
        self._interrupted = False
        self._closing = threading.Lock()

    def __iter__(self) -> Iterator[Fragment]:
        """The fragments as they come. Raises ConnectionError if the connection breaks."""
        try:
            for received in self._received:
                if self._interrupted:
                    return
                yield from self._parser.feed(received)
            if not self._interrupted:
                self._parser.finish()
        except (OSError, urllib3.exceptions.HTTPError) as error:
            if not self._interrupted:
                raise ConnectionError(f"the output of the container broke off: {root_reason(error)}") from error

    def interrupt(self) -> None:
        """End the iteration, from another thread, also if it has not begun."""
        self._interrupted = True
        with self._closing:  # never on a descriptor that was closed and given to another connection meanwhile
            shut_down(self._connection)

    def close(self) -> None:
        """End the iteration and the connection."""
        self.interrupt()
        with self._closing:
            self._response.close()


def attached(api: APIClient, response: requests.Response) -> EngineReader:
    """A reader of the connection that POST /containers/{id}/attach took over from HTTP."""
    connection = _socket_of(api, response)
    return EngineReader(response, connection, iter(lambda: connection.recv(CHUNK_BYTES), b""), FrameParser())


def replayed(api: APIClient, response: requests.Response) -> EngineReader:
    """A reader of the body of GET /containers/{id}/logs?timestamps=1."""
    connection = _socket_of(api, response)
    return EngineReader(response, connection, response.raw.stream(CHUNK_BYTES, decode_content=False), LogParser())


def _socket_of(api: APIClient, response: requests.Response) -> socket.socket:
    """The socket under an answer, without a time limit: a container may be silent for as long as it likes."""
    raw = api._get_raw_response_socket(response)
    connection: socket.socket = getattr(raw, "_sock", raw)
    connection.settimeout(None)
    return connection

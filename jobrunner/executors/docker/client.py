"""The one client for the Docker Engine of a node: how it is reached, with what patience, and when it is not tried."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from docker import APIClient
from docker.errors import APIError, DockerException, create_api_error_from_http_exception
from docker.tls import TLSConfig
from docker.transport import UnixHTTPAdapter
from pybreaker import STATE_CLOSED, CircuitBreaker, CircuitBreakerError
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

from jobrunner.domain.engine_circuit import Circuit
from jobrunner.errors import EngineUnavailable, SettingsError
from jobrunner.executors.docker.errors import engine_words, is_refusal, root_reason
from jobrunner.settings import Settings

CONNECT_SECONDS = 5.0
CHECK_SECONDS = 5.0  # a node's beat asks whether its Engine answers: it must know long before the node counts as silent
SPARE_CONNECTIONS = 8  # for what is asked beside the executions: lists, checks, signals
FAILURES_TO_OPEN = 3
OPEN_SECONDS = 2.0
KEEPALIVE = [  # a reader may wait for days: a peer that is gone without a word is noticed within a minute
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
]
SCHEMES = ("unix", "tcp", "http", "https")


class EngineClient:
    """The Docker SDK's low-level client, behind a circuit breaker. Safe to share between threads.

    After FAILURES_TO_OPEN calls in a row did not reach the Engine, all fail at once for OPEN_SECONDS.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._api_version = settings.docker_api_version
        self._api = build_api(settings, connections=settings.slots * 2 + SPARE_CONNECTIONS)
        self.host, self.port = _shown_address(settings)
        self._breaker = CircuitBreaker(
            fail_max=FAILURES_TO_OPEN,
            reset_timeout=OPEN_SECONDS,
            exclude=[lambda error: not _is_unreachable(error)],
            throw_new_error_on_trip=False,
        )

    @property
    def circuit(self) -> Circuit:
        """What the breaker does with calls at present."""
        return Circuit(self._breaker.current_state)

    @contextmanager
    def guard(self) -> Iterator[APIClient]:
        """The SDK's client, for one or a few calls. What they do not catch becomes EngineUnavailable.

        Guards are not nested: to the outer one, an EngineUnavailable of the inner one is no failure of the Engine.
        """
        try:
            # Not breaker.call(), which holds the breaker's lock while it calls: one call at a time.
            with self._breaker.calling():
                yield self._api
        except CircuitBreakerError:
            raise self._unavailable("did not answer a moment ago, and is left alone for now") from None
        except APIError as error:
            raise self._unavailable(f"answered with an error: {engine_words(error)}") from error
        except (OSError, urllib3.exceptions.HTTPError, DockerException) as error:  # requests' errors are OSErrors
            what = f"does not answer: {root_reason(error)}"
            raise self._unavailable(what, is_refusal=is_refusal(error)) from error

    @contextmanager
    def aside(self) -> Iterator[APIClient]:
        """The client, for what can be done without: not while the breaker is open, and its failures open none."""
        if self._breaker.current_state != STATE_CLOSED:
            raise self._unavailable("is left alone for now")
        try:
            yield self._api
        except (OSError, urllib3.exceptions.HTTPError, DockerException, ValueError) as error:
            raise self._unavailable(f"does not tell: {root_reason(error)}") from error

    def _unavailable(self, what: str, *, is_refusal: bool = False) -> EngineUnavailable:
        return EngineUnavailable(f"the Docker Engine at {self._settings.docker_host} {what}", is_refusal=is_refusal)

    def version(self) -> str:
        """The Engine's version, or EngineUnavailable within CHECK_SECONDS.

        Asked without an API version, which every Engine answers; one that is too new for ours is spoken to in the
        oldest version that it knows (Engine 29 knows none below 1.44).
        """
        timeout_seconds = min(CHECK_SECONDS, self._settings.docker_timeout_seconds)
        with self.guard() as api:
            response = api.get(f"{api.base_url}/version", timeout=timeout_seconds)
            _raise_for_status(response)
            answer = response.json()
            oldest = str(answer.get("MinAPIVersion", self._api_version))
            self._api_version = api._version = max(self._api_version, oldest, key=_as_numbers)
            return str(answer["Version"])

    @contextmanager
    def line(self) -> Iterator[Line]:
        """A connection apart from the others, that can be hung up."""
        api = build_api(self._settings, connections=1)
        try:
            api._version = self._api_version
            with self.guard():
                line = Line(api)
            yield line
        finally:
            api.close()


class Line:
    """A client with a single connection, that another thread can hang up at any time, even before the first answer.

    The SDK shows no socket of a call that has no answer yet, so the connection is made first and put into its pool.
    """

    def __init__(self, api: APIClient) -> None:
        self.api = api
        request = requests.Request("GET", api.base_url).prepare()
        pool = api.get_adapter(api.base_url).get_connection_with_tls_context(request, api.verify, cert=api.cert)
        connection = pool._get_conn()
        connection.timeout = CONNECT_SECONDS
        try:
            connection.connect()
        except OSError as error:
            raise requests.ConnectionError(error) from error
        self._socket = connection.sock
        pool._put_conn(connection)

    def hang_up(self) -> None:
        """End the call that is under way; it fails, or finds the end of its answer."""
        shut_down(self._socket)


def shut_down(connection: socket.socket) -> None:
    """End a connection that another thread may be reading. Nothing if it has ended already."""
    try:
        # The method of the plain socket: SSLSocket's own would drop its TLS state under the thread that reads.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
    except OSError:
        pass  # it was closed, or the other side has gone: what was wanted


def build_api(settings: Settings, connections: int) -> APIClient:
    """An SDK client of the configured Engine that keeps up to `connections` open. Connects to nothing yet."""
    tls = _tls_config(settings)
    try:
        api = APIClient(settings.docker_host, version=settings.docker_api_version, tls=tls)
    except (DockerException, ValueError) as error:
        raise SettingsError(f"docker_host: {settings.docker_host!r} cannot be used: {error}") from None
    api.trust_env = False  # else REQUESTS_CA_BUNDLE replaces the Engine's own CA, and a proxy may get in between
    api.timeout = (min(CONNECT_SECONDS, settings.docker_timeout_seconds), settings.docker_timeout_seconds)
    if settings.docker_host.startswith("unix:"):
        path = "http+unix://" + settings.docker_host.removeprefix("unix://")
        api.mount("http+docker://", _UnixAdapter(path, pool_connections=1, max_pool_size=connections))
    else:
        api.mount(api.base_url, _TcpAdapter(pool_connections=1, pool_maxsize=connections))
    return api


class _UnixAdapter(UnixHTTPAdapter):
    """One pool for the Engine: the SDK's own makes one for every URL, and so never uses a connection again."""

    def get_connection(self, url: str, proxies: Any = None) -> Any:
        return super().get_connection("http+docker://localhost", proxies)


class _TcpAdapter(HTTPAdapter):
    """Connections that notice when the other side has vanished."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, socket_options=[*HTTPConnection.default_socket_options, *KEEPALIVE], **kwargs)


def _tls_config(settings: Settings) -> TLSConfig | None:
    scheme = urlsplit(settings.docker_host).scheme
    if scheme not in SCHEMES:
        raise SettingsError(f"docker_host: must start with unix://, tcp:// or https://, not {settings.docker_host!r}")
    ca, certificate, key = settings.docker_tls_ca, settings.docker_tls_cert, settings.docker_tls_key
    if scheme == "unix" or (scheme != "https" and not ca and not certificate):
        return None
    for name, path in {"docker_tls_ca": ca, "docker_tls_cert": certificate, "docker_tls_key": key}.items():
        if path and not path.is_file():
            raise SettingsError(f"{name}: there is no file {path}")
    return TLSConfig(
        client_cert=(str(certificate), str(key)) if certificate else None,
        ca_cert=str(ca) if ca else None,
        verify=True,
    )


def _shown_address(settings: Settings) -> tuple[str, int | None]:
    """Host and port as the API shows them."""
    address = urlsplit(settings.docker_host)
    return ("localhost", None) if address.scheme == "unix" else (address.hostname or "localhost", address.port)


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def open_stream(api: APIClient, method: str, path: str, **request: Any) -> requests.Response:
    """An answer whose body is still to come, for as long as it takes. Raises the SDK's errors; call it in a guard."""
    response = api.request(method, _url(api, path), stream=True, **{"timeout": api.timeout, **request})
    _raise_for_status(response)
    return response


def _url(api: APIClient, path: str) -> str:
    return f"{api.base_url}/v{api.api_version}{path}"


def _raise_for_status(response: requests.Response) -> None:
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        create_api_error_from_http_exception(error)  # raises it


def _is_unreachable(error: BaseException) -> bool:
    """Whether the Engine could not be reached, as against an answer that we do not like."""
    return isinstance(error, (OSError, urllib3.exceptions.HTTPError)) and not isinstance(error, APIError)

"""The Python client of the REST API. It prints nothing; what goes wrong is an ApiError.

ApiError                what the API could not do for us
├── ApiUnreachable      no answer, or one that broke off (worth another try)
├── ApiUnavailable      it answered that it cannot do it now, 5xx (worth another try)
├── ApiRefused          it said no, 4xx: the message names field and reason
└── UnexpectedAnswer    whatever answers there does not speak as jobrunner does
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NoReturn, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from jobrunner.cli.answers import ApiKey, Document, Execution, ExecutionRef, Node
from jobrunner.domain.identifiers import check_task_id, check_uuid, retry_id
from jobrunner.errors import JobrunnerError, SettingsError

T = TypeVar("T")
StreamName = Literal["stdout", "stderr"]
DEFAULT_URL = "http://127.0.0.1:10000"
OFFSET_HEADER = "Jobrunner-Output-Offset"
READ_BYTES = 64 * 1024
# A command may be silent for hours, a dead connection looks the same: ask again, from where we are, after this long.
SILENCE_SECONDS = 60.0
_EXECUTION_PATH = re.compile(r"/tasks/([^/?#]+)/jobs?/([^/?#]+)/executions/([^/?#]+)/?")
_READ_AGAIN = Retry(
    total=2,
    connect=0,
    redirect=0,
    backoff_factor=0.1,
    allowed_methods={"GET"},
    status_forcelist={502, 503, 504},
    raise_on_status=False,
    respect_retry_after_header=False,
)


class ApiError(JobrunnerError):
    """The API could not do what it was asked."""


class ApiUnreachable(ApiError):
    """No answer came, or it broke off."""

    worth_a_retry = True


class ApiUnavailable(ApiError):
    """The API answered that it cannot do it at present."""

    worth_a_retry = True


class ApiRefused(ApiError):
    """The API said no. `status` is the HTTP status, 400 to 499."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class UnexpectedAnswer(ApiError):
    """What answers at this address does not speak as jobrunner does."""


class BearerToken(requests.auth.AuthBase):
    """Sends the API key. As `auth` of a session it also keeps a ~/.netrc from replacing it."""

    def __init__(self, api_key: str) -> None:
        self._header = f"Bearer {api_key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the key on a request."""
        request.headers["Authorization"] = self._header
        return request


class Client:
    """The API at one address. Threads may share it: requests' pool is locked, and nothing else of it changes."""

    def __init__(self, base_url: str = DEFAULT_URL, timeout_seconds: float = 10.0, api_key: str | None = None) -> None:
        """`timeout_seconds` bounds connecting, and each wait for an answer. Raises SettingsError."""
        self.base_url = _check_url(base_url)
        self.timeout_seconds = timeout_seconds
        self._session = requests.Session()
        # Proxies, netrc and CA bundles of the environment are for the network, not for this very machine.
        self._session.trust_env = not _is_loopback(self.base_url)
        self._session.auth = BearerToken(_check_api_key(api_key)) if api_key else None
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=_READ_AGAIN))

    def __repr__(self) -> str:
        return f"Client({self.base_url!r})"

    def submit(self, task_id: str, spec: Mapping[str, Any]) -> ExecutionRef:
        """Post a job that starts now (a job payload, as the API documents it); where its execution is."""
        path = f"/tasks/{quote(check_task_id(task_id), safe='')}/"
        return self._value(ExecutionRef.from_json, self._json("POST", path, json=dict(spec)))

    def find(self, execution_id: str) -> ExecutionRef:
        """Where the execution of this id is. Raises ApiRefused where there is none, InvalidRequest if it is no UUID."""
        response = self._request("GET", f"/executions/{check_uuid('execution', execution_id)}/")
        # The ids are taken from the redirect, but not its host: we may come through a tunnel that only we know.
        match = _EXECUTION_PATH.search(urlsplit(response.headers.get("Location", "")).path)
        if not match:
            self._unexpected("no redirect to an execution")
        return ExecutionRef(*map(unquote, match.groups()))

    def execution(self, ref: ExecutionRef) -> Execution:
        """The execution as it is now."""
        return self._value(lambda answer: Execution.from_json(answer["execution"]), self._json("GET", ref.path))

    def attempt_after(self, ref: ExecutionRef) -> ExecutionRef | None:
        """The attempt that follows this one; None where there is none (yet)."""
        following = ExecutionRef(ref.task_id, ref.job_id, retry_id(ref.execution_id))
        try:
            self.execution(following)
        except ApiRefused as error:
            if error.status == requests.codes.not_found:
                return None
            raise
        return following

    def output(self, ref: ExecutionRef, stream: StreamName, offset: int = 0, follow: bool = False) -> Iterator[bytes]:
        """The bytes of one stream from byte `offset` on, as they come; with `follow`, until the execution has ended.

        Raises ApiUnreachable also where they break off, or nothing comes for SILENCE_SECONDS: go on from where you
        are.
        """
        query: dict[str, int] = {"offset": offset} | ({"follow": 1} if follow else {})
        timeouts = (self.timeout_seconds, SILENCE_SECONDS if follow else self.timeout_seconds)
        path = f"{ref.path}{stream}/"
        with self._request("GET", path, params=query, timeout=timeouts, stream=True) as response:
            try:
                yield from response.iter_content(READ_BYTES)
            except requests.RequestException as error:
                raise ApiUnreachable(f"the output from {self.base_url} broke off: {_words(error)}") from None

    def output_offset(
        self, ref: ExecutionRef, stream: StreamName, tail: int | None = None, since: str | None = None
    ) -> int:
        """The byte of a stream at which its last `tail` lines begin, or what was written `since` an instant."""
        path, chosen_by = f"{ref.path}{stream}/", {"tail": tail, "since": since}
        with self._request("GET", path, params=chosen_by, stream=True) as response:  # none of it is read
            return self._value(lambda headers: int(headers[OFFSET_HEADER]), response.headers)

    def stop_execution(self, ref: ExecutionRef) -> None:
        """Ask for the end of one execution. Asking twice does no harm."""
        self._request("POST", f"{ref.path}stop/")

    def stop_job(self, ref: ExecutionRef) -> None:
        """Ask for the end of the execution's whole job: what runs, its schedule and its retries."""
        self._request("POST", f"{ref.job_path}stop/")

    def executions(self, statuses: tuple[str, ...] = (), task_id: str | None = None) -> Iterator[Execution]:
        """Executions, the newest first, of some statuses (none: all) and one task; a page is read when needed."""
        query = {"status": ",".join(statuses) or None, "task": task_id}
        return self._items("/executions/", Execution.from_json, query)

    def nodes(self) -> Iterator[Node]:
        """The nodes of the farm."""
        return self._items("/nodes/", Node.from_json, {})

    def drain(self, node: str, deadline_seconds: float | None = None) -> None:
        """Have a node take nothing new, and end what still runs there after `deadline_seconds`."""
        body = {} if deadline_seconds is None else {"deadlineSeconds": deadline_seconds}
        self._json("POST", f"/nodes/{quote(node, safe='')}/drain/", json=body)

    def undrain(self, node: str) -> None:
        """Have a node take work again."""
        self._json("DELETE", f"/nodes/{quote(node, safe='')}/drain/")

    def create_key(self, wish: Mapping[str, Any]) -> ApiKey:
        """Make an API key (a body of POST /api-keys/, as the API documents it): the only answer that shows it."""
        return self._value(ApiKey.from_json, self._json("POST", "/api-keys/", json=dict(wish)))

    def keys(self) -> Iterator[ApiKey]:
        """All API keys."""
        after = None
        while True:
            answer = self._json("GET", "/api-keys/", params={"after": after})
            found = self._value(lambda answer: [ApiKey.from_json(item) for item in answer["items"]], answer)
            yield from found
            if not answer.get("hasNext") or not found:
                return
            after = found[-1].key_id

    def revoke_key(self, key_id: str) -> ApiKey:
        """Revoke an API key for good."""
        return self._value(ApiKey.from_json, self._json("POST", f"/api-keys/{quote(key_id, safe='')}/revoke/"))

    def _items(self, path: str, read: Callable[[Document], T], query: Mapping[str, str | None]) -> Iterator[T]:
        asked: Mapping[str, str | None] = query
        while True:
            answer = self._json("GET", path, params=asked)
            yield from self._value(lambda answer: [read(item) for item in answer["items"]], answer)
            following = answer.get("nextUrl")
            if not isinstance(following, str):
                return
            # Only its query: the API may call itself by a name that we cannot reach.
            asked = dict(parse_qsl(urlsplit(following).query))

    def _json(self, method: str, path: str, **options: Any) -> Document:
        response = self._request(method, path, **options)
        answer = _parse(response)
        if not isinstance(answer, dict):
            self._unexpected("no JSON object")
        return answer

    def _value(self, read: Callable[[Mapping[str, Any]], T], answer: Mapping[str, Any]) -> T:
        try:
            return read(answer)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._unexpected(f"{type(error).__name__}: {error}")

    def _request(self, method: str, path: str, **options: Any) -> requests.Response:
        options.setdefault("timeout", self.timeout_seconds)
        try:
            response = self._session.request(method, self.base_url + path, allow_redirects=False, **options)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise ApiUnreachable(f"no jobrunner API at {self.base_url}: {_words(error)}") from None
        if response.status_code >= 400:
            with response:
                raise _refusal(response)
        return response

    def _unexpected(self, what: str) -> NoReturn:
        raise UnexpectedAnswer(f"{self.base_url} does not answer as a jobrunner API does ({what})")


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
        _ = parts.port
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"The API's address must be a URL such as {DEFAULT_URL}.")
    if parts.username is not None or parts.password is not None:
        raise SettingsError("The API's address must not hold a user name or password; set JOBRUNNER_API_KEY instead.")
    return url.rstrip("/")


def _check_api_key(api_key: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]+", api_key):
        raise SettingsError("The API key (JOBRUNNER_API_KEY) must be visible ASCII characters, without spaces.")
    return api_key


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _parse(response: requests.Response) -> Any:
    try:
        return response.json()
    except (requests.RequestException, ValueError):
        return None


def _refusal(response: requests.Response) -> ApiError:
    """The error that an answer of 400 and above stands for."""
    status = response.status_code
    answer = _parse(response)
    answer = answer if isinstance(answer, dict) else {}
    faults = [f"{fault.get('field')}: {fault.get('reason')}" for fault in answer.get("errors") or ()]
    message = "; ".join(faults) or answer.get("error") or f"HTTP {status} {response.reason}"
    if status >= 500:
        return ApiUnavailable(message)
    if status == requests.codes.unauthorized:
        message += " (the API key is read from JOBRUNNER_API_KEY)"
    return ApiRefused(message, status)


def _words(error: BaseException) -> str:
    """Why a request failed: the operating system's words where it has some, else those of the innermost error."""
    while not (isinstance(error, OSError) and error.strerror) and error.__context__ is not None:
        error = error.__context__
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)

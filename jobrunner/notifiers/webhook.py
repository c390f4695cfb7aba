"""Webhooks: the execution as signed JSON, sent to the URLs of its job. README.md here says what receivers get."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from jobrunner import __version__
from jobrunner.domain.hooks import Webhook, signing_key
from jobrunner.domain.ports.notifier import Dispatch, Receipt
from jobrunner.errors import SettingsError
from jobrunner.notifiers.addresses import AddressPolicy
from jobrunner.notifiers.deadline import Deadline
from jobrunner.notifiers.execution_document import webhook_body
from jobrunner.notifiers.http_call import DEFAULT_PORTS, AddressRefused, Answer, Caller
from jobrunner.notifiers.signature import signed_headers
from jobrunner.notifiers.trust import tls_context
from jobrunner.settings import Settings

MOST_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 307, 308})  # method and body are kept with all of them: without them it is no webhook
GONE = 410  # Standard Webhooks: the receiver wants no more


class WebhookNotifier:
    """The Notifier port, for webhooks."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError where the farm's secret or authority cannot be used."""
        self._settings = settings
        self._caller = Caller(AddressPolicy(settings), tls_context("webhook_tls_ca", settings.webhook_tls_ca))
        self._secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else None
        try:
            signing_key(self._secret or "")
        except ValueError as error:
            raise SettingsError(f"webhook_secret: {error}") from None

    def send(self, dispatch: Dispatch) -> Receipt:
        """Make the call, and follow where it is sent on to; webhook_timeout_seconds for all of it."""
        hook = dispatch.execution.spec.webhooks_for(dispatch.delivery.moment)[dispatch.delivery.index]
        with Deadline(self._settings.webhook_timeout_seconds) as deadline:
            try:
                return _judge(self._call(hook, dispatch, deadline))
            except AddressRefused as error:
                return Receipt(error=str(error), is_final=True)
            except (OSError, http.client.HTTPException, ValueError) as error:
                timed_out = deadline.has_passed or isinstance(error, TimeoutError)
                return Receipt(error=self._timeout_reason() if timed_out else _reason(error))

    def _call(self, hook: Webhook, dispatch: Dispatch, deadline: Deadline) -> Answer | str:
        """The last answer; or, in words, why it was sent on to where we do not go."""
        body = webhook_body(dispatch, self._settings)
        secret = dispatch.execution.spec.webhook_secret or self._secret
        ours = {
            "Content-Type": "application/json",
            "User-Agent": f"jobrunner/{__version__}",
            **signed_headers(dispatch.delivery.id, dispatch.sent_at, body, secret),
        }
        url = start = urlsplit(hook.url)
        for _ in range(MOST_REDIRECTS + 1):
            theirs = _headers_of_job(hook) if _origin(url) == _origin(start) else {}
            answer = self._caller.call(hook.method, url, _join(theirs, ours), body, deadline)
            if answer.status not in REDIRECTS or answer.location is None:
                return answer
            sent_on = urlsplit(urljoin(url.geturl(), answer.location))
            if refusal := _refuse_redirect(url, sent_on):
                return refusal
            url = sent_on
        return f"it was redirected more than {MOST_REDIRECTS} times"

    def _timeout_reason(self) -> str:
        return f"no answer within {self._settings.webhook_timeout_seconds:g} s"


def _judge(answer: Answer | str) -> Receipt:
    if isinstance(answer, str):
        return Receipt(error=answer)
    if 200 <= answer.status < 300:
        return Receipt(answer.status)
    return Receipt(answer.status, f"answered with status {answer.status}", is_final=answer.status == GONE)


def _headers_of_job(hook: Webhook) -> dict[str, str]:
    """The job's own headers, and the credentials in its URL. For nobody else than whom the job has named."""
    parts = urlsplit(hook.url)
    if "@" not in parts.netloc:
        return dict(hook.headers)
    login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}", **hook.headers}


def _join(theirs: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """All headers; where both have one, ours counts."""
    taken = {name.lower() for name in ours}
    return {name: value for name, value in theirs.items() if name.lower() not in taken} | dict(ours)


def _origin(url: SplitResult) -> tuple[str, str | None, int]:
    return url.scheme, url.hostname, url.port or DEFAULT_PORTS.get(url.scheme, 0)


def _refuse_redirect(origin: SplitResult, target: SplitResult) -> str:
    if target.scheme not in DEFAULT_PORTS or not target.hostname:
        return "it was redirected to something that is no URL of http or https"
    if origin.scheme == "https" and target.scheme == "http":
        return "it was redirected from https to http"
    return ""


def _reason(error: Exception) -> str:
    """What went wrong, in words that hold nothing of the URL, the headers or the answer."""
    match error:
        case socket.gaierror():
            return f"its host name could not be resolved ({error.strerror})"
        case ssl.SSLCertVerificationError():
            return f"its certificate is not trusted ({error.verify_message})"
        case ssl.SSLError():
            return f"TLS failed ({error.reason or 'the connection ended'})"
        case http.client.HTTPException() | ValueError():
            return f"its answer was no HTTP ({type(error).__name__})"
        case OSError(strerror=str() as reason):
            return f"it could not be reached ({reason})"
    return f"it could not be reached ({type(error).__name__})"

"""Webhooks against a real receiver that misbehaves in every way that receivers do."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from jobrunner import __version__
from jobrunner.api.native import translate
from jobrunner.api.native.urls import Urls
from jobrunner.domain.deliveries import DeliveryKind
from jobrunner.domain.ports.notifier import Receipt
from jobrunner.engine.queries import OutputTail
from jobrunner.errors import SettingsError
from jobrunner.notifiers.execution_document import execution_document
from jobrunner.notifiers.signature import sign
from jobrunner.notifiers.webhook import WebhookNotifier
from tests.support.dispatches import dispatch_of, failed_execution, webhook_settings
from tests.support.receiver import Receiver, receiver
from tests.support.tls_proxy import Certificates, make_certificates

TIMEOUT_SECONDS = 1.0


@pytest.fixture
def hooks() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


@pytest.fixture
def elsewhere() -> Iterator[Receiver]:
    with receiver() as server:
        yield server


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def secure_hooks(certificates: Certificates) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server_cert, certificates.server_key)
    with receiver(context) as server:
        yield server


def send(url: str, hook: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **settings: Any) -> Receipt:
    notifier = WebhookNotifier(webhook_settings(webhook_timeout_seconds=TIMEOUT_SECONDS, **settings))
    return notifier.send(dispatch_of(DeliveryKind.WEBHOOK, url, hook, **(spec or {})))


def redirect(origin: Receiver, target: str, code: int = 307) -> str:
    return f"{origin.url}/redirect?code={code}&to={quote(target, safe='')}"


# ---- what is sent


def test_the_call_is_as_the_hook_says_with_our_headers_before_its_own(hooks: Receiver) -> None:
    headers = {"X-Mine": "yes", "content-type": "text/plain", "USER-AGENT": "me"}
    assert send(f"{hooks.url}/a/b?c=d", {"method": "PUT", "headers": headers}) == Receipt(200)
    (call,) = hooks.calls
    assert (call.method, call.path) == ("PUT", "/a/b?c=d")
    assert call.headers["x-mine"] == "yes"
    assert call.headers["content-type"] == "application/json"
    assert call.headers["user-agent"] == f"jobrunner/{__version__}"
    assert call.headers["host"] == hooks.url.removeprefix("http://")
    assert call.headers["content-length"] == str(len(call.body))


def test_the_body_says_what_happened_with_the_metadata_of_the_caller(hooks: Receiver) -> None:
    spec = {"metadata": {"order": 7}, "envs": {"API_KEY": "geheim", "MODE": "fast"}}
    send(f"{hooks.url}/", spec=spec, public_url="https://jobs.example.org/")
    document = json.loads(hooks.calls[0].body)
    assert (document["type"], document["timestamp"]) == ("execution.failed", "2026-05-01T12:00:02.123Z")
    assert document["deliveryId"] == hooks.calls[0].headers["webhook-id"]
    told = document["data"]
    assert (told["status"], told["exitCode"], told["reason"]) == ("failed", 7, "exited with code 7")
    assert told["metadata"]["custom"] == {"order": 7}
    assert told["envs"] == {"API_KEY": "***", "MODE": "fast"}
    assert told["url"].startswith("https://jobs.example.org/tasks/some%20task/jobs/")
    assert b"geheim" not in hooks.calls[0].body


def test_the_execution_is_told_as_the_native_api_shows_it() -> None:
    execution = failed_execution()
    urls = Urls("https://jobs.example.org")
    shown = translate.execution_details(execution, OutputTail(b"", b"", is_whole=True), urls)
    told = execution_document(execution, webhook_settings(public_url="https://jobs.example.org"))
    not_told = {"log", "error", "logTruncated", "outputBytes", "outputCut", "outputDeletedAt"}
    not_told |= {"waitingFor", "waitsFor"}  # it has started, or ended
    expected = {name: value for name, value in shown["execution"].items() if name not in not_told}
    expected["metadata"] = expected["metadata"] | {"custom": {}}
    assert {name: told[name] for name in expected} == expected
    assert (told["jobUrl"], told["taskUrl"]) == (shown["job"]["url"], shown["task"]["url"])
    assert told["url"] == urls.execution(execution.task_id, execution.job_id, execution.id)


@pytest.mark.parametrize(("own", "expected"), [(None, "farm secret"), ("own secret", "own secret")])
def test_the_signature_is_made_with_the_secret_of_the_job_or_else_of_the_farm(
    hooks: Receiver, own: str | None, expected: str
) -> None:
    send(f"{hooks.url}/", spec={"webhookSecret": own} if own else {}, webhook_secret="farm secret")
    headers, body = hooks.calls[0].headers, hooks.calls[0].body
    signature = sign(headers["webhook-id"], headers["webhook-timestamp"], body, expected)
    assert headers["webhook-signature"] == signature


def test_credentials_in_the_url_become_a_login(hooks: Receiver) -> None:
    send(f"http://ada:se%40cret@{hooks.url.removeprefix('http://')}/")
    login = base64.b64encode(b"ada:se@cret").decode()
    assert hooks.calls[0].headers["authorization"] == f"Basic {login}"
    assert "@" not in hooks.calls[0].headers["host"]


def test_proxies_of_the_environment_are_not_used(hooks: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")
    assert send(f"{hooks.url}/") == Receipt(200)


# ---- receivers that misbehave


@pytest.mark.parametrize("status", [300, 303, 304, 400, 404, 429, 500, 503])
def test_a_status_that_is_no_success_is_an_error_that_is_tried_again(hooks: Receiver, status: int) -> None:
    assert send(f"{hooks.url}/status/{status}") == Receipt(status, f"answered with status {status}")


def test_a_receiver_that_is_gone_for_good_is_not_asked_again(hooks: Receiver) -> None:
    assert send(f"{hooks.url}/status/410").is_final


@pytest.mark.parametrize("kind", ["hang", "drip-head"])
def test_a_receiver_that_hangs_or_drips_is_left_when_the_time_is_up(hooks: Receiver, kind: str) -> None:
    began = time.monotonic()
    assert send(f"{hooks.url}/{kind}") == Receipt(error="no answer within 1 s")
    assert time.monotonic() - began < TIMEOUT_SECONDS + 0.5


def test_a_receiver_that_says_yes_and_drips_its_body_has_taken_it(hooks: Receiver) -> None:
    began = time.monotonic()
    assert send(f"{hooks.url}/drip-body") == Receipt(200)
    assert time.monotonic() - began < TIMEOUT_SECONDS + 0.5


def test_an_answer_of_ten_megabytes_is_not_read(hooks: Receiver) -> None:
    began = time.monotonic()
    assert send(f"{hooks.url}/big") == Receipt(200)
    assert time.monotonic() - began < TIMEOUT_SECONDS
    assert hooks.sent_bytes < 8 * 1024**2  # what the sockets' buffers hold, and no more


@pytest.mark.parametrize(("kind", "reason"), [("reset", "could not be reached"), ("garbage", "was no HTTP")])
def test_a_connection_that_breaks_or_speaks_no_http_is_told_in_words(hooks: Receiver, kind: str, reason: str) -> None:
    receipt = send(f"{hooks.url}/{kind}")
    assert reason in receipt.error
    assert not receipt.is_final


def test_a_server_that_accepts_and_says_nothing_in_tls_is_left_when_the_time_is_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        receipt = send(f"https://127.0.0.1:{silent.getsockname()[1]}/")
    assert receipt == Receipt(error="no answer within 1 s")
    assert time.monotonic() - began < TIMEOUT_SECONDS + 0.5


def test_a_name_that_nobody_knows_is_told_in_words() -> None:
    receipt = send("http://no-such-host.invalid/")
    assert "host name could not be resolved" in receipt.error
    assert not receipt.is_final


def test_a_resolver_that_hangs_is_left_when_the_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **kwargs: time.sleep(5) or [])
    began = time.monotonic()
    assert send("http://example.org/") == Receipt(error="no answer within 1 s")
    assert time.monotonic() - began < TIMEOUT_SECONDS + 0.5


@pytest.mark.parametrize("kind", ["hang", "reset", "garbage", "status/500"])
def test_no_error_holds_a_secret(hooks: Receiver, kind: str) -> None:
    url = f"http://ada:geheim@{hooks.url.removeprefix('http://')}/{kind}?token=geheim"
    assert "geheim" not in send(url, {"headers": {"X-Key": "geheim"}}).error


# ---- redirects


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_a_redirect_is_followed_with_method_and_body(hooks: Receiver, code: int) -> None:
    assert send(redirect(hooks, "/there", code)) == Receipt(200)
    first, second = hooks.calls
    assert (second.method, second.path, second.body) == ("POST", "/there", first.body)
    assert second.headers["webhook-id"] == first.headers["webhook-id"]


def test_the_jobs_own_headers_and_login_stay_with_the_origin_that_it_named(
    hooks: Receiver, elsewhere: Receiver
) -> None:
    host = hooks.url.removeprefix("http://")
    path = redirect(hooks, f"{elsewhere.url}/there").removeprefix(hooks.url)
    assert send(f"http://ada:secret@{host}{path}", {"headers": {"X-Mine": "secret"}}) == Receipt(200)
    assert hooks.calls[0].headers["x-mine"] == "secret"
    assert not {"x-mine", "authorization"} & set(elsewhere.calls[0].headers)


def test_redirects_without_end_are_given_up_after_three(hooks: Receiver) -> None:
    loop = "/redirect?code=307&to="
    nested = "/ok"
    for _ in range(5):
        nested = loop + quote(nested, safe="")
    assert send(f"{hooks.url}{nested}") == Receipt(error="it was redirected more than 3 times")
    assert len(hooks.calls) == 4


@pytest.mark.parametrize("target", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://", "//"])
def test_a_redirect_to_something_else_than_http_is_not_followed(hooks: Receiver, target: str) -> None:
    assert send(redirect(hooks, target)).error


def test_the_time_is_for_all_redirects_together(hooks: Receiver) -> None:
    began = time.monotonic()
    assert send(redirect(hooks, "/hang")) == Receipt(error="no answer within 1 s")
    assert time.monotonic() - began < TIMEOUT_SECONDS + 0.5


# ---- addresses


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]"])
def test_this_machine_is_not_called_under_whatever_name(hooks: Receiver, host: str) -> None:
    receipt = send(f"http://{host}:{hooks.server_port}/", webhook_allow_loopback=False)
    assert "loopback" in receipt.error
    assert receipt.is_final
    assert not hooks.calls


def test_a_redirect_to_this_machine_is_refused_and_given_up(hooks: Receiver) -> None:
    """The first address is allowed by name; the second one is the same machine at another of its addresses."""
    target = f"http://127.0.0.2:{hooks.server_port}/secret"
    allowed = {"webhook_allow_loopback": False, "webhook_allowed_networks": "127.0.0.1/32"}
    receipt = send(redirect(hooks, target), **allowed)
    assert "127.0.0.2 is a loopback address" in receipt.error
    assert receipt.is_final
    assert [call.path.partition("?")[0] for call in hooks.calls] == ["/redirect"]


def test_a_redirect_to_a_metadata_service_is_refused(hooks: Receiver) -> None:
    receipt = send(redirect(hooks, "http://169.254.169.254/latest/meta-data/"))
    assert "metadata" in receipt.error
    assert receipt.is_final


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(
    hooks: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is somebody else's at the first question, and ours at the second (DNS rebinding), is asked once."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def rebinding(host: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return real(address, *args, **kwargs)

    monkeypatch.setattr("socket.getaddrinfo", rebinding)
    assert send(f"http://rebind.example.org:{hooks.server_port}/") == Receipt(200)
    assert asked == ["rebind.example.org"]
    assert hooks.calls[0].headers["host"] == f"rebind.example.org:{hooks.server_port}"


def test_of_several_addresses_the_first_that_may_be_called_is(hooks: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [(2, 1, 6, "", (address, hooks.server_port)) for address in ("169.254.169.254", "127.0.0.1")]
    monkeypatch.setattr("socket.getaddrinfo", lambda *args, **kwargs: entries)
    assert send(f"http://two.example.org:{hooks.server_port}/") == Receipt(200)


def test_a_receiver_on_ipv6_is_called() -> None:
    with receiver(host="::1") as hooks:
        assert send(f"{hooks.url}/") == Receipt(200)


# ---- TLS


def test_a_certificate_that_is_not_trusted_ends_the_call(secure_hooks: Receiver) -> None:
    receipt = send(f"{secure_hooks.url}/")
    assert "certificate is not trusted" in receipt.error
    assert not secure_hooks.calls


def test_an_authority_of_the_farms_own_is_trusted(secure_hooks: Receiver, certificates: Certificates) -> None:
    assert send(f"{secure_hooks.url}/", webhook_tls_ca=certificates.ca) == Receipt(200)


def test_a_certificate_for_another_name_ends_the_call(secure_hooks: Receiver, certificates: Certificates) -> None:
    url = secure_hooks.url.replace("127.0.0.1", "localhost")
    assert "certificate is not trusted" in send(url, webhook_tls_ca=certificates.ca).error


def test_a_redirect_from_https_to_http_is_not_followed(
    secure_hooks: Receiver, hooks: Receiver, certificates: Certificates
) -> None:
    receipt = send(redirect(secure_hooks, f"{hooks.url}/"), webhook_tls_ca=certificates.ca)
    assert receipt.error == "it was redirected from https to http"
    assert not hooks.calls


def test_a_secret_or_an_authority_that_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="webhook_secret"):
        WebhookNotifier(webhook_settings(webhook_secret="whsec_???"))
    with pytest.raises(SettingsError, match="webhook_tls_ca"):
        WebhookNotifier(webhook_settings(webhook_tls_ca=tmp_path / "none.pem"))

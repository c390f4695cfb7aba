"""E-mail against a real mail server: what is sent, how the connection is kept private, and servers that misbehave."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

import pytest

from jobrunner.domain.deliveries import DeliveryKind
from jobrunner.domain.ports.notifier import Receipt
from jobrunner.errors import SettingsError
from jobrunner.notifiers.email import EmailNotifier
from jobrunner.settings import SmtpSecurity
from tests.support.dispatches import dispatch_of, email_settings
from tests.support.mail_server import PASSWORD, USERNAME, Inbox, mail_server
from tests.support.tls_proxy import Certificates, make_certificates

LOGIN = {"smtp_username": USERNAME, "smtp_password": PASSWORD}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def server_tls(certificates: Certificates) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server_cert, certificates.server_key)
    return context


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with mail_server() as found:
        yield found


def send(port: int, stdout: bytes = b"", spec: dict[str, Any] | None = None, **settings: Any) -> Receipt:
    dispatch = dispatch_of(DeliveryKind.EMAIL, "ada@example.org", stdout=stdout, **(spec or {}))
    return EmailNotifier(email_settings(port, **settings)).send(dispatch)


def bodies(message: EmailMessage) -> list[str]:
    """The text, and the HTML."""
    parts = [message.get_body((kind,)) for kind in ("plain", "html")]
    return [part.get_content() for part in parts if part is not None]


# ---- what is sent


def test_the_message_says_what_happened_as_text_and_as_html(inbox: Inbox) -> None:
    assert send(inbox.port, public_url="https://jobs.example.org") == Receipt(250)
    (message,) = inbox.messages
    assert inbox.receivers == ["ada@example.org"]
    assert message["To"] == "ada@example.org"
    assert message["From"] == "jobrunner <jobrunner@example.org>"
    assert message["Subject"] == "[some task] sh -c exit 7 failed (failed, exit code 7)"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"].endswith("@example.org>")
    assert len(bodies(message)) == 2
    for body in bodies(message):
        assert "exited with code 7" in body
        assert "https://jobs.example.org/tasks/some%20task/jobs/" in body


def test_without_a_public_address_there_are_no_links(inbox: Inbox) -> None:
    send(inbox.port)
    assert all("http" not in body for body in bodies(inbox.messages[0]))


def test_only_the_end_of_a_long_output_is_sent(inbox: Inbox) -> None:
    send(inbox.port, b"".join(b"line %d\n" % number for number in range(1000)))
    for body in bodies(inbox.messages[0]):
        assert "line 999" in body
        assert "line 900\n" in body.replace("\r\n", "\n")
        assert "line 899\n" not in body.replace("\r\n", "\n")


def test_a_line_without_end_is_cut(inbox: Inbox) -> None:
    send(inbox.port, b"x" * 10**6 + b" the end")
    text = bodies(inbox.messages[0])[0]
    assert text.rstrip().endswith("x the end")
    assert len(text) < 20_000


def test_output_cannot_become_part_of_the_page_or_of_the_message(inbox: Inbox) -> None:
    evil = b"<script>alert(1)</script>\n.\r\nQUIT\r\nSubject: evil\n\x1b[31mred\x00\xff\n"
    assert send(inbox.port, evil) == Receipt(250)
    text, html = bodies(inbox.messages[0])
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "\x1b" not in text + html
    assert "QUIT" in text
    assert inbox.messages[0].get_all("Subject") == ["[some task] sh -c exit 7 failed (failed, exit code 7)"]


@pytest.mark.parametrize("command", ["echo 'a\nBcc: eve@example.org'", "echo \u00fc \U0001f600", "echo " + "x" * 5000])
def test_a_command_can_add_no_header_whatever_it_holds(inbox: Inbox, command: str) -> None:
    assert send(inbox.port, spec={"command": command}) == Receipt(250)
    message = inbox.messages[0]
    assert message["Bcc"] is None
    assert inbox.receivers == ["ada@example.org"]
    assert "\n" not in message["Subject"]


# ---- how the connection is kept private


def test_starttls_is_used_and_its_certificate_verified(certificates: Certificates, server_tls: ssl.SSLContext) -> None:
    with mail_server(starttls=server_tls) as inbox:
        assert send(inbox.port, smtp_security="starttls", smtp_tls_ca=certificates.ca) == Receipt(250)
        assert inbox.were_encrypted == [True]
        untrusted = send(inbox.port, smtp_security="starttls")
        assert "certificate is not trusted" in untrusted.error
        assert len(inbox.messages) == 1


def test_tls_from_the_start_is_used_and_its_certificate_verified(
    certificates: Certificates, server_tls: ssl.SSLContext
) -> None:
    with mail_server(tls=server_tls) as inbox:
        assert send(inbox.port, smtp_security="tls", smtp_tls_ca=certificates.ca) == Receipt(250)
        assert inbox.were_encrypted == [True]
        assert "certificate is not trusted" in send(inbox.port, smtp_security="tls").error


def test_a_server_without_starttls_gets_nothing_in_the_clear(inbox: Inbox) -> None:
    assert "STARTTLS" in send(inbox.port, smtp_security="starttls").error
    assert inbox.messages == []


def test_the_farm_logs_in_where_it_has_a_login(certificates: Certificates, server_tls: ssl.SSLContext) -> None:
    with mail_server(starttls=server_tls, with_login=True) as inbox:
        private = {"smtp_security": "starttls", "smtp_tls_ca": certificates.ca}
        assert send(inbox.port, **private, **LOGIN) == Receipt(250)
        refused = send(inbox.port, **private, **(LOGIN | {"smtp_password": "geheim"}))
        assert refused.status_code == 535
        assert "geheim" not in refused.error
        assert not refused.is_final
        assert send(inbox.port, **private).status_code == 530


# ---- servers that misbehave


@contextmanager
def misbehaving(first: bytes, then: bytes) -> Iterator[int]:
    """A server that says `first`, and then `then` again and again, ten times a second."""
    ended = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            try:
                connection.sendall(first)
                while not ended.wait(0.1):
                    connection.sendall(then)
            except OSError:
                return  # the client hung up, as it should

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        ended.set()
        thread.join()


@pytest.mark.parametrize("security", list(SmtpSecurity))
@pytest.mark.parametrize(("first", "then"), [(b"", b""), (b"220 hello\r\n", b""), (b"220-", b"x"), (b"", b"220-x\r\n")])
def test_a_server_that_hangs_or_drips_is_left_when_the_time_is_up(
    security: SmtpSecurity, first: bytes, then: bytes
) -> None:
    with misbehaving(first, then) as port:
        began = time.monotonic()
        receipt = send(port, smtp_timeout_seconds=1, smtp_security=security)
        assert time.monotonic() - began < 10  # and not for as long as it drips
    assert receipt.error
    assert not receipt.is_final


def test_a_server_that_speaks_no_smtp_is_told_in_words() -> None:
    with misbehaving(b"HTTP/1.1 400 Bad Request\r\n\r\n", b"x\r\n") as port:
        assert "mail server" in send(port, smtp_timeout_seconds=1).error


def test_an_address_that_the_server_refuses_for_good_is_given_up(inbox: Inbox) -> None:
    inbox.refusals = ["550 no such user here: geheim"]
    receipt = send(inbox.port)
    assert receipt == Receipt(550, "the mail server refuses the address (550)", is_final=True)


def test_an_authority_that_cannot_be_used_is_told_at_the_start(certificates: Certificates) -> None:
    with pytest.raises(SettingsError, match="smtp_tls_ca"):
        EmailNotifier(email_settings(25, smtp_tls_ca=certificates.server_key))

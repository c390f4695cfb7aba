"""A mail server for tests: real SMTP (aiosmtpd), with STARTTLS, TLS and a login where a test wants them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

USERNAME, PASSWORD = "jobrunner", "correct horse"


class Inbox:
    """What was handed over, and how: whether over TLS, and by whom."""

    def __init__(self) -> None:
        self.messages: list[EmailMessage] = []
        self.receivers: list[str] = []
        self.were_encrypted: list[bool] = []
        self.port = 0
        self.refusals: list[str] = []  # replies to RCPT, in turn

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the receiver, or not."""
        if self.refusals:
            return self.refusals.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take the message."""
        content = envelope.original_content or b""
        message = message_from_bytes(content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.receivers.extend(envelope.rcpt_tos)
        self.were_encrypted.append(session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None)
        return "250 OK"


@contextmanager
def mail_server(
    starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None, with_login: bool = False
) -> Iterator[Inbox]:
    """A mail server on 127.0.0.1 that serves while the block runs."""
    inbox = Inbox()
    options: dict[str, Any] = {"tls_context": starttls, "require_starttls": starttls is not None}
    if with_login:
        options |= {"auth_required": True, "authenticator": _check_login, "auth_require_tls": starttls is not None}
    controller = _OnAnyPort(inbox, hostname="127.0.0.1", port=0, ssl_context=tls, **options)
    controller.start()
    try:
        inbox.port = controller.port
        yield inbox
    finally:
        controller.stop()


class _OnAnyPort(Controller):
    """Looks on the port that it got whether it serves, not on port 0."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def _check_login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
    assert isinstance(given, LoginPassword)
    is_known = given == LoginPassword(USERNAME.encode(), PASSWORD.encode())
    return AuthResult(success=is_known, handled=is_known)  # not handled: the server answers with 535

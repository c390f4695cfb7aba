"""E-mail: one message for each address, handed to the farm's mail server by SMTP."""

from __future__ import annotations

import smtplib
import socket
import ssl
from contextlib import closing, suppress
from email.message import EmailMessage
from typing import Any

from jobrunner.domain.ports.notifier import Dispatch, Receipt
from jobrunner.notifiers.deadline import Deadline
from jobrunner.notifiers.email_text import compose
from jobrunner.notifiers.trust import tls_context
from jobrunner.settings import Settings, SmtpSecurity

LASTING = range(500, 600)  # RFC 5321: a reply 5xx says that the same will not do later, either


class EmailNotifier:
    """The Notifier port, for e-mail."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError where the authority cannot be used."""
        self._settings = settings
        self._tls = tls_context("smtp_tls_ca", settings.smtp_tls_ca)

    def send(self, dispatch: Dispatch) -> Receipt:
        """Hand the message over; smtp_timeout_seconds for all of it."""
        if self._settings.smtp_host is None:
            return Receipt(error="this farm has no mail server (smtp_host)", is_final=True)
        with Deadline(self._settings.smtp_timeout_seconds) as deadline:
            try:
                return self._hand_over(compose(dispatch, self._settings), deadline)
            except smtplib.SMTPRecipientsRefused as error:
                code = next(iter(error.recipients.values()))[0]
                return Receipt(code, f"the mail server refuses the address ({code})", is_final=code in LASTING)
            except smtplib.SMTPResponseException as error:
                return Receipt(error.smtp_code, f"the mail server answered with {error.smtp_code}")
            except (OSError, ValueError) as error:  # smtplib's errors are OSErrors
                timed_out = deadline.has_passed or isinstance(error, TimeoutError)
                return Receipt(error=self._timeout_reason() if timed_out else _reason(error))
            finally:
                deadline.forget()

    def _hand_over(self, message: EmailMessage, deadline: Deadline) -> Receipt:
        settings = self._settings
        with closing(self._connect(deadline)) as server:
            if settings.smtp_security is SmtpSecurity.STARTTLS:
                server.starttls(context=self._tls)
            if settings.smtp_username is not None and settings.smtp_password is not None:
                server.login(settings.smtp_username, settings.smtp_password.get_secret_value())
            server.send_message(message)
            with suppress(smtplib.SMTPException, OSError):  # it has the message; how it takes its leave is its business
                server.quit()
            return Receipt(status_code=250)

    def _connect(self, deadline: Deadline) -> smtplib.SMTP:
        settings = self._settings
        assert settings.smtp_host is not None and settings.smtp_from is not None
        # Its own default for our name in EHLO asks the DNS, for as long as that takes.
        common = {"local_hostname": settings.smtp_from.rpartition("@")[2], "timeout": deadline.left_seconds}
        if settings.smtp_security is SmtpSecurity.TLS:
            return _WatchedTls(deadline, settings.smtp_host, settings.smtp_port, context=self._tls, **common)
        return _Watched(deadline, settings.smtp_host, settings.smtp_port, **common)

    def _timeout_reason(self) -> str:
        return f"the mail server did not take it within {self._settings.smtp_timeout_seconds:g} s"


class _Watched(smtplib.SMTP):
    """Has each socket that it gets, from before the server's first word on, watched by a deadline."""

    def __init__(self, deadline: Deadline, *arguments: Any, **options: Any) -> None:
        self._deadline = deadline
        super().__init__(*arguments, **options)

    @property
    def sock(self) -> socket.socket | None:
        """The connection; smtplib replaces it when TLS starts."""
        return self._connection

    @sock.setter
    def sock(self, connection: socket.socket | None) -> None:
        self._connection = connection
        if connection is not None:
            self._deadline.watch(connection)


class _WatchedTls(_Watched, smtplib.SMTP_SSL):
    """The same, with TLS from the start."""


def _reason(error: Exception) -> str:
    """What went wrong, in words that hold nothing of the message, or of what the server says."""
    match error:
        case socket.gaierror():
            return f"the mail server's name could not be resolved ({error.strerror})"
        case ssl.SSLCertVerificationError():
            return f"the mail server's certificate is not trusted ({error.verify_message})"
        case smtplib.SMTPNotSupportedError():
            return "the mail server offers no STARTTLS, or no login, as it is configured to"
        case OSError(strerror=str() as reason):
            return f"the mail server could not be reached ({reason})"
    return f"the mail server did not take it ({type(error).__name__})"

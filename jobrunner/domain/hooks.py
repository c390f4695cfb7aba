"""Whom a job wants told of what: its webhooks and its e-mail addresses, as its specification has them, checked."""

from __future__ import annotations

import base64
import re
from email.errors import HeaderParseError
from email.headerregistry import Address
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from jobrunner.domain.specification import Specification, Text, WholeNumber

MOST_HOOKS = 20
MOST_HEADERS = 50
MOST_RETRIES = 20
LONGEST_URL = 2048
LONGEST_HEADER = 4096
LONGEST_ADDRESS = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")  # RFC 9110: a token
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
SECRET_PREFIX = "whsec_"
OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "expect", "te", "trailer", "upgrade"})


class Moment(StrEnum):
    """When something can be sent. The values are the keys of the specification."""

    STARTS = "starts"
    SUCCEEDS = "succeeds"
    FAILS = "fails"
    FINISHES = "finishes"

    @property
    def event_type(self) -> str:
        """What has happened then, as receivers and the API are told it."""
        return _EVENT_TYPES[self]


_EVENT_TYPES = {
    Moment.STARTS: "execution.started",
    Moment.SUCCEEDS: "execution.succeeded",
    Moment.FAILS: "execution.failed",
    Moment.FINISHES: "execution.finished",
}


class Method(StrEnum):
    """The HTTP methods that a webhook may use."""

    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    GET = "GET"
    DELETE = "DELETE"


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("must be a URL such as 'https://example.org/hook'") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError("must be a URL such as 'https://example.org/hook', of http or https")
    if not value.isascii() or not value.isprintable() or any(char in value for char in ' "<>\\^`{|}'):
        raise ValueError("must have only characters that a URL may have; write others as %XX, and a host as xn--...")
    return value


def _header_name(value: str) -> str:
    if not _HEADER_NAME.fullmatch(value):
        raise ValueError("must be the name of an HTTP header")
    if value.lower() in OURS or value.lower().startswith("webhook-"):
        raise ValueError("is a header that jobrunner sets itself")
    return value


def _header_value(value: str) -> str:
    if len(value) > LONGEST_HEADER or not _HEADER_VALUE.fullmatch(value):
        raise ValueError(f"must be a line of at most {LONGEST_HEADER} printable ASCII characters")
    return value


def _email_address(value: str) -> str:
    if len(value) > LONGEST_ADDRESS or not _is_address(value):
        raise ValueError("must be an e-mail address such as 'ada@example.org'")
    return value


def _is_address(value: str) -> bool:
    if not value.isascii() or not value.isprintable():
        return False
    try:
        address = Address(addr_spec=value)
    except (HeaderParseError, ValueError, IndexError):
        return False
    return bool(address.username and address.domain) and address.addr_spec == value


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def signing_key(secret: str) -> bytes:
    """The key in a secret: `whsec_` and base64, as Standard Webhooks writes it, or any text. Raises ValueError."""
    if not secret.startswith(SECRET_PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError(f"must be base64 after {SECRET_PREFIX!r}")
    return key


def _secret(value: str) -> str:
    signing_key(value)
    return value


Secret = Annotated[Text, StringConstraints(min_length=1, max_length=1024), AfterValidator(_secret)]


class Webhook(Specification):
    """One call to make. `retries`: how often it is tried again at most; None: as often as the farm says."""

    url: Annotated[Text, StringConstraints(max_length=LONGEST_URL), AfterValidator(_url)] = Field(repr=False)
    method: Annotated[Method, BeforeValidator(_upper)] = Method.POST
    headers: Annotated[
        dict[Annotated[str, AfterValidator(_header_name)], Annotated[Text, AfterValidator(_header_value)]],
        Field(max_length=MOST_HEADERS),
    ] = Field(default_factory=dict, repr=False)
    retries: Annotated[WholeNumber, Field(ge=0, le=MOST_RETRIES)] | None = None


WebhookList = Annotated[tuple[Webhook, ...], Field(max_length=MOST_HOOKS)]
AddressList = Annotated[tuple[Annotated[Text, AfterValidator(_email_address)], ...], Field(max_length=MOST_HOOKS)]


class Webhooks(Specification):
    """The calls to make when an execution starts, succeeds, fails, or finishes in whatever way."""

    starts: WebhookList = ()
    succeeds: WebhookList = ()
    fails: WebhookList = ()
    finishes: WebhookList = ()


class Notify(Specification):
    """Who gets an e-mail when an execution starts, succeeds, fails, or finishes in whatever way."""

    starts: AddressList = ()
    succeeds: AddressList = ()
    fails: AddressList = ()
    finishes: AddressList = ()

    def __bool__(self) -> bool:
        """Whether anybody gets one at all."""
        return bool(self.starts or self.succeeds or self.fails or self.finishes)

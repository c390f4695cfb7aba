"""What keeps the web pages of others from using this API through a visitor's browser.

A page anywhere can have a browser send requests to 127.0.0.1, and, by a name that it points there (DNS rebinding),
also read the answers. So: a write, or a WebSocket, that names a foreign origin is refused; so is a body of a form's
type from a browser; and as long as no key is asked for, a host that we do not know. A browser that has once been told
a key by HTTP Basic sends it along by itself, so the first two hold with keys, too.
"""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from flask import Flask, request
from flask_cors import CORS
from werkzeug.exceptions import UnsupportedMediaType

from jobrunner.errors import Fault, Forbidden, InvalidRequest
from jobrunner.settings import Settings

READING = frozenset({"GET", "HEAD", "OPTIONS"})
# What a form can send without asking. curl sends such a type, too, where it is told none: so it is only refused from
# what looks like a browser.
FORM_TYPES = frozenset({"text/plain", "multipart/form-data", "application/x-www-form-urlencoded"})
MARKS_OF_BROWSERS = ("Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode")
ANY = "*"


def allow_origins(app: Flask, settings: Settings) -> None:
    """Tell browsers that the pages of these origins may use the API (CORS); none where the setting names none."""
    if settings.api_cors_origins:
        CORS(
            app,
            origins=list(settings.api_cors_origins),
            methods=["GET", "HEAD", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "api-key", "Content-Type", "Idempotency-Key", "X-Request-Id"],
            expose_headers=["X-Request-Id", "Retry-After", "Fastlane-Exit-Code", "Jobrunner-Exit-Code"],
            max_age=600,
        )


def check_cross_site(settings: Settings, *, is_open: bool) -> None:
    """Refuse what a foreign page may have sent. `is_open`: no key is asked for. Raises Forbidden, InvalidRequest."""
    if is_open:
        _check_host(settings)
    if request.method in READING and request.headers.get("Upgrade", "").lower() != "websocket":
        return
    _check_origin(settings)
    if request.method not in READING:
        _check_content_type()


def _check_host(settings: Settings) -> None:
    host = _host_name(request.headers.get("Host", ""))
    if host is None:
        raise InvalidRequest(Fault("Host", "must be a host, and a port where it has one"))
    known = {name.lower() for name in settings.api_allowed_hosts or ()} | _own_names(settings)
    # Nobody can register a name without a dot, or point one below localhost to us: and an address is not pointed.
    if not (_is_address(host) or "." not in host or host.endswith(".localhost") or known & {host, ANY}):
        raise Forbidden("Host", f"{host!r} is not known here: add it to api_allowed_hosts, or make an API key")


def _check_origin(settings: Settings) -> None:
    origin = request.headers.get("Origin")
    if origin is None:
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise Forbidden("Sec-Fetch-Site", "must not be cross-site: the pages of others do not write here")
        return
    # Of our own pages only the host is compared: a proxy in front of us may speak TLS, and we do not see it.
    own = {request.host, urlsplit(settings.public_url or "").netloc} - {""}
    scheme, _, host = origin.partition("://")
    if not (scheme in ("http", "https") and host in own) and origin not in (settings.api_cors_origins or ()):
        raise Forbidden("Origin", "is not one whose pages may write here: see api_cors_origins")


def _check_content_type() -> None:
    if request.mimetype in FORM_TYPES and _is_browser():
        raise UnsupportedMediaType(f"must be JSON (Content-Type: application/json), not {request.mimetype}")


def _is_browser() -> bool:
    marked = any(name in request.headers for name in MARKS_OF_BROWSERS)
    return marked or request.headers.get("User-Agent", "").startswith("Mozilla/")


def _own_names(settings: Settings) -> set[str]:
    public_host = urlsplit(settings.public_url or "").hostname
    return {name.lower() for name in (socket.gethostname(), settings.api_host, public_host) if name}


def _host_name(header: str) -> str | None:
    """The host in a Host header, without its port and brackets; None where it is none."""
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port
    except ValueError:
        return None
    return parts.hostname.rstrip(".") if parts.hostname and parts.netloc == header and "@" not in header else None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

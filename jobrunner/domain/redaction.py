"""Hide what is nobody's business from whatever is shown: answers, logs, deliveries. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from jobrunner.domain.api_keys import TOKEN

REDACTED = "***"
SECRET_HEADERS = (
    "authorization",
    "cookie",
    "api-key",
)  # whatever the farm's own list says; part of Proxy-Authorization too


def redact(named: Mapping[str, str], redacted_names: Iterable[str]) -> dict[str, str]:
    """These values by name, those hidden whose names hold one of `redacted_names`, in capitals or not.

    API keys of ours are hidden whatever they are called.
    """
    secret = [part.lower() for part in redacted_names]
    return {
        name: REDACTED if _is_secret(name, secret) or TOKEN.search(value) else value for name, value in named.items()
    }


def redact_headers(headers: Mapping[str, str], redacted_names: Iterable[str]) -> dict[str, str]:
    """HTTP headers: as `redact`, and those that carry credentials by their nature."""
    return redact(headers, (*redacted_names, *SECRET_HEADERS))


def redact_json(value: Any, redacted_names: Iterable[str]) -> Any:
    """A JSON value, at every depth: hidden are strings and numbers whose key is such a name, our API keys, and what
    URLs carry."""
    names = (*redacted_names, *SECRET_HEADERS)
    if isinstance(value, str):
        return REDACTED if TOKEN.search(value) else value
    if isinstance(value, list):
        return [redact_json(inner, names) for inner in value]
    if not isinstance(value, dict):
        return value
    return {key: _redact_member(key, inner, names) for key, inner in value.items()}


def _redact_member(key: str, value: Any, names: Iterable[str]) -> Any:
    if isinstance(value, str | int | float) and _is_secret(key, [name.lower() for name in names]):
        return REDACTED
    return _redact_any_url(value, names) if key == "url" and isinstance(value, str) else redact_json(value, names)


def _redact_any_url(value: str, names: Iterable[str]) -> str:
    """Of what nobody has checked yet: what cannot be read as a URL is hidden whole."""
    try:
        return redact_url(value, names)
    except ValueError:
        return REDACTED


def redact_url(url: str, redacted_names: Iterable[str]) -> str:
    """The URL without its credentials, its fragment, and the values of parameters with such names."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{REDACTED}@{host}" if "@" in parts.netloc else host
    secret = [part.lower() for part in redacted_names]
    names = [name for name, _ in parse_qsl(parts.query, keep_blank_values=True)]
    query = _redact_query(parts.query, secret) if any(_is_secret(name, secret) for name in names) else parts.query
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def _redact_query(query: str, secret: list[str]) -> str:
    shown = [
        f"{quote(name)}={REDACTED if _is_secret(name, secret) else quote(value)}"
        for name, value in parse_qsl(query, keep_blank_values=True)
    ]
    return "&".join(shown)


def _is_secret(name: str, secret: Iterable[str]) -> bool:
    return any(part in name.lower() for part in secret)

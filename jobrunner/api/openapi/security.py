"""Which key an operation asks for, in the words of OpenAPI 3.1. `rights.py` decides it, `auth.py` takes the key."""

from __future__ import annotations

from typing import Any

from jobrunner.api.rights import right_of

SECURITY_SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key as a Bearer token."},
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "HTTP Basic with an API key as the password, or as the user name.",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "api-key", "description": "An API key in a header."},
}


def security_of(endpoint: str) -> list[dict[str, Any]]:
    """The security requirements of an operation: a key of its role, in one of the ways; none where it is open."""
    role = right_of(endpoint).role
    return [] if role is None else [{scheme: [str(role)]} for scheme in SECURITY_SCHEMES]


def refusals_of_guard(endpoint: str) -> set[int]:
    """The statuses with which the checks before an operation refuse it."""
    return set() if right_of(endpoint).role is None else {401, 403, 429}

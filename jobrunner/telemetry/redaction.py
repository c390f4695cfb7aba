"""The last net under the logs: whatever looks like an API key or a credential of HTTP is not written.

Nothing of ours logs such a thing on purpose; a library, or a traceback, could.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from jobrunner.domain.redaction import REDACTED

_KEY = re.compile(r"\bjr_([0-9a-f]{12})_[0-9a-f]+")
_HEADER = re.compile(
    r"(?i)((?:proxy-)?authorization|api-key|cookie)(['\"]?\s*[:=,]\s*['\"]?)(?:(basic|bearer)\s+)?[^\s'\",)]+"
)
_SCHEME = re.compile(r"(?i)\b(basic|bearer)\s+[A-Za-z0-9+/=._~-]{16,}")


def redact_line(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A processor of structlog: the same line, without what nobody is to read."""
    for name, value in event.items():
        event[name] = _without_secrets(value)
    return event


def redact_text(text: str) -> str:
    """The same for text: of a key its id is left, which is no secret."""
    text = _KEY.sub(rf"jr_\1_{REDACTED}", text)
    text = _HEADER.sub(rf"\1\2{REDACTED}", text)
    return _SCHEME.sub(rf"\1 {REDACTED}", text)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {name: _without_secrets(inner) for name, inner in value.items()}
    return [_without_secrets(inner) for inner in value] if isinstance(value, list | tuple) else value

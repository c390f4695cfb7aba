"""The page that follows an output in a browser: one document that loads nothing, with its style and script in it.

Its Content-Security-Policy allows just this script and this style, by their hashes, and connections to where it came
from. So whatever an output holds, nothing of it is ever run.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from flask import Response
from markupsafe import escape


def _part(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _hash(part: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'"


_PAGE, _STYLE, _SCRIPT = (_part(name) for name in ("stream.html", "stream.css", "stream.js"))
POLICY = "; ".join(
    (
        "default-src 'none'",
        f"script-src {_hash(_SCRIPT)}",
        f"style-src {_hash(_STYLE)}",
        "connect-src 'self'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


def answer(title: str) -> Response:
    """The page, under this title. It finds its WebSocket beside its own address."""
    page = _PAGE.replace("{style}", _STYLE).replace("{script}", _SCRIPT).replace("{title}", str(escape(title)))
    headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
    return Response(page, content_type="text/html; charset=utf-8", headers=headers)

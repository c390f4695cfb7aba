"""Sign webhooks as Standard Webhooks (standardwebhooks.com) has it, so that receivers can use its libraries."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime

from jobrunner.domain.hooks import signing_key


def signed_headers(delivery_id: str, sent_at: datetime, body: bytes, secret: str | None) -> dict[str, str]:
    """The webhook-... headers of a call; without a secret there is no signature among them."""
    timestamp = str(int(sent_at.timestamp()))
    headers = {"webhook-id": delivery_id, "webhook-timestamp": timestamp}
    if secret is not None:
        headers["webhook-signature"] = sign(delivery_id, timestamp, body, secret)
    return headers


def sign(delivery_id: str, timestamp: str, body: bytes, secret: str) -> str:
    """`v1,` and the HMAC-SHA256 of "<id>.<timestamp>.<body>", in base64."""
    signed = b".".join((delivery_id.encode(), timestamp.encode(), body))
    digest = hmac.new(signing_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"

"""Requests that a client may send again without harm: each has a key of the client's, and what it was answered."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class KeptAnswer:
    """What a request was answered."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True)
class KeyedRequest:
    """A request with a key. `id` follows from what it asks for and its key, `token` is its own.

    The ids of all that it makes follow from the token, so that whoever goes on with it finds what is there already.
    `claimed_until`: until then somebody is at work on it. `answer`: None until it is answered.
    """

    id: str
    token: str
    body_digest: str
    claimed_until: datetime
    expires_at: datetime
    answer: KeptAnswer | None = None


def digest(*parts: str | bytes) -> str:
    """A name for these parts, in this order, that no others have."""
    sums = [hashlib.sha256(part.encode() if isinstance(part, str) else part).digest() for part in parts]
    return hashlib.sha256(b"".join(sums)).hexdigest()


def job_id_of(token: str, number: int = 0) -> str:
    """The id of the job that a request makes, or of the job of this number."""
    return str(uuid.uuid5(uuid.UUID(token), f"job {number}"))


def execution_id_of(token: str) -> str:
    """The id of the execution that a request makes."""
    return str(uuid.uuid5(uuid.UUID(token), "execution"))

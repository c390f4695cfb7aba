"""API keys: who may call, what for, and within which limits. Pure.

A key is shown once, as `jr_<id>_<secret>`. The id is looked up; of the secret only the SHA-256 is kept. That is enough
here: the secret is 192 random bits that we make ourselves, so there is no dictionary to try, and what a slow hash
(bcrypt, argon2) adds for passwords that people think up would only cost every request its time.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

ID_BYTES = 6
SECRET_BYTES = 24
TOKEN = re.compile(r"jr_(?P<id>[0-9a-f]{12})_(?P<secret>[0-9a-f]{48})")
_UNKNOWN_HASH = hashlib.sha256(b"of no key").hexdigest()
LONGEST_PATTERN = 200
# What Python and MongoDB would read differently, or what can take them long: groups with a question mark, classes by
# name, references to groups, and escapes other than these.
_FOREIGN = re.compile(r"\(\?|\[:|\\[^dDwWsSbB.^$*+?()\[\]{}|/\\-]")


class Role(StrEnum):
    """What a key is for. Each includes the one before it."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"

    def includes(self, other: Role) -> bool:
        """Whether who has this role may do what the other is for."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class KeyState(StrEnum):
    """What a key is at a moment."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True)
class Limits:
    """What a key is held to; None: it is not. The patterns are searched for: anchor them (`^ci-`).

    `most_running`: of its executions that wait in a queue or run. `most_cpus` and `most_memory_bytes`: of one
    execution, which must say then how much it needs.
    """

    task_pattern: str | None = None
    image_pattern: str | None = None
    most_running: int | None = None
    most_cpus: float | None = None
    most_memory_bytes: int | None = None

    def allows_task(self, task_id: str) -> bool:
        """Whether the key sees this task, and may touch it."""
        return _matches(self.task_pattern, task_id)

    def allows_image(self, image: str) -> bool:
        """Whether the key may run this image, as its reference is written in the job."""
        return _matches(self.image_pattern, image)


@dataclass(frozen=True)
class ApiKey:
    """A key as it is stored: without its secret."""

    id: str
    name: str
    role: Role
    created_at: datetime
    secret_hash: str = field(repr=False)
    limits: Limits = Limits()
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def state(self, now: datetime) -> KeyState:
        """What it is now."""
        if self.revoked_at is not None:
            return KeyState.REVOKED
        return KeyState.EXPIRED if self.expires_at is not None and now >= self.expires_at else KeyState.ACTIVE


@dataclass(frozen=True)
class Caller:
    """On whose behalf the engine acts: the holder of a key, or, with no key id, somebody who needs none."""

    key_id: str | None = None
    name: str = ""
    role: Role = Role.ADMIN
    limits: Limits = Limits()


ANYBODY = Caller()


def caller_of(key: ApiKey) -> Caller:
    """The holder of a key."""
    return Caller(key.id, key.name, key.role, key.limits)


@dataclass(frozen=True)
class Token:
    """A key as its holder presents it."""

    id: str
    secret: str = field(repr=False)

    def __str__(self) -> str:
        return f"jr_{self.id}_{self.secret}"

    @property
    def secret_hash(self) -> str:
        """What is kept of the secret."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def is_of(self, key: ApiKey | None) -> bool:
        """Whether it is this key; as quick to say no where there is none of its id, so that its time tells nothing."""
        same = hmac.compare_digest(self.secret_hash, key.secret_hash if key else _UNKNOWN_HASH)
        return same and key is not None


def new_token() -> Token:
    """A new key, of random bits."""
    return Token(secrets.token_hex(ID_BYTES), secrets.token_hex(SECRET_BYTES))


def parse_token(text: str) -> Token | None:
    """The key in what somebody presents; None where it has not the form of one."""
    match = TOKEN.fullmatch(text)
    return Token(match["id"], match["secret"]) if match else None


def check_pattern(pattern: str) -> str:
    """`pattern`, if it is a regular expression that Python and MongoDB understand alike. Raises ValueError."""
    if not pattern or len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"must be a regular expression of 1 to {LONGEST_PATTERN} characters")
    if _FOREIGN.search(pattern):
        raise ValueError(r"must be a plain regular expression: without '(?', '[:', and escapes such as \1 or \p")
    try:
        re.compile(pattern, re.ASCII)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"must be a regular expression ({error})") from None
    return pattern


def _matches(pattern: str | None, text: str) -> bool:
    return pattern is None or re.search(pattern, text, re.ASCII) is not None

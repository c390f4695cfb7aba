"""What somebody who wants a new API key says about it: one validated object. Its aliases are the keys of the API."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from jobrunner.domain.api_keys import Limits, Role, check_pattern
from jobrunner.domain.schedules import parse_duration, parse_instant
from jobrunner.domain.specification import Number, Specification, Text, WholeNumber

MOST_RUNNING = 1_000_000
LONGEST_LIFE = timedelta(days=36500)
_DAYS = re.compile(r"(\d{1,5})d")


def _name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.@ -]{0,62}[A-Za-z0-9]|[A-Za-z0-9]", value):
        raise ValueError(
            "must be 1 to 64 letters, digits, ' ', '_', '.', '@' or '-', with a letter or digit at its ends"
        )
    return value


def _life(text: str) -> str:
    if not timedelta(0) < parse_life(text) <= LONGEST_LIFE:
        raise ValueError("must be longer than nothing, and at most 36500d")
    return text


def _instant(value: float) -> float:
    parse_instant(value)
    return value


def parse_life(text: str) -> timedelta:
    """`90d`, or a duration such as `12h30m`. Raises ValueError."""
    match = _DAYS.fullmatch(text.strip())
    if match:
        return timedelta(days=int(match[1]))
    try:
        return parse_duration(text)
    except ValueError:
        raise ValueError("must be a duration such as '90d' or '12h30m'") from None


Pattern = Annotated[Text, AfterValidator(check_pattern)]


class KeyWish(Specification):
    """A key that is to be made."""

    name: Annotated[Text, StringConstraints(max_length=64), AfterValidator(_name)]
    role: Role
    expires_in: Annotated[Text, StringConstraints(max_length=32), AfterValidator(_life)] | None = None
    expires_at: Annotated[float, Number, AfterValidator(_instant)] | None = None
    task_pattern: Pattern | None = None
    image_pattern: Pattern | None = None
    most_running: Annotated[WholeNumber, Field(ge=1, le=MOST_RUNNING)] | None = None
    most_cpus: Annotated[float, Number, Field(gt=0, le=1e6)] | None = None
    most_memory_bytes: Annotated[WholeNumber, Field(ge=1, le=2**60)] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> KeyWish:
        if self.expires_in is not None and self.expires_at is not None:
            raise ValueError("only one of expiresIn and expiresAt may be given")
        # Whoever makes keys could make one without limits: a limit on such a key would only look like one.
        if self.role is Role.ADMIN and self.limits != Limits():
            raise ValueError("a key with the role admin cannot have limits: it can make keys that have none")
        return self

    @property
    def limits(self) -> Limits:
        """What the key is to be held to."""
        return Limits(self.task_pattern, self.image_pattern, self.most_running, self.most_cpus, self.most_memory_bytes)

    def end(self, now: datetime) -> datetime | None:
        """When the key expires, if it is made now; None: never."""
        if self.expires_in is not None:
            return now + parse_life(self.expires_in)
        return None if self.expires_at is None else parse_instant(self.expires_at)

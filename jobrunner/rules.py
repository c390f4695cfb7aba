"""Rules of the farm's configuration that are chosen by a regular expression on the task id; the first match wins."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Annotated, Any, Protocol, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return value


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)

    match: Annotated[str, AfterValidator(_pattern)]


class PoolRule(_Rule):
    """The pool of a task's executions, and how many executions of all tasks that this rule matches run at once."""

    pool: str = Field("default", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")
    max_running: int | None = Field(None, ge=1)


class TaskLimit(_Rule):
    """How many executions of one task run at once, for each task that the rule matches."""

    most: int = Field(ge=1)


class HasMatch(Protocol):
    """A rule."""

    @property
    def match(self) -> str:
        """A regular expression, searched for from the beginning of a task id; an empty one matches all."""


R = TypeVar("R", bound=HasMatch)


def first_match(rules: Iterable[R], task_id: str) -> R | None:
    """The first rule that matches the task id; None where none does."""
    return next((rule for rule in rules if re.match(rule.match, task_id)), None)


def from_text(value: Any) -> Any:
    """Take JSON, as a line of a file or an environment variable has it."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"must be a list in JSON ({error})") from None


def labels_from_text(value: Any) -> Any:
    """Take `zone=a, gpu=no`, as a line of a file or an environment variable has it."""
    if not isinstance(value, str):
        return value
    parts = [part.strip().partition("=") for part in value.split(",") if part.strip()]
    if any(not separator for _, separator, _ in parts):
        raise ValueError("must be labels such as: zone=a, gpu=no")
    return {name.strip(): text.strip() for name, _, text in parts}

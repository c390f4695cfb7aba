"""The document of a refusal, key by key. jobrunner.api.errors makes it."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict  # pydantic needs it before Python 3.12


class FaultDocument(TypedDict):
    """What is wrong with one field of a request."""

    field: str
    reason: str


class ErrorDocument(TypedDict):
    """A refusal: all in one line, and field by field."""

    error: str
    errors: list[FaultDocument]
    requestId: NotRequired[str]

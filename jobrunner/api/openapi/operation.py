"""What a route takes and answers, written at the route: `@answers(JobDetails, query=(PAGE,))` below `@route(...)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

View = TypeVar("View", bound=Callable[..., Any])

_ATTRIBUTE = "openapi_operation"


@dataclass(frozen=True)
class MediaType:
    """An answer that is no JSON document."""

    name: str


TEXT = MediaType("text/plain; charset=utf-8")
HTML = MediaType("text/html; charset=utf-8")
OCTETS = MediaType("application/octet-stream")
EVENT_STREAM = MediaType("text/event-stream; charset=utf-8")

NO_BODY = None

Shape = Any  # a TypedDict, a MediaType, or NO_BODY


@dataclass(frozen=True)
class QueryParameter:
    """A parameter of a query string; `schema` is JSON Schema."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    is_required: bool = False


@dataclass(frozen=True)
class HeaderParameter:
    """A header of a request, which may be left out; `schema` is JSON Schema."""

    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})


@dataclass(frozen=True)
class Operation:
    """What a route takes and answers. `refuses`: the statuses of refusals, beside those that every route can answer.

    `or_json`: the JSON document that is answered in place of `answer`, which is none, where the query asks for it.
    """

    answer: Shape
    status: int = 200
    body: type[BaseModel] | MediaType | None = None
    query: tuple[QueryParameter, ...] = ()
    headers: tuple[HeaderParameter, ...] = ()
    or_json: Shape = None
    also: Mapping[int, Shape] = field(default_factory=dict)
    refuses: tuple[int, ...] = ()


def answers(answer: Shape, **more: Any) -> Callable[[View], View]:
    """Note at a view what it takes and answers: the fields of Operation."""

    def note(view: View) -> View:
        setattr(view, _ATTRIBUTE, Operation(answer, **more))
        return view

    return note


def operation_of(view: Callable[..., Any]) -> Operation | None:
    """What a view takes and answers, where that stands at it."""
    found: Operation | None = getattr(view, _ATTRIBUTE, None)
    return found

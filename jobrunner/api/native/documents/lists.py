"""The documents of lists that go on by a cursor, of searches, of the farm's events and of its blacklist, key by key."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

from jobrunner.api.native.documents.executions import ExecutionItem
from jobrunner.api.openapi.forms import closed
from jobrunner.domain.farm_events import Change, Subject
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.states import State


@closed
class ExecutionList(TypedDict):
    """Executions, the newest first. There may be a `nextUrl` though this has fewer than `perPage`, or none."""

    items: list[ExecutionItem]
    perPage: int
    hasNext: bool
    nextUrl: str | None


@closed
class JobItem(TypedDict):
    """A job in a list."""

    jobId: str
    taskId: str
    url: str
    image: str
    command: str | list[str] | None
    createdAt: str
    lastModifiedAt: str
    executionCount: int
    scheduled: bool
    stoppedAt: str | None
    pausedAt: str | None
    labels: dict[str, str]


@closed
class JobList(TypedDict):
    """Jobs of all tasks, the newest first; as for executions."""

    items: list[JobItem]
    perPage: int
    hasNext: bool
    nextUrl: str | None


@closed
class FoundLineDocument(TypedDict):
    """A line that has the text in it: counted from 1, and its byte in the stream."""

    stream: str
    line: int
    offset: int
    text: str
    truncated: bool


@closed
class FoundLines(TypedDict):
    """Lines of an output. `after` is where to go on, also once more was written."""

    items: list[FoundLineDocument]
    hasNext: bool
    nextUrl: str | None
    after: str
    outputDeletedAt: str | None


# In this form, since "from" is no name of Python's.
EventDocument = closed(
    TypedDict(
        "EventDocument",
        {
            "id": str,
            "type": Subject,
            "change": Change,
            "at": str,
            "executionId": NotRequired[str],
            "jobId": NotRequired[str],
            "taskId": NotRequired[str],
            "from": NotRequired[State | None],
            "to": NotRequired[State],
            "attempt": NotRequired[int | None],
            "node": NotRequired[str | None],
            "cause": NotRequired[Cause | None],
        },
    )
)


@closed
class EventPageDocument(TypedDict):
    """Events for a client that polls: `nextUrl` is where to ask next, also where there are no more yet."""

    items: list[EventDocument]
    hasNext: bool
    nextUrl: str


@closed
class BlacklistedHost(TypedDict):
    """What became of a host; `nodes`: those that it stands for."""

    host: str
    blacklisted: bool
    nodes: list[str]

"""Tasks, and references to things."""

from __future__ import annotations

from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from jobrunner.api.openapi.forms import closed


@closed
class Reference(TypedDict):
    """A thing, and where it is."""

    id: str
    url: str


@closed
class TaskItem(TypedDict):
    """A task in a list."""

    taskId: str
    createdAt: float
    lastModifiedAt: float
    jobsCount: int
    url: str


@closed
class TaskPage(TypedDict):
    """A page of tasks."""

    items: list[TaskItem]
    page: int
    pages: int
    perPage: int
    total: int
    hasNext: bool
    hasPrev: bool
    nextUrl: str | None
    prevUrl: str | None


@closed
class TaskDetails(TypedDict):
    """A task with some of its jobs."""

    taskId: str
    jobs: list[Reference]
    hasNext: bool
    nextUrl: str | None

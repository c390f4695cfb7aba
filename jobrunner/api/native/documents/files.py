"""Files: those that were uploaded, and those that are kept of executions."""

from __future__ import annotations

from typing_extensions import TypedDict

from jobrunner.api.openapi.forms import closed


@closed
class OutputSummary(TypedDict):
    """How much was kept of the files of an execution's container. `complete`: all that its job named."""

    count: int
    size: int
    complete: bool
    url: str


@closed
class FileItem(TypedDict):
    """An uploaded file. `size` is in bytes."""

    fileId: str
    name: str
    size: int
    sha256: str
    createdAt: str
    lastUsedAt: str
    requestIPAddress: str | None
    url: str


@closed
class FilePage(TypedDict):
    """Uploaded files, the newest first."""

    items: list[FileItem]
    hasNext: bool
    nextUrl: str | None


@closed
class OutputItem(TypedDict):
    """A file that was kept. `path` is where it was in the container; `complete`: it was not cut at a limit."""

    name: str
    path: str
    size: int
    sha256: str
    complete: bool
    url: str


@closed
class OutputNotKept(TypedDict):
    """Something that was not kept, or not whole, and why."""

    path: str
    reason: str


@closed
class OutputList(TypedDict):
    """What was kept of the files of an execution's container."""

    items: list[OutputItem]
    notKept: list[OutputNotKept]
    count: int
    size: int
    archiveUrl: str

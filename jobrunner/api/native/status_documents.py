"""The document of /status/, key by key. translate_status.py makes it."""

from __future__ import annotations

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from jobrunner.api.native.documents import Usage
from jobrunner.api.openapi.faults import FaultDocument
from jobrunner.domain.placement import Priority

_closed = with_config(ConfigDict(extra="forbid"))


@_closed
class Host(TypedDict):
    """A node, as fastlane shows its hosts."""

    host: str
    available: bool
    blacklisted: bool
    draining: bool
    circuit: str
    error: str | None
    node: str
    state: str
    slots: int
    running: int
    engineVersion: str


@_closed
class RunningContainer(TypedDict):
    """An execution that runs."""

    executionId: str
    taskId: str
    jobId: str
    image: str
    node: str | None
    startedAt: str | None
    containerId: str | None
    usage: Usage | None
    url: str


@_closed
class Containers(TypedDict):
    """What runs."""

    running: list[RunningContainer]
    hasMore: bool


@_closed
class Queue(TypedDict):
    """How many messages wait."""

    length: int | None


@_closed
class WaitingLine(TypedDict):
    """How many messages of one pool and priority wait."""

    pool: str
    priority: Priority
    length: int


@_closed
class JobQueue(Queue):
    """What waits for a node, by pool and priority; null and none where Redis does not answer."""

    waiting: list[WaitingLine]


@_closed
class ScheduledQueue(Queue):
    """What waits for its time."""

    nextScheduledAt: str | None


@_closed
class Queues(TypedDict):
    """What waits."""

    jobs: JobQueue
    scheduled: ScheduledQueue


@_closed
class Count(TypedDict):
    """How many there are, about."""

    count: int


@_closed
class ScheduledJob(TypedDict):
    """A job that starts by itself."""

    id: str
    task: str
    url: str
    nextScheduledAt: str | None
    stopUrl: str


@_closed
class JobCounts(Count):
    """Jobs, and those that wait for their time, the earliest first."""

    scheduled: list[ScheduledJob]
    hasMore: bool


@_closed
class Version(TypedDict):
    """The version of this program, in fastlane's place for it."""

    version: str


@_closed
class StatusDocument(TypedDict):
    """The farm at one moment."""

    hosts: list[Host]
    containers: Containers
    queues: Queues
    tasks: Count
    jobs: JobCounts
    fastlane: Version
    version: str
    errors: list[FaultDocument]

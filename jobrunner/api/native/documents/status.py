"""The document of /status/, key by key. translate_status.py makes it."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from jobrunner.api.native.documents.executions import Usage
from jobrunner.api.openapi.faults import FaultDocument
from jobrunner.api.openapi.forms import closed
from jobrunner.domain.placement import Priority


@closed
class HealthDocument(TypedDict):
    """Whether the services that the API needs answer."""

    mongo: bool
    redis: bool
    errors: list[Any]
    error: NotRequired[str]


@closed
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


@closed
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


@closed
class Containers(TypedDict):
    """What runs."""

    running: list[RunningContainer]
    hasMore: bool


@closed
class Queue(TypedDict):
    """How many messages wait."""

    length: int | None


@closed
class WaitingLine(TypedDict):
    """How many messages of one pool and priority wait."""

    pool: str
    priority: Priority
    length: int


@closed
class JobQueue(Queue):
    """What waits for a node, by pool and priority; null and none where Redis does not answer."""

    waiting: list[WaitingLine]


@closed
class ScheduledQueue(Queue):
    """What waits for its time."""

    nextScheduledAt: str | None


@closed
class Queues(TypedDict):
    """What waits."""

    jobs: JobQueue
    scheduled: ScheduledQueue


@closed
class Count(TypedDict):
    """How many there are, about."""

    count: int


@closed
class ScheduledJob(TypedDict):
    """A job that starts by itself."""

    id: str
    task: str
    url: str
    nextScheduledAt: str | None
    stopUrl: str


@closed
class JobCounts(Count):
    """Jobs, and those that wait for their time, the earliest first."""

    scheduled: list[ScheduledJob]
    hasMore: bool


@closed
class Version(TypedDict):
    """The version of this program, in fastlane's place for it."""

    version: str


@closed
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

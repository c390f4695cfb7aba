"""The documents that the native API answers, key by key: for its OpenAPI document, which the tests hold answers to.

translate*.py make them. fastlane's keys are as its document (specs) has them. Instants are ISO 8601 in UTC, without a
zone; those of tasks are UNIX seconds.
"""

from __future__ import annotations

from typing import Any, NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from jobrunner.domain.deliveries import DeliveryKind, DeliveryState
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.states import State
from jobrunner.engine.cancel import Stopped

_closed = with_config(ConfigDict(extra="forbid"))


@_closed
class Reference(TypedDict):
    """A thing, and where it is."""

    id: str
    url: str


@_closed
class TaskItem(TypedDict):
    """A task in a list."""

    taskId: str
    createdAt: float
    lastModifiedAt: float
    jobsCount: int
    url: str


@_closed
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


@_closed
class TaskDetails(TypedDict):
    """A task with some of its jobs."""

    taskId: str
    jobs: list[Reference]
    hasNext: bool
    nextUrl: str | None


@_closed
class JobReference(TypedDict):
    """Where a job and its task are."""

    jobId: str
    jobUrl: str
    taskId: str
    taskUrl: str


@_closed
class Accepted(JobReference):
    """A job that was taken in. The execution is null where it starts later."""

    queueJobId: str
    executionId: str | None
    executionUrl: str | None


@_closed
class WebhookDocument(TypedDict):
    """A call to make; secrets in it are hidden."""

    url: str
    method: str
    headers: dict[str, str]
    retries: int | None


@_closed
class WebhooksDocument(TypedDict):
    """The calls of a job."""

    starts: NotRequired[list[WebhookDocument]]
    succeeds: list[WebhookDocument]
    fails: list[WebhookDocument]
    finishes: list[WebhookDocument]


@_closed
class NotifyDocument(TypedDict):
    """Who gets an e-mail."""

    starts: NotRequired[list[str]]
    succeeds: list[str]
    fails: list[str]
    finishes: list[str]


@_closed
class JobMetadata(TypedDict):
    """The definition of a job. `custom` is the caller's own metadata."""

    enqueued_id: str | None
    envs: dict[str, str]
    notify: NotifyDocument
    retries: int
    retry_count: int
    timeout: int | None
    webhooks: WebhooksDocument
    custom: dict[str, Any]


@_closed
class ExecutionMetadata(TypedDict):
    """Where an execution's container is."""

    container_id: str | None
    docker_host: str | None
    docker_port: int | None


@_closed
class Move(TypedDict):
    """A state that an execution came to, and when."""

    status: State
    at: str


@_closed
class Run(TypedDict):
    """What every form of an execution has."""

    command: str | list[str] | None
    createdAt: str
    exitCode: int | None
    finishedAt: str | None
    image: str
    startedAt: str | None
    status: State
    executionId: str
    attempt: int
    node: str | None


@_closed
class OutputSummary(TypedDict):
    """How much was kept of the files of an execution's container. `complete`: all that its job named."""

    count: int
    size: int
    complete: bool
    url: str


@_closed
class ExecutionDocument(Run):
    """An execution with the end of its output."""

    error: str
    log: str
    metadata: ExecutionMetadata
    cause: Cause | None
    reason: str
    oomKilled: bool
    history: list[Move]
    logTruncated: bool
    retriedFrom: str | None
    dueAt: str | None
    stopRequestedAt: str | None
    outputs: OutputSummary | None
    result: Any
    resultError: str | None


@_closed
class ExecutionItem(Run):
    """An execution in a list."""

    jobId: str
    taskId: str
    url: str


@_closed
class ExecutionPage(TypedDict):
    """A page of executions, the newest first."""

    items: list[ExecutionItem]
    page: int
    perPage: int
    hasNext: bool
    hasPrev: bool
    nextUrl: str | None
    prevUrl: str | None


@_closed
class JobDocument(TypedDict):
    """A job with a page of its executions."""

    taskId: str
    createdAt: str
    lastModifiedAt: str
    executionCount: int
    executions: list[ExecutionDocument]
    metadata: JobMetadata
    scheduled: bool
    nextTimes: list[str]
    jobId: str
    url: str
    stoppedAt: str | None
    page: int
    perPage: int
    hasNext: bool
    hasPrev: bool
    nextUrl: str | None
    prevUrl: str | None


@_closed
class JobDetails(TypedDict):
    """A job and its task."""

    job: JobDocument
    task: Reference


@_closed
class ExecutionDetails(TypedDict):
    """An execution, its job and its task."""

    execution: ExecutionDocument
    job: Reference
    task: Reference


@_closed
class ExecutionPlace(TypedDict):
    """Where an execution is."""

    url: str


@_closed
class StoppedExecution(TypedDict):
    """What a stop did."""

    execution: Reference
    job: Reference
    task: Reference
    stopped: Stopped


@_closed
class Attempt(TypedDict):
    """One try to make a delivery."""

    at: str
    statusCode: int | None
    error: str
    durationSeconds: float


@_closed
class DeliveryDocument(TypedDict):
    """A webhook call or an e-mail that an execution owes, or has made."""

    deliveryId: str
    event: str
    kind: DeliveryKind
    target: str
    state: DeliveryState
    createdAt: str
    nextAttemptAt: str | None
    attemptCount: int
    maxAttempts: int
    attempts: list[Attempt]
    redeliverUrl: str


@_closed
class DeliveryList(TypedDict):
    """All deliveries of an execution."""

    items: list[DeliveryDocument]


@_closed
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


@_closed
class FilePage(TypedDict):
    """Uploaded files, the newest first."""

    items: list[FileItem]
    hasNext: bool
    nextUrl: str | None


@_closed
class OutputItem(TypedDict):
    """A file that was kept. `path` is where it was in the container; `complete`: it was not cut at a limit."""

    name: str
    path: str
    size: int
    sha256: str
    complete: bool
    url: str


@_closed
class OutputNotKept(TypedDict):
    """Something that was not kept, or not whole, and why."""

    path: str
    reason: str


@_closed
class OutputList(TypedDict):
    """What was kept of the files of an execution's container."""

    items: list[OutputItem]
    notKept: list[OutputNotKept]
    count: int
    size: int
    archiveUrl: str


@_closed
class NodeItem(TypedDict):
    """A node."""

    name: str
    machine: str
    pid: int
    slots: int
    running: int
    seenAt: str
    state: str
    engineVersion: str


@_closed
class NodeList(TypedDict):
    """All nodes that ever were."""

    items: list[NodeItem]


@_closed
class HealthDocument(TypedDict):
    """Whether the services that the API needs answer."""

    mongo: bool
    redis: bool
    errors: list[Any]
    error: NotRequired[str]

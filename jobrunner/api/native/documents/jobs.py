"""Jobs: as they are accepted, read, stopped and paused."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from jobrunner.api.native.documents.executions import ExecutionDocument
from jobrunner.api.native.documents.tasks import Reference
from jobrunner.api.native.documents.templates import TemplateReference
from jobrunner.api.openapi.forms import closed
from jobrunner.domain.arrays import ArrayState
from jobrunner.domain.container_options import ContainerOptions
from jobrunner.domain.dependencies import When
from jobrunner.domain.retry import RetryPolicy
from jobrunner.engine.pause import Paused


@closed
class JobReference(TypedDict):
    """Where a job and its task are."""

    jobId: str
    jobUrl: str
    taskId: str
    taskUrl: str


@closed
class Accepted(JobReference):
    """A job that was taken in. The execution is null where it starts later."""

    queueJobId: str
    executionId: str | None
    executionUrl: str | None


@closed
class StoppedCounts(TypedDict):
    """How many executions the stop of a job ended before their start, and how many are stopping now."""

    beforeStart: int
    stopping: int


@closed
class StoppedJob(JobReference):
    """What the stop of a job did."""

    stopped: StoppedCounts
    alreadyStopped: bool


@closed
class PausedJob(JobReference):
    """What a pause, or its end, did."""

    schedule: Paused


@closed
class AcceptedJob(Accepted):
    """One of many jobs that were taken in, and its name in the call."""

    name: str | None


@closed
class AcceptedJobs(TypedDict):
    """Jobs that were taken in, in their order."""

    jobs: list[AcceptedJob]


@closed
class WebhookDocument(TypedDict):
    """A call to make; secrets in it are hidden."""

    url: str
    method: str
    headers: dict[str, str]
    retries: int | None


@closed
class WebhooksDocument(TypedDict):
    """The calls of a job."""

    starts: NotRequired[list[WebhookDocument]]
    succeeds: list[WebhookDocument]
    fails: list[WebhookDocument]
    finishes: list[WebhookDocument]


@closed
class NotifyDocument(TypedDict):
    """Who gets an e-mail."""

    starts: NotRequired[list[str]]
    succeeds: list[str]
    fails: list[str]
    finishes: list[str]


@closed
class DependencyDocument(TypedDict):
    """Another job, and how it must have ended."""

    job: str
    when: When


@closed
class JobMetadata(TypedDict):
    """The definition of a job. `custom` is the caller's own metadata."""

    enqueued_id: str | None
    envs: dict[str, str]
    notify: NotifyDocument
    retries: int
    retryPolicy: RetryPolicy | None
    retry_count: int
    timeout: int | None
    webhooks: WebhooksDocument
    container: ContainerOptions
    custom: dict[str, Any]
    after: list[DependencyDocument]


@closed
class ArrayDocument(TypedDict):
    """How an array stands: how many executions, each with all its attempts, are how."""

    count: int
    mostAtOnce: int
    state: ArrayState
    waiting: int
    running: int
    done: int
    failed: int
    stopped: int


@closed
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
    labels: dict[str, str]
    jobId: str
    url: str
    stoppedAt: str | None
    pausedAt: str | None
    requestIPAddress: str | None
    array: ArrayDocument | None
    template: TemplateReference | None
    page: int
    perPage: int
    hasNext: bool
    hasPrev: bool
    nextUrl: str | None
    prevUrl: str | None


@closed
class JobDetails(TypedDict):
    """A job and its task."""

    job: JobDocument
    task: Reference

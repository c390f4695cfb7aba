"""The documents that the native API answers, key by key: for its OpenAPI document, which the tests hold answers to.

translate*.py make them. fastlane's keys are as its document (specs) has them. Instants are ISO 8601 in UTC, without a
zone; those of tasks are UNIX seconds.
"""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from jobrunner.api.native.file_documents import OutputSummary
from jobrunner.api.openapi.forms import closed
from jobrunner.domain.arrays import ArrayState
from jobrunner.domain.container_options import ContainerOptions
from jobrunner.domain.deliveries import DeliveryKind, DeliveryState
from jobrunner.domain.dependencies import When
from jobrunner.domain.node_states import NodeState
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.retry import RetryPolicy
from jobrunner.domain.states import State
from jobrunner.engine.cancel import Stopped
from jobrunner.engine.pause import Paused


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
class ExecutionMetadata(TypedDict):
    """Where an execution's container is."""

    container_id: str | None
    docker_host: str | None
    docker_port: int | None


@closed
class Move(TypedDict):
    """A state that an execution came to, and when."""

    status: State
    at: str


@closed
class Usage(TypedDict):
    """What a container has used up, as of its last sample; null: the kernel does not count it."""

    cpuSeconds: float
    peakMemoryBytes: int | None
    networkReceivedBytes: int | None
    networkSentBytes: int | None
    blockReadBytes: int | None
    blockWrittenBytes: int | None
    sampledAt: str


@closed
class OutputBytes(TypedDict):
    """How much of each stream is stored."""

    stdout: int
    stderr: int


@closed
class Run(TypedDict):
    """What every form of an execution has."""

    command: str | list[str] | None
    createdAt: str
    exitCode: int | None
    finishedAt: str | None
    image: str
    startedAt: str | None
    status: State
    labels: dict[str, str]
    executionId: str
    attempt: int
    arrayIndex: int | None
    node: str | None


@closed
class ExecutionDocument(Run):
    """An execution with the end of its output."""

    error: str
    log: str
    metadata: ExecutionMetadata
    cause: Cause | None
    reason: str
    url: str
    usage: Usage | None
    outputBytes: OutputBytes | None
    outputCut: bool | None
    outputDeletedAt: str | None
    retriedBy: str | None
    tickAt: str | None
    requestIPAddress: str | None
    oomKilled: bool
    history: list[Move]
    logTruncated: bool
    waitsFor: list[str]
    retriedFrom: str | None
    dueAt: str | None
    stopRequestedAt: str | None
    outputs: OutputSummary | None
    result: Any
    resultError: str | None


@closed
class ExecutionItem(Run):
    """An execution in a list."""

    jobId: str
    taskId: str
    url: str


@closed
class TemplateReference(TypedDict):
    """From which template a job was started, and of which revision that was."""

    name: str
    revision: int


@closed
class TemplateDetails(TypedDict):
    """A template; secrets in it are hidden."""

    name: str
    revision: int
    createdAt: str
    lastModifiedAt: str
    description: str
    parameters: dict[str, dict[str, Any]]
    job: dict[str, Any]
    url: str


@closed
class TemplatePage(TypedDict):
    """A page of templates, by name."""

    items: list[TemplateDetails]
    page: int
    perPage: int
    hasNext: bool
    hasPrev: bool
    nextUrl: str | None
    prevUrl: str | None


@closed
class DeletedTemplate(TypedDict):
    """The name of a template that is no more."""

    deleted: str


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


@closed
class ExecutionAlone(ExecutionDocument):
    """An execution, with what it waits for in words; null where it does not wait for a node."""

    waitingFor: str | None


@closed
class ExecutionDetails(TypedDict):
    """An execution, its job and its task."""

    execution: ExecutionAlone
    job: Reference
    task: Reference


@closed
class ExecutionPlace(TypedDict):
    """Where an execution is."""

    url: str


@closed
class StoppedExecution(TypedDict):
    """What a stop did."""

    execution: Reference
    job: Reference
    task: Reference
    stopped: Stopped


@closed
class Attempt(TypedDict):
    """One try to make a delivery."""

    at: str
    statusCode: int | None
    error: str
    durationSeconds: float


@closed
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


@closed
class DeliveryList(TypedDict):
    """All deliveries of an execution."""

    items: list[DeliveryDocument]


@closed
class Amounts(TypedDict):
    """Amounts of everything that is shared out on a node; memory and storage in bytes."""

    slots: int
    cpu: float
    memory: int
    gpu: int
    storage: int


@closed
class DrainDocument(TypedDict):
    """The order that a node takes nothing new; without a deadline, what runs there may run on."""

    requestedAt: str
    deadline: str | None


@closed
class NodeItem(TypedDict):
    """A node: what its machine has, what of that jobs may use, and how much of that is reserved and free."""

    name: str
    machine: str
    pid: int
    slots: int
    running: int
    seenAt: str
    state: NodeState
    engineVersion: str
    address: str
    pools: list[str]
    labels: dict[str, str]
    total: Amounts
    capacity: Amounts
    reserved: Amounts
    free: Amounts
    gpuNames: list[str]
    limitsStorage: bool
    drain: DrainDocument | None
    volumes: list[str]


@closed
class NodeList(TypedDict):
    """All nodes that ever were."""

    items: list[NodeItem]


@closed
class NodeDetails(TypedDict):
    """A node."""

    node: NodeItem


@closed
class HealthDocument(TypedDict):
    """Whether the services that the API needs answer."""

    mongo: bool
    redis: bool
    errors: list[Any]
    error: NotRequired[str]

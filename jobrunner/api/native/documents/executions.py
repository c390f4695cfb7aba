"""Executions: alone, within their job, and in lists."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict  # pydantic needs it before Python 3.12

from jobrunner.api.native.documents.files import OutputSummary
from jobrunner.api.native.documents.tasks import Reference
from jobrunner.api.openapi.forms import closed
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.states import State
from jobrunner.engine.cancel import Stopped


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

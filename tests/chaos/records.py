"""What a run leaves for the checker: plain values. Times are UNIX seconds of this machine's one clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

EVENTS = "events"  # the source of states that the farm's events told
ENGINE = "Engine: "  # what the kinds of faults begin with that are done to the Engine itself
DISK_OF_ENGINE = "disk of the Engine: full"
IMAGE = "image removed by hand"


class Answer(StrEnum):
    """What a client knows of what it sent."""

    ACCEPTED = "accepted"  # 2xx
    REFUSED = "refused"  # 503 with Retry-After: it may exist nevertheless
    BROKEN = "broken"  # the connection failed or timed out: it may exist
    WRONG = "wrong"  # what no client should see: a 4xx to what is right, a 500, a 503 without Retry-After


@dataclass(frozen=True)
class SentJob:
    """A job that a client has sent, under an id of its own. `kind` is the name of one of jobs.KINDS."""

    id: str
    kind: str
    sent_at: float
    seconds: float
    answer: Answer
    said: str = ""  # the answer in words where it was not a plain acceptance
    execution_id: str | None = None
    stopped_at: float | None = None  # of a cron: when the request to stop it was first sent


@dataclass(frozen=True)
class SeenExecution:
    """An execution as the API tells it after the run."""

    id: str
    job_id: str
    attempt: int
    status: str
    cause: str | None
    reason: str
    exit_code: int | None
    node: str | None
    container_id: str | None
    tick_at: float | None
    due_at: float | None
    created_at: float
    finished_at: float | None
    retried_by: str | None
    stdout: bytes
    stderr: bytes
    deliveries: Mapping[str, str] = field(default_factory=dict)  # event type -> state
    started_at: float | None = None
    times: Mapping[str, float] = field(default_factory=dict)  # state -> when it came to it


@dataclass(frozen=True)
class SeenState:
    """That an execution was in a state, as MongoDB's change stream, an answer of the API or the farm's events told."""

    at: float
    execution_id: str
    state: str
    source: str


@dataclass(frozen=True)
class ContainerEvent:
    """What the Engine told of a container: its `action` is create, start, die or destroy."""

    at: float
    action: str
    container_id: str
    execution_id: str
    node: str


@dataclass(frozen=True)
class ContainerStart:
    """A start of a container, by its own word for it. `container` is the beginning of its id, `word` a random one."""

    at: float
    job_id: str
    container: str
    word: str


@dataclass(frozen=True)
class WrittenLine:
    """That a container had written its line of this number to both streams, by its own word for it."""

    at: float
    number: int


@dataclass(frozen=True)
class HookCall:
    """A webhook that the receiver got. `taken`: it was answered with 200."""

    at: float
    delivery_id: str
    execution_id: str
    event: str
    taken: bool


@dataclass(frozen=True)
class FaultDone:
    """A fault that was done: from its beginning to when its target was whole (or started) again."""

    kind: str
    target: str
    began_at: float
    ended_at: float
    remark: str = ""
    container_id: str = ""  # of a container that was removed


@dataclass(frozen=True)
class Absence:
    """That a process, or an Engine, was not there, from its end until the next one of its name was ready."""

    process: str
    since: float
    until: float


@dataclass(frozen=True)
class SeenMetrics:
    """What an API told by /metrics of the farm: counters by name and labels, ends by state and cause, what is open."""

    at: float
    api: str
    counters: Mapping[str, float]
    ended: Mapping[str, float]
    open: Mapping[str, float]
    owed: float | None


@dataclass(frozen=True)
class Run:
    """All that was recorded of a run."""

    seed: int
    began_at: float
    load_ended_at: float
    faults_ended_at: float
    settled_at: float | None  # None: not everything was terminal within the bound
    settings: Mapping[str, float] = field(default_factory=dict)
    sent: Sequence[SentJob] = ()
    executions: Sequence[SeenExecution] = ()
    states: Sequence[SeenState] = ()
    container_events: Sequence[ContainerEvent] = ()
    starts: Sequence[ContainerStart] = ()
    written: Mapping[str, Sequence[WrittenLine]] = field(default_factory=dict)  # by container, as in `starts`
    calls: Sequence[HookCall] = ()
    engine_of: Mapping[str, str] = field(default_factory=dict)  # the Engine's name, by node
    live_restore: frozenset[str] = frozenset()  # the Engines whose containers outlive them
    faults: Sequence[FaultDone] = ()
    absences: Sequence[Absence] = ()
    metrics: Sequence[SeenMetrics] = ()  # in the order in which they were told
    last_metrics: Sequence[SeenMetrics] = ()  # of each API, once all was over
    left_over: Sequence[str] = ()  # containers, keys in Redis
    used_at_first: Mapping[str, float] = field(default_factory=dict)  # under load, before the first fault
    used_at_last: Mapping[str, float] = field(default_factory=dict)
    oddities: Sequence[str] = ()  # processes that ended by themselves, or not when told to


def instant(text: str | None) -> float | None:
    """An instant of the native API (ISO 8601 in UTC, without a zone) as UNIX seconds."""
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def as_json(run: Run) -> Any:
    """The run without its outputs, and with the last metrics only, for people who look into it."""
    document = asdict(replace(run, metrics=run.metrics[-1:])) | {"live_restore": sorted(run.live_restore)}
    for execution in document["executions"]:
        execution["stdout"], execution["stderr"] = len(execution["stdout"]), len(execution["stderr"])
    return document

"""Tasks, jobs, executions and nodes, as the engine sees them: plain immutable values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from jobrunner.domain.deliveries import OwedDelivery
from jobrunner.domain.engine_circuit import Circuit
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.placement import DEFAULT_POOL
from jobrunner.domain.resources import NOTHING, Resources
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import State
from jobrunner.domain.stored_files import ArtifactSummary
from jobrunner.domain.usage import ResourceUsage

T = TypeVar("T")


@dataclass(frozen=True)
class Task:
    """A name that groups jobs."""

    id: str
    created_at: datetime
    modified_at: datetime
    jobs_count: int


@dataclass(frozen=True)
class TemplateUse:
    """From which template a job was started, and of which revision that was."""

    name: str
    revision: int


@dataclass(frozen=True)
class Job:
    """A definition: what to run, and when. `revision` counts how often it was given a new one.

    `caller_address`: the IP address from which this definition came, where it is known.
    `turn`: the tick that was the last to be let in where ticks may not overlap (`jobrunner.engine.overlap`).
    `scheduled_until`: when it starts by itself for the last time, at the latest; None: it does not.
    """

    id: str
    task_id: str
    spec: JobSpec
    created_at: datetime
    modified_at: datetime
    executions_count: int = 0
    revision: int = 0
    stopped_at: datetime | None = None
    caller_address: str | None = None
    api_key_id: str | None = None  # of who defined it
    paused_at: datetime | None = None
    turn: str | None = None
    scheduled_until: datetime | None = None
    template: TemplateUse | None = None


@dataclass(frozen=True)
class Execution:
    """One run of a job, in one container, on one node.

    `claim` counts how often a run has taken hold of it: the fencing token. `times` has the instant of every move.
    `caller_address`: the IP address from which it was asked for; of a tick or another attempt, that of its origin.
    `array_index`: which one of its job's array. `turn`: from whom it got its turn to run, or `own_turn` (engine.array).
    `waits_for`: the jobs whose end it still waits for; it has no time of its own then. `owes_follow_up`: those jobs,
    or (once it has ended) those that wait for its own, may not have been looked at.
    `result` is JSON, as text; `result_error` says why there is none, where its job wants one.
    `prune_at`: when it is to be looked at whether its job wants it, or its output, kept any longer.
    `revision` is that of the job when it was made. `tick_at`: the instant of the job's cron that it stands for.
    `fired_at`: when the scheduler came to it, if it did not start then. `held`: its job was paused before its time.
    `gpu_ids`: which gpus of its node it has. `limits`: the names of those that it is counted under.
    """

    id: str
    job_id: str
    task_id: str
    spec: JobSpec
    state: State
    created_at: datetime
    attempt: int = 1
    claim: int = 0
    node: str | None = None
    engine_host: str | None = None
    engine_port: int | None = None
    container_id: str | None = None
    timeout_seconds: float = 0.0
    stop_grace_seconds: float = 0.0
    revision: int = 0
    tick_at: datetime | None = None
    due_at: datetime | None = None
    fired_at: datetime | None = None
    held: bool = False
    stop_requested_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cause: Cause | None = None
    reason: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    usage: ResourceUsage | None = None
    retried_from: str | None = None
    retried_by: str | None = None
    owes_retry: bool = False
    owed_deliveries: tuple[OwedDelivery, ...] = ()
    caller_address: str | None = None
    api_key_id: str | None = None  # on whose account it runs
    gpu_ids: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    times: Mapping[State, datetime] = field(default_factory=dict)
    output_deleted_at: datetime | None = None
    prune_at: datetime | None = None
    waits_for: tuple[str, ...] = ()
    owes_follow_up: bool | None = None
    array_index: int | None = None
    turn: str | None = None

    @property
    def envs(self) -> Mapping[str, str]:
        """The variables of its container: its job's, where to write the result, and those of its place in an array."""
        if self.spec.array is None or self.array_index is None:
            return self.spec.container_envs
        return {**self.spec.container_envs, **self.spec.array.envs(self.array_index)}

    artifacts: ArtifactSummary | None = None
    result: str | None = None
    result_error: str = ""

    @property
    def is_tick(self) -> bool:
        """Whether it is the first attempt of a tick of its job's cron."""
        return self.tick_at is not None and self.attempt == 1

    @property
    def deadline(self) -> datetime | None:
        """When its time is up: counted from the start of the container; until then, from the start of pulling."""
        started_at = self.started_at or self.times.get(State.PULLING)
        return None if started_at is None else started_at + timedelta(seconds=self.timeout_seconds)


@dataclass(frozen=True)
class EndedExecution:
    """Of an execution that is over: what it takes to see whether it, or its output, is to be kept."""

    id: str
    job_id: str
    created_at: datetime
    finished_at: datetime
    output_deleted_at: datetime | None = None


@dataclass(frozen=True)
class Drain:
    """The order that a node takes nothing new. What still runs there at the deadline (None: never) is ended."""

    requested_at: datetime
    deadline: datetime | None = None


@dataclass(frozen=True)
class Node:
    """A machine with a container engine, and the worker that speaks for it.

    `engine_address` is the Engine's "name:port"; empty where it has no port. `engine_error`: why it does not answer.
    `address` is that of the machine on which the containers run.
    `total` is what the machine has, `capacity` what jobs may use of it, `reserved` what they use. `limits_storage`: its
    Engine can limit the disk that a container fills. `drain` is an order to it, and not told by its beats.
    """

    name: str
    machine: str
    pid: int
    slots: int
    running: int
    seen_at: datetime
    started_at: datetime
    engine_version: str = ""
    stopped_at: datetime | None = None
    engine_address: str = ""
    circuit: str = Circuit.CLOSED
    engine_error: str = ""
    address: str = ""
    pools: tuple[str, ...] = (DEFAULT_POOL,)
    labels: Mapping[str, str] = field(default_factory=dict)
    total: Resources = NOTHING
    capacity: Resources = NOTHING
    reserved: Resources = NOTHING
    gpu_names: tuple[str, ...] = ()
    limits_storage: bool = False
    drain: Drain | None = None
    volumes: tuple[str, ...] = ()

    @property
    def free(self) -> Resources:
        """What of its capacity is not reserved."""
        return self.capacity - self.reserved


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a list: `total` items in all, `per_page` a page, this one counted from 1."""

    items: tuple[T, ...]
    number: int
    per_page: int
    total: int

    @property
    def pages(self) -> int:
        """How many pages there are; an empty list has one."""
        return max(1, -(-self.total // self.per_page))

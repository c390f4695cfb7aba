"""What the engine needs from the outside world, as Protocols. Adapters implement them; tests/contracts judge them.

Every method may raise the ServiceUnavailable of its service (StoreUnavailable, QueueUnavailable, EngineUnavailable).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, Protocol

from jobrunner.domain.api_keys import ApiKey
from jobrunner.domain.audit import AuditEntry, AuditQuery
from jobrunner.domain.deliveries import Delivery, DeliveryAttempt, DeliveryState
from jobrunner.domain.engine_circuit import Circuit
from jobrunner.domain.executions import Drain, EndedExecution, Execution, Job, Node, Page, Task
from jobrunner.domain.farm_events import FarmEvent
from jobrunner.domain.file_ports import ArtifactStore, ContentStore, FileStore, FileToPut, PathEntry
from jobrunner.domain.images import ImageReference
from jobrunner.domain.listing import ExecutionFilter, JobFilter, Position, Slice
from jobrunner.domain.measure_ports import MeasureStore
from jobrunner.domain.node_states import NodeState
from jobrunner.domain.outcomes import ContainerExit
from jobrunner.domain.placement import PLAIN, Demand, Priority, Waiting
from jobrunner.domain.repeats import KeptAnswer, KeyedRequest
from jobrunner.domain.resources import Resources
from jobrunner.domain.states import State
from jobrunner.domain.templates import Template, TemplateDefinition
from jobrunner.domain.usage import ResourceUsage


class Clock(Protocol):
    """The time of the farm, the same for all its processes. Tests move it."""

    def now(self) -> datetime:
        """The present instant, UTC and aware."""


# ---------------------------------------------------------------------------------------------------- output


class Stream(IntEnum):
    """The two output streams of a container, with the numbers that the Engine gives them in its frames."""

    STDOUT = 1
    STDERR = 2


@dataclass(frozen=True)
class Fragment:
    """A run of bytes that a container wrote to one stream."""

    stream: Stream
    content: bytes


@dataclass(frozen=True)
class Chunk:
    """A piece of an execution's output as it is stored: fragments in order, and the cursor after them.

    `cursor` counts the bytes that the container has written per stream up to here. It is stored in the same document
    as the bytes, so that a byte is stored exactly once. `cut`: the cap was reached, nothing follows. `writer` names
    the run that stored it, so that a run which tries an append again, not knowing whether it arrived, knows its own.
    `stored_at`: when its bytes were captured; None in chunks of a time when that was not noted.
    """

    execution_id: str
    sequence: int
    fragments: tuple[Fragment, ...]
    cursor: Mapping[Stream, int]
    writer: str
    cut: bool = False
    stored_at: datetime | None = None

    def content(self, stream: Stream) -> bytes:
        """The bytes of one stream in it."""
        return b"".join(fragment.content for fragment in self.fragments if fragment.stream is stream)


class OutputStore(Protocol):
    """The captured output of executions, in chunks. The first of an execution is number 0, and none is left out."""

    def append(self, chunk: Chunk) -> None:
        """Store the chunk, once. Raises Superseded where another writer has stored this sequence number already."""

    def last(self, execution_id: str) -> Chunk | None:
        """The newest chunk, without its fragments; None where nothing is stored yet."""

    def at(self, execution_id: str, sequence: int) -> Chunk | None:
        """The chunk of this sequence number, without its fragments; None where there is none."""

    def chunks(
        self, execution_id: str, after: int = -1, limit: int | None = None, stream: Stream | None = None
    ) -> Iterator[Chunk]:
        """The chunks with a sequence number above `after`, in order, at most `limit`; never all in memory at once.

        With `stream` only those that hold a fragment of it; the others are not read.
        """

    def chunks_before(self, execution_id: str, before: int | None, limit: int, stream: Stream) -> list[Chunk]:
        """The chunks with a fragment of `stream` and a sequence number below `before` (None: any), the newest first."""

    def tail(self, execution_id: str, stream: Stream, limit_bytes: int) -> tuple[bytes, bool]:
        """The last bytes of a stream, at most `limit_bytes`, and whether there is more before them."""

    def delete(self, execution_id: str, limit: int) -> int:
        """Delete the oldest chunks of an execution, at most `limit`; how many those were."""


# ----------------------------------------------------------------------------------------------------- store


class TaskStore(Protocol):
    """Tasks."""

    def touch(self, task_id: str, now: datetime, new_jobs: int = 0) -> None:
        """Make the task if there is none, note that it was modified now, and count its new jobs."""

    def get(self, task_id: str) -> Task | None:
        """The task of this id."""

    def page(self, number: int, per_page: int, *, visible: str | None = None) -> Page[Task]:
        """A page of all tasks, the oldest first; an empty one past the end. `visible`: what ids must match."""

    def search(self, words: Sequence[str], number: int, per_page: int, *, visible: str | None = None) -> Page[Task]:
        """A page of the tasks whose ids have all of these words (`words_of`), the oldest first."""

    def count(self) -> int:
        """About how many tasks there are: an estimate that costs the same however many they are."""

    def count_visible(self, visible: str) -> tuple[int, int]:
        """How many tasks have ids that match a pattern, and how many jobs these have."""


class JobStore(Protocol):
    """Jobs."""

    def add(self, job: Job) -> None:
        """Store a new job. Raises Conflict where its id is taken."""

    def get(self, job_id: str) -> Job | None:
        """The job of this id."""

    def get_all(self, job_ids: Iterable[str]) -> list[Job]:
        """The jobs of these ids; as many as there are."""

    def replace(self, job: Job) -> bool:
        """Replace the spec of a stored job and note `modified_at`; whether there was one of its id and task.

        It is neither stopped nor paused any more then.
        """

    def pause(self, job_id: str, at: datetime) -> bool:
        """Note that the job is paused; False where it was paused already."""

    def resume(self, job_id: str, at: datetime) -> bool:
        """Note that the job is not paused any more; False where it was not."""

    def take_turn(self, job_id: str, after: str | None, tick_id: str) -> bool:
        """Have a tick take the turn of the one that had it (None: none had it); False where another was faster."""

    def set_stopped(self, job_id: str, at: datetime) -> None:
        """Note that the job was stopped, if it was not before: it starts nothing more by itself."""

    def count_execution(self, job_id: str, at: datetime) -> None:
        """Count one more execution of the job, and note when it was last modified."""

    def count_executions(self, job_ids: Iterable[str], at: datetime) -> None:
        """The same for many jobs, in one step."""

    def discount_execution(self, job_id: str) -> None:
        """Count one execution less: it was deleted."""

    def ids_of_task(self, task_id: str, after: str | None, limit: int) -> list[str]:
        """The ids of a task's jobs, the oldest first, those after job `after`, at most `limit`."""

    def slice(self, chosen: JobFilter, limit: int, after: Position | None = None) -> Slice[Job]:
        """Some of the jobs that are wanted, the newest first."""

    def count(self) -> int:
        """About how many jobs there are: an estimate that costs the same however many they are."""


class ExecutionStore(Protocol):
    """Executions. The only place where they change."""

    def add(self, execution: Execution) -> bool:
        """Store a new execution, durably; False where its id is there already (it was made before: nothing changes)."""

    def add_all(self, executions: Sequence[Execution]) -> set[str]:
        """Store many new executions, durably, in one step; the ids of those that were not there already."""

    def get(self, execution_id: str) -> Execution | None:
        """The execution of this id."""

    def get_all(self, execution_ids: Iterable[str]) -> list[Execution]:
        """The executions of these ids; as many as there are."""

    def compare_and_set(
        self, execution_id: str, *, states: Iterable[State], claim: int | None, changes: Mapping[str, Any]
    ) -> Execution | None:
        """Apply `changes` (fields of Execution) if its state is one of `states` and its claim is `claim` (None: any).

        Returns the execution as it is afterwards, or None where the condition did not hold. A change of `state` also
        records the instant under `times`, from `changes["moved_at"]`.
        """

    def set_all(self, execution_ids: Iterable[str], *, state: State, claim: int, changes: Mapping[str, Any]) -> int:
        """The same change to each of these whose state and claim are these, in one step; how many those were."""

    def note_usage(self, execution_id: str, claim: int, usage: ResourceUsage) -> None:
        """Store what the container of an execution has used up, if its claim is this one and it has not ended."""

    def page_of_job(self, job_id: str, number: int, per_page: int, states: Iterable[State] = ()) -> list[Execution]:
        """A page of a job's executions, or of those in some states, the newest first."""

    def slice(self, chosen: ExecutionFilter, limit: int, after: Position | None = None) -> Slice[Execution]:
        """Some of the executions that are wanted, the newest first."""

    def last_of_job(self, job_id: str) -> Execution | None:
        """The newest execution of a job."""

    def next_of_job(self, job_id: str) -> Execution | None:
        """The first attempt of a job that waits for its time, the earliest of them."""

    def next_scheduled(self, limit: int, *, visible: str | None = None) -> list[Execution]:
        """The executions that wait for their time and are not held, the earliest first.

        `visible`: a pattern of their tasks' ids.
        """

    def count_scheduled(self, *, visible: str | None = None) -> int:
        """How many executions wait for their time; `visible`: a pattern of their tasks' ids."""

    def count_at_work(self, api_key_id: str, limit: int) -> int:
        """How many executions that a key has made wait in a queue or run; counted up to `limit`."""

    def open_of_job(self, job_id: str, limit: int) -> list[Execution]:
        """The executions of a job that have not ended and that nobody has asked to stop, the oldest first."""

    def scheduled_of_job(
        self, job_id: str, limit: int, *, held: bool | None = None, below_revision: int | None = None
    ) -> list[Execution]:
        """The executions of a job that wait for their time, the earliest first; perhaps only those held, or not held,
        or made under a revision of the job below this one."""

    def in_the_way(self, job_id: str, limit: int) -> list[Execution]:
        """The executions of a job that are under way, or are or will be tried again; as they are at one moment."""

    def held_by(self, node: str, limit: int) -> list[Execution]:
        """The executions that are pulling or running on a node."""

    def enqueued(self, before: datetime, after: Position | None, limit: int) -> list[Position]:
        """Those that are enqueued, and were so before an instant: by creation, the oldest first, from a place on."""

    def overdue(self, before: datetime, after_id: str | None, limit: int) -> list[str]:
        """The ids of those that wait for their time, and were due before an instant, in order, after `after_id`.

        Those after `after_id`; none, where that has been deleted since. Those that are held, because their job is
        paused, are not among them.
        """

    def on_silent_nodes(self, silent: Iterable[str], limit: int) -> list[Execution]:
        """The executions that are pulling or running on one of these nodes."""

    def owing_retry(self, limit: int) -> list[Execution]:
        """Ended executions whose next attempt may not have been made yet."""

    def stop_wishes(self, node: str) -> list[str]:
        """The ids of the executions on a node that somebody has asked to stop."""

    def owing_deliveries(self, limit: int) -> list[Execution]:
        """Executions with something in `owed_deliveries`."""

    def settle_deliveries(self, execution_id: str, delivery_ids: Iterable[str]) -> None:
        """Take these out of `owed_deliveries`, and leave whatever else has come there meanwhile."""

    def ended(self, before: datetime, after: EndedExecution | None, limit: int) -> list[EndedExecution]:
        """Executions that ended before an instant, in the order in which they did, those after `after`."""

    def to_prune(self, now: datetime) -> Iterator[Execution]:
        """Executions whose `prune_at` has come, the earliest first, read in batches; they may change meanwhile."""

    def ended_of_job(self, job_id: str, but_last: int, limit: int) -> list[Execution]:
        """The ended executions of a job but the `but_last` newest ones, the newest first."""

    def was_followed(self, execution: Execution | EndedExecution) -> bool:
        """Whether its job has a newer execution that does not merely wait for its time."""

    def delete(self, execution_id: str) -> bool:
        """Delete an execution that has ended and owes nothing; whether there was one."""

    def needs_file(self, file_id: str) -> bool:
        """Whether an execution that has not ended, or another attempt of one that has, is to get this file."""


class DeliveryStore(Protocol):
    """Deliveries. Whoever sends one has claimed it, and writes under the claim number that it got."""

    def add(self, delivery: Delivery) -> bool:
        """Store a new delivery, durably; False where its id is there already (it was made before: nothing changes)."""

    def get(self, delivery_id: str) -> Delivery | None:
        """The delivery of this id."""

    def of_execution(self, execution_id: str) -> list[Delivery]:
        """All deliveries of an execution, the oldest first. (A specification bounds how many there can be.)"""

    def due(self, now: datetime, limit: int, except_hosts: Iterable[str] = ()) -> list[Delivery]:
        """Deliveries that are owed, due and claimed by nobody, the longest due first; none to `except_hosts`."""

    def claim(self, delivery_id: str, now: datetime, until: datetime) -> Delivery | None:
        """Claim a delivery that is owed and due until an instant; None where it is not, or somebody else has it."""

    def record(
        self, claimed: Delivery, attempt: DeliveryAttempt, state: DeliveryState, next_attempt_at: datetime
    ) -> bool:
        """Note an attempt and what follows, and end the claim. False where the claim is not the newest any more."""

    def owe_again(self, delivery_id: str, now: datetime) -> Delivery | None:
        """Have a delivery made now, whatever became of it, once more at least; None where it is being made just now."""

    def delete_of_execution(self, execution_id: str) -> None:
        """Delete all deliveries of an execution."""


class LimitStore(Protocol):
    """Which executions are counted under which limit."""

    def hold(self, name: str, execution_id: str, most: int) -> bool:
        """Have an execution counted under a limit, once, if not `most` others are; whether it is."""

    def free(self, name: str, execution_id: str) -> None:
        """Have an execution not counted any more."""

    def holders(self, name: str) -> list[str]:
        """The executions that are counted under a limit."""

    def all(self) -> Mapping[str, list[str]]:
        """All limits under which something is counted, with their executions."""


class NodeStore(Protocol):
    """Nodes, and when they were last heard of."""

    def beat(self, node: Node) -> None:
        """Store the node as it is now (by name)."""

    def get(self, name: str) -> Node | None:
        """The node of this name."""

    def all(self) -> list[Node]:
        """All nodes, by name."""

    def set_drain(self, name: str, drain: Drain | None) -> None:
        """Order a node to take nothing new, or end that order. It holds whatever the node's worker does meanwhile."""

    def drain_of(self, name: str) -> Drain | None:
        """The order that a node is under."""

    def last_seen(self) -> dict[str, datetime]:
        """When each node was last heard, by its name and by its own word."""

    def presence(self) -> dict[str, NodeState]:
        """What was noted last of each node, by name."""

    def note_presence(self, name: str, state: NodeState, at: datetime) -> None:
        """Note what a node has become."""


class Blacklist(Protocol):
    """The nodes that take no new work, by name."""

    def add(self, node: str, at: datetime) -> None:
        """The node takes no new work from now on; nothing if it is there already."""

    def remove(self, node: str) -> None:
        """The node takes work again; nothing if it is not there."""

    def has(self, node: str) -> bool:
        """Whether the node is there; answers, or raises, within about a second."""

    def all(self) -> frozenset[str]:
        """The names of all nodes that are there."""


class EventStream(Protocol):
    """The events of the farm, in the order in which they happened."""

    @property
    def position(self) -> str:
        """The place up to which all has been told: an id to go on after. Of two places, the later is the greater."""

    def next(self) -> FarmEvent | None:
        """The next event; None where there was none for the time that `open` was given."""

    def close(self) -> None:
        """End it."""


class EventSource(Protocol):
    """Where the events of the farm come from."""

    def open(self, after: str | None, wait_seconds: float) -> EventStream:
        """The events after that of an id, or from now on. Raises InvalidRequest (no such id), Gone (too long ago)."""


class ApiKeyStore(Protocol):
    """API keys. They are never deleted: one that has ended still says who did what."""

    def add(self, key: ApiKey) -> None:
        """Store a new key, durably."""

    def get(self, key_id: str) -> ApiKey | None:
        """The key of this id."""

    def page(self, after: str | None, limit: int) -> list[ApiKey]:
        """Keys by their ids, those after this one."""

    def any(self) -> bool:
        """Whether there is a key, whatever its state."""

    def revoke(self, key_id: str, at: datetime) -> ApiKey | None:
        """Note that a key was revoked, the first time that it is; the key afterwards, None where there is none."""

    def note_use(self, key_id: str, at: datetime) -> None:
        """Note when a key was last used."""


class AuditStore(Protocol):
    """The audit trail. MongoDB forgets an entry when its time is over."""

    def add(self, entries: Sequence[AuditEntry], forget_after: timedelta) -> None:
        """Store entries, durably; those that are there already (their ids) are left as they are."""

    def page(self, query: AuditQuery, limit: int) -> list[AuditEntry]:
        """Entries, the newest first."""


class DependencyStore(Protocol):
    """Executions that wait for other jobs."""

    def known_jobs(self, job_ids: Iterable[str], *, visible: str | None = None) -> set[str]:
        """Those of these ids that are ids of jobs; `visible`: of tasks whose ids match this."""

    def waiting_for(self, job_id: str, after_id: str, limit: int) -> list[str]:
        """The ids of the executions that wait for a job, in order, those after `after_id`."""

    def wait_no_more(self, execution_id: str, job_id: str) -> bool:
        """Take a job from those that an execution waits for, unless it is the only one; whether that was done."""

    def owing_follow_up(self, limit: int) -> list[Execution]:
        """Executions whose `owes_follow_up` stands."""

    def settle_follow_up(self, execution: Execution) -> None:
        """Take back its `owes_follow_up`, if it is still in the same state. This need not be durable."""


class ArrayStore(Protocol):
    """Executions of arrays."""

    def next_in_turn(self, job_id: str, limit: int) -> list[Execution]:
        """The executions of a job's array that wait for their turn, by index."""

    def was_passed(self, turn: str) -> bool:
        """Whether an execution has got this turn. (No two can: a move that would give it to a second one is none.)"""

    def is_open(self, job_id: str) -> bool:
        """Whether an execution of a job waits or runs."""

    def move_waiting(self, job_id: str, changes: Mapping[str, Any]) -> int:
        """Apply changes, as in `compare_and_set`, to all that wait for their turn; how many those were."""

    def counts(self, job_id: str) -> Mapping[State, int]:
        """How many executions of a job are in each state, without those that were, or are to be, tried again."""


class TemplateStore(Protocol):
    """Templates of jobs."""

    def put(self, name: str, definition: TemplateDefinition, now: datetime) -> Template:
        """Store a template, or replace the one of its name: then its revision goes up by one."""

    def get(self, name: str) -> Template | None:
        """The template of this name."""

    def page(self, number: int, per_page: int) -> list[Template]:
        """A page of all templates, by name; one more than `per_page` where there is a next page."""

    def delete(self, name: str) -> bool:
        """Delete a template; whether there was one."""


class SubmissionStore(Protocol):
    """Many jobs and executions at once."""

    def add_all(self, jobs: Sequence[Job], executions: Sequence[Execution]) -> bool:
        """Store all of these, durably; False where one is there already: then nothing is stored."""


class KeyedRequestStore(Protocol):
    """Requests with a key of the client's, each until its `expires_at`."""

    def add(self, request: KeyedRequest) -> bool:
        """Store a new request, durably; False where its id is there already."""

    def get(self, request_id: str) -> KeyedRequest | None:
        """The request of this id."""

    def claim(self, request: KeyedRequest, until: datetime) -> bool:
        """Claim it until an instant; False where it is not any more as we know it: claimed or answered meanwhile."""

    def keep_answer(self, request: KeyedRequest, answer: KeptAnswer) -> None:
        """Store what it was answered, if nothing was before."""

    def forget(self, request: KeyedRequest) -> None:
        """Delete it, if it still is as we know it: not claimed by another, nor answered."""


@dataclass(frozen=True)
class Store:
    """All collections of MongoDB together."""

    tasks: TaskStore
    jobs: JobStore
    executions: ExecutionStore
    output: OutputStore
    nodes: NodeStore
    deliveries: DeliveryStore
    api_keys: ApiKeyStore
    audit: AuditStore
    events: EventSource
    blacklist: Blacklist
    limits: LimitStore
    keyed_requests: KeyedRequestStore
    dependencies: DependencyStore
    submissions: SubmissionStore
    arrays: ArrayStore
    templates: TemplateStore
    health: Health
    files: FileStore
    artifacts: ArtifactStore
    contents: ContentStore
    measures: MeasureStore


class Health(Protocol):
    """Whether the store answers, and how long it is waited for."""

    def check(self) -> None:
        """Return if it does; raise StoreUnavailable, within its timeout, if not."""

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """What this thread asks of the store in this block is answered, or raises, before so long has passed in all."""


# ----------------------------------------------------------------------------------------------------- queue


class ExecutionQueue(Protocol):
    """The queue of execution ids to the nodes (RQ)."""

    def push(
        self,
        execution_id: str,
        demand: Demand = PLAIN,
        *,
        waiting_since: datetime | None = None,
        node: str | None = None,
        at_front: bool = False,
    ) -> str:
        """Put a message for the execution where it waits for a node, or on the queue of one; returns the message's id.

        `waiting_since` (now, if None) decides who goes first; `at_front`: before others of the same demand.
        """

    def push_all(self, waiting: Iterable[Waiting]) -> None:
        """Put a message for each of these executions where those of its demand wait for a node, all in one step."""

    def withdraw(self, execution_id: str) -> None:
        """Take back the message of an execution that is not to run, if it is still waiting."""

    def has_message(self, execution_ids: list[str]) -> dict[str, bool]:
        """For each id, whether a message for it waits in a queue, or is in the hands of a worker that lives."""

    def signal_stop(self, execution_id: str, node: str) -> None:
        """Tell the node's worker that the execution is to stop. Best effort: the wish itself is in the store."""

    def note_limit(self, name: str, execution_ids: Iterable[str]) -> None:
        """Note which executions run under a limit, so that no more are taken than may. A hint: the store decides."""

    def free_limits(self, execution_id: str, names_of_limits: Iterable[str]) -> None:
        """Note that an execution does not run any more, and wake the nodes that may take another one."""

    def lengths(self) -> Mapping[tuple[str, Priority], int]:
        """How many messages wait for any node, by the pool and the priority of their executions."""

    def oldest(self) -> Mapping[tuple[str, Priority], datetime]:
        """Since when the first of these waits, where there is one."""

    def check(self) -> None:
        """Return if Redis answers; raise QueueUnavailable, within its timeout, if not."""


class RateLimiter(Protocol):
    """Counts requests, over all processes of the farm."""

    def wait_seconds(self, rate: str, who: str) -> float:
        """Count one request of `who` against a rate such as `100/minute`; 0: it may pass, else how long to wait.

        Where the counter does not answer, it may pass.
        """


class Triggers(Protocol):
    """The alarm clock of the farm (rq-scheduler). MongoDB has the truth: a lost or doubled alarm does no harm."""

    def at(self, execution_id: str, due_at: datetime) -> None:
        """See to it that the execution is fired at this instant. Best effort; a janitor repairs what is missing."""

    def at_all(self, due: Mapping[str, datetime]) -> None:
        """The same for many executions, in one step."""

    def cancel(self, execution_id: str) -> None:
        """Forget its alarm, if there is one."""

    def without_alarm(self, execution_ids: Sequence[str]) -> list[str]:
        """Those of these executions that have no alarm."""

    def lead_age_seconds(self) -> float | None:
        """How long ago the scheduler that leads has last said so; None: none leads."""


# ------------------------------------------------------------------------------------------------- notifiers


@dataclass(frozen=True)
class Dispatch:
    """A delivery that is to be made now: of what, and when. `stdout` and `stderr`: the end of what was written."""

    delivery: Delivery
    execution: Execution
    sent_at: datetime
    stdout: bytes = b""
    stderr: bytes = b""


@dataclass(frozen=True)
class Receipt:
    """What came of it. `error` is empty where it was taken, and never holds a secret.

    `status_code` is what the receiver answered, in HTTP or SMTP. `is_final`: it is no use to try again.
    """

    status_code: int | None = None
    error: str = ""
    is_final: bool = False


class Notifier(Protocol):
    """Makes deliveries of one kind. A receiver that does not take one is a receipt, and never raises."""

    def send(self, dispatch: Dispatch) -> Receipt:
        """Make the delivery, within the notifier's own bound of time."""


# -------------------------------------------------------------------------------------------------- executor


class ContainerStatus(StrEnum):
    """As far as the engine cares."""

    CREATED = "created"
    RUNNING = "running"
    EXITED = "exited"


@dataclass(frozen=True)
class Container:
    """A container of an execution, as the Engine has it now. `ended` is there once it has exited."""

    id: str
    execution_id: str
    status: ContainerStatus
    started_at: datetime | None = None
    ended: ContainerExit | None = None


@dataclass(frozen=True)
class Machine:
    """What the machine of a container engine has (its slots are the worker's business). 0: not known."""

    total: Resources
    gpu_names: tuple[str, ...] = ()
    limits_storage: bool = False


class OutputReader(Protocol):
    """A live connection to the output of one container."""

    def __iter__(self) -> Iterator[Fragment]:
        """The fragments as they come; ends at the end of the output, or when interrupted; OSError if it is cut."""

    def interrupt(self) -> None:
        """End the iteration, from another thread."""

    def close(self) -> None:
        """Give the connection back."""


class Executor(Protocol):
    """The container engine of one node. A container belongs to one execution: its name carries the execution's id."""

    host: str
    port: int | None

    @property
    def circuit(self) -> Circuit:
        """Whether calls reach the Engine at present, or fail at once."""

    def pull(self, image: ImageReference, checkpoint: Callable[[], None]) -> None:
        """Fetch the image. Calls `checkpoint` at least once a second meanwhile; it may raise to give up.

        Raises ImageNotFound, ImagePullFailed.
        """

    def create(self, execution: Execution) -> Container:
        """Create the container, or return the one that is there for this execution (the name is the lock).

        Raises ImageNotFound, ContainerRejected.
        """

    def find(self, execution_id: str) -> Container | None:
        """The container of an execution; None where there is none."""

    def attach(self, container: Container) -> OutputReader:
        """Connect to the output of a container that has not been started: every byte from the first on, live."""

    def replay(self, container: Container) -> OutputReader:
        """All output of a container from its first byte on, from the Engine's own log, following while it runs.

        Only of a container that had exited before is it sure to be whole: Engine 20.10 ends a reader that follows
        where the container exits, also if the reader was behind.
        """

    def put_files(self, container: Container, files: Iterable[FileToPut]) -> None:
        """Put files into a container that has not been started; doing it again leads to the same.

        Raises ContainerRejected, ContainerVanished, and what reading their contents raises.
        """

    def read_path(self, container: Container, path: str) -> AbstractContextManager[Iterator[PathEntry]]:
        """What a container that does not run has at and below a path, one after the other; no link is followed.

        Raises PathMissing, ContainerVanished. Close it soon: the Engine answers nothing else about the container.
        """

    def start(self, container: Container) -> None:
        """Start it. Raises CommandNotFound, CommandNotExecutable, ContainerRejected, ContainerVanished."""

    def wait(self, container: Container, seconds: float) -> Container:
        """The container once it has exited, or as it is after `seconds`. Raises ContainerVanished."""

    def may_have_lost_the_end(self, container: Container) -> bool:
        """Whether nobody has read what this container wrote last: the Engine has not seen it end, or has forgotten it.

        It forgets what it saw when it ends itself. False also where there was too much since for it to know.
        """

    def signal(self, execution_id: str, name: str) -> None:
        """Send SIGTERM or SIGKILL to the container; nothing if it does not run."""

    def remove(self, execution_id: str) -> None:
        """Remove the container, running or not; nothing if it is not there."""

    def usage(self, containers: Sequence[Container]) -> Mapping[str, ResourceUsage]:
        """What each of these has used up so far, by its id. Those that do not run, or are gone, are left out.

        It may take seconds, and its failures keep nothing else from being tried.
        """

    def containers(self) -> list[Container]:
        """All containers of this farm on this Engine, running or not; perhaps without times and exits.

        Never those of another farm.
        """

    def machine(self) -> Machine:
        """What the Engine's machine has."""

    def check(self) -> str:
        """The Engine's version; raises EngineUnavailable, within its timeout, if it does not answer."""

"""Where executions are kept, and the limits on how many of them run at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from jobrunner.domain.executions import EndedExecution, Execution
from jobrunner.domain.listing import ExecutionFilter, Position, Slice
from jobrunner.domain.states import State
from jobrunner.domain.usage import ResourceUsage


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


class LimitStore(Protocol):
    """Which executions are counted under which limit."""

    def hold(self, name: str, execution_id: str, most: int) -> bool:
        """Have an execution counted under a limit, once, if not `most` others are; whether it is."""

    def free(self, name: str, execution_id: str) -> None:
        """Have an execution not counted any more."""

    def holders(self, name: str) -> list[str]:
        """The executions that are counted under a limit."""

    def all(self) -> Mapping[str, list[str]]:
        """All limits under which something is counted, or was until a moment ago, with their executions."""

    def forget_unused(self, names: Iterable[str]) -> None:
        """Forget those of these limits under which nothing is counted."""

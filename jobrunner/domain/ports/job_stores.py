"""Where tasks and jobs are kept, and what is kept beside a job: arrays, dependencies, templates, answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from jobrunner.domain.executions import Execution, Job, Page, Task
from jobrunner.domain.listing import JobFilter, Position, Slice
from jobrunner.domain.repeats import KeptAnswer, KeyedRequest
from jobrunner.domain.states import State
from jobrunner.domain.templates import Template, TemplateDefinition


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

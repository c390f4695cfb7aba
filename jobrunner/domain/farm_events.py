"""What the farm tells whoever listens: executions move, jobs come and change, nodes come, fall silent and come back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from jobrunner.domain.outcomes import Cause
from jobrunner.domain.states import State


class Subject(StrEnum):
    """What an event is about."""

    EXECUTION = "execution"
    JOB = "job"
    NODE = "node"


class Change(StrEnum):
    """What happened to it."""

    MOVED = "moved"  # an execution, from one state to another; from none, where it is new
    CREATED = "created"  # a job
    REPLACED = "replaced"
    STOPPED = "stopped"  # a job, or the worker of a node, on purpose
    PAUSED = "paused"  # the schedule of a job
    RESUMED = "resumed"
    APPEARED = "appeared"  # a node
    SILENT = "silent"
    BACK = "back"


@dataclass(frozen=True)
class FarmEvent:
    """Something has happened. `id` is its place among all events: later ones have greater ids, as texts.

    It says where to look, and holds nothing of a job's specification: no command, no variable, no secret.
    """

    id: str
    subject: Subject
    change: Change
    at: datetime
    task_id: str | None = None
    job_id: str | None = None
    execution_id: str | None = None
    node: str | None = None
    origin: State | None = None
    target: State | None = None
    attempt: int | None = None
    cause: Cause | None = None


@dataclass(frozen=True)
class EventFilter:
    """Which events are wanted: those to which all of this applies. `states`: only moves to one of these.

    `visible`: only those of tasks whose ids match this pattern.
    """

    task_id: str | None = None
    job_id: str | None = None
    execution_id: str | None = None
    states: Sequence[State] = ()
    visible: str | None = None

    def wants(self, event: FarmEvent) -> bool:
        """Whether this event is wanted."""
        wanted = ((self.task_id, event.task_id), (self.job_id, event.job_id), (self.execution_id, event.execution_id))
        return (
            all(value in (None, found) for value, found in wanted)
            and (not self.states or event.target in self.states)
            and (self.visible is None or re.search(self.visible, event.task_id or "") is not None)
        )


def state_before(target: State, reached: Sequence[State]) -> State | None:
    """The state from which an execution has moved to `target`, of all that it has ever reached; None: it is new."""
    order = list(State)  # as a life goes; of those that end it, an execution reaches one
    earlier = [state for state in reached if order.index(state) < order.index(target) and not state.is_terminal]
    return max(earlier, key=order.index, default=None)

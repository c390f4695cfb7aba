"""What the farm is doing now: its nodes, what runs, what waits, and how much of everything there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from jobrunner.domain.executions import Execution, Node
from jobrunner.domain.listing import ExecutionFilter
from jobrunner.domain.placement import Priority
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm
from jobrunner.errors import Fault, QueueUnavailable

MOST_SHOWN = 500


@dataclass(frozen=True)
class FarmStatus:
    """The farm at one moment. Of `running` and `scheduled` (the earliest first) there may be more than is here.

    `faults`: what could not be found out, and why; that is None then.
    """

    at: datetime
    nodes: Sequence[Node]
    running: Sequence[Execution]
    has_more_running: bool
    queue_lengths: Mapping[tuple[str, Priority], int] | None  # by pool and priority
    scheduled: Sequence[Execution]
    scheduled_count: int
    tasks_count: int
    jobs_count: int
    blacklisted: frozenset[str]
    faults: Sequence[Fault]


def farm_status(farm: Farm) -> FarmStatus:
    """The farm now, as far as the caller sees it. Its cost does not grow with history. Raises StoreUnavailable."""
    store, visible = farm.store, farm.caller.limits.task_pattern
    queue_lengths, faults = _queue_lengths(farm)
    running = store.executions.slice(ExecutionFilter([State.RUNNING], visible=visible), MOST_SHOWN)
    counts = (store.tasks.count(), store.jobs.count()) if visible is None else store.tasks.count_visible(visible)
    tasks_count, jobs_count = counts
    return FarmStatus(
        at=farm.clock.now(),
        nodes=store.nodes.all(),
        running=running.items,
        has_more_running=running.following is not None,
        queue_lengths=queue_lengths,
        scheduled=store.executions.next_scheduled(MOST_SHOWN, visible=visible),
        scheduled_count=store.executions.count_scheduled(visible=visible),
        tasks_count=tasks_count,
        jobs_count=jobs_count,
        blacklisted=store.blacklist.all(),
        faults=faults,
    )


def _queue_lengths(farm: Farm) -> tuple[Mapping[tuple[str, Priority], int] | None, list[Fault]]:
    try:
        return farm.queue.lengths(), []
    except QueueUnavailable as error:
        return None, [Fault(error.service, str(error))]

"""What the farm is doing now: its nodes, what runs, what waits, and how much of everything there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jobrunner.domain.executions import Execution, Node
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm

MOST_SHOWN = 500


@dataclass(frozen=True)
class FarmStatus:
    """The farm at one moment. Of `running` and `scheduled` (the earliest first) there may be more than is here."""

    at: datetime
    nodes: Sequence[Node]
    running: Sequence[Execution]
    has_more_running: bool
    queue_length: int
    scheduled: Sequence[Execution]
    scheduled_count: int
    tasks_count: int
    jobs_count: int


def farm_status(farm: Farm) -> FarmStatus:
    """The farm now, as far as the caller sees it. Its cost does not grow with history.

    Raises StoreUnavailable, QueueUnavailable.
    """
    store, visible = farm.store, farm.caller.limits.task_pattern
    running = store.executions.page(1, MOST_SHOWN, [State.RUNNING], visible=visible)
    counts = (store.tasks.count(), store.jobs.count()) if visible is None else store.tasks.count_visible(visible)
    tasks_count, jobs_count = counts
    return FarmStatus(
        at=farm.clock.now(),
        nodes=store.nodes.all(),
        running=running[:MOST_SHOWN],
        has_more_running=len(running) > MOST_SHOWN,
        queue_length=farm.queue.length(),
        scheduled=store.executions.next_scheduled(MOST_SHOWN, visible=visible),
        scheduled_count=store.executions.count_scheduled(visible=visible),
        tasks_count=tasks_count,
        jobs_count=jobs_count,
    )

"""What there is to measure of the farm now, from MongoDB and Redis: the same whichever process looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from jobrunner.domain.executions import Node
from jobrunner.domain.measures import Activity, DeliveryCounts, EndedTotals, WaitingForTime
from jobrunner.domain.placement import Priority
from jobrunner.domain.states import State
from jobrunner.engine.farm import Farm
from jobrunner.engine.janitors.count import count_ended
from jobrunner.errors import QueueUnavailable, StoreUnavailable

STORE_SECONDS = 1.2  # for all that is asked of MongoDB
LATE_AFTER = timedelta(seconds=2)  # an alarm goes off within a second
MOST_BATCHES = 10  # of ended executions that are counted on the way, if no scheduler has done it


@dataclass(frozen=True)
class StoreMeasures:
    """What MongoDB tells."""

    open_executions: Mapping[State, int]
    ended: EndedTotals
    waiting_for_time: WaitingForTime
    deliveries: DeliveryCounts
    tasks_count: int
    jobs_count: int
    nodes: Sequence[Node]
    blacklisted: frozenset[str]
    activity: Activity


@dataclass(frozen=True)
class QueueMeasures:
    """What Redis tells, by pool and priority. `lead_age_seconds`: None where no scheduler leads."""

    lengths: Mapping[tuple[str, Priority], int]
    oldest: Mapping[tuple[str, Priority], datetime]
    lead_age_seconds: float | None


@dataclass(frozen=True)
class FarmMeasures:
    """The farm at one moment; None for what a service would have told that does not answer."""

    at: datetime
    store: StoreMeasures | None
    queue: QueueMeasures | None


def farm_measures(farm: Farm, *, store_is_away: bool = False) -> FarmMeasures:
    """The farm now. A service that does not answer costs about STORE_SECONDS, or the time limit of Redis, and no more.

    `store_is_away`: the caller has just found that out.
    """
    return FarmMeasures(farm.clock.now(), None if store_is_away else _of_store(farm), _of_queue(farm))


def _of_store(farm: Farm) -> StoreMeasures | None:
    store = farm.store
    try:
        with store.health.within(STORE_SECONDS):
            count_ended(farm, MOST_BATCHES)
            return StoreMeasures(
                open_executions=store.measures.open_executions(),
                ended=store.measures.ended(),
                waiting_for_time=store.measures.waiting_for_time(farm.clock.now() - LATE_AFTER),
                deliveries=store.measures.deliveries(),
                tasks_count=store.tasks.count(),
                jobs_count=store.jobs.count(),
                nodes=store.nodes.all(),
                blacklisted=store.blacklist.all(),
                activity=store.measures.activity(),
            )
    except StoreUnavailable:
        return None


def _of_queue(farm: Farm) -> QueueMeasures | None:
    try:
        return QueueMeasures(farm.queue.lengths(), farm.queue.oldest(), farm.triggers.lead_age_seconds())
    except QueueUnavailable:
        return None

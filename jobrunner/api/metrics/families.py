"""From measures of the farm to Prometheus' metric families. Pure.

Nothing that callers make up becomes a label, but names of pools: of these only so many have a series of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

from jobrunner import __version__
from jobrunner.domain.measures import (
    DURATION_BOUNDS_SECONDS,
    ENDS,
    START_DELAY_BOUNDS_SECONDS,
    Activity,
    Distribution,
    DutyRuns,
    EndedTotals,
)
from jobrunner.domain.placement import Priority
from jobrunner.engine.measures import FarmMeasures, QueueMeasures, StoreMeasures

PREFIX = "jobrunner_"
MOST_POOLS = 100
OTHER_POOLS = "other"
OUTCOMES = ("delivered", "failed", "given_up")

Samples = Iterable[tuple[tuple[str, ...], float]]


def farm_families(measures: FarmMeasures) -> Iterator[Metric]:
    """All of the farm but its nodes; without what a service would have told that does not answer."""
    yield gauge("build_info", "The version of this program.", ("version",), [((__version__,), 1)])
    yield gauge("store_up", "Whether MongoDB answers.", value=measures.store is not None)
    yield gauge("queue_up", "Whether Redis answers.", value=measures.queue is not None)
    if measures.store is not None:
        yield from _of_executions(measures.store)
        yield from _of_schedules(measures)
        yield from _of_deliveries(measures)
        yield from _of_duties(measures.store.activity)
    if measures.queue is not None:
        yield from _of_queue(measures, measures.queue)


def gauge(
    name: str, text: str, labels: tuple[str, ...] = (), samples: Samples = (), *, value: float | None = None
) -> Metric:
    """A family of gauges: one without labels of this value, or those of the samples."""
    family = GaugeMetricFamily(PREFIX + name, text, value=value, labels=labels if value is None else None)
    for values, amount in samples:
        family.add_metric(values, amount)
    return family


def _counter(name: str, text: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    family = CounterMetricFamily(PREFIX + name, text, labels=labels)
    for values, amount in samples:
        family.add_metric(values, amount)
    return family


def _histogram(name: str, text: str, distribution: Distribution, bounds: Iterable[float]) -> Metric:
    buckets = [(floatToGoString(bound), distribution.below(bound)) for bound in (*bounds, math.inf)]
    return HistogramMetricFamily(PREFIX + name, text, buckets=buckets, sum_value=distribution.sum_seconds)


def _of_executions(store: StoreMeasures) -> Iterator[Metric]:
    opened = [((str(state),), number) for state, number in store.open_executions.items()]
    yield gauge("executions", "Executions that have not ended, now.", ("state",), opened)
    ended = "Executions that have ended, each counted once, also those that were deleted since."
    yield _counter("executions_ended", ended, ("state", "cause"), _ends(store.ended))
    delay = "From being enqueued to the start of the container, of executions that have ended."
    yield _histogram("execution_start_delay_seconds", delay, store.ended.start_delay, START_DELAY_BOUNDS_SECONDS)
    duration = "From the start of the container to its end."
    yield _histogram("execution_duration_seconds", duration, store.ended.duration, DURATION_BOUNDS_SECONDS)
    yield gauge("tasks", "Tasks, about.", value=store.tasks_count)
    yield gauge("jobs", "Jobs, about.", value=store.jobs_count)


def _ends(totals: EndedTotals) -> Samples:
    known = {(state, cause): 0 for state, causes in ENDS.items() for cause in causes}
    return [((state, cause or ""), number) for (state, cause), number in {**known, **totals.ended}.items()]


def _of_schedules(measures: FarmMeasures) -> Iterator[Metric]:
    assert measures.store is not None
    waiting = measures.store.waiting_for_time
    late_seconds = (measures.at - waiting.due_at).total_seconds() if waiting.due_at else 0
    yield gauge("schedules_waiting", "Executions that wait for their time.", value=waiting.count)
    yield gauge("schedules_late", "Executions that are past their time and were not enqueued.", value=waiting.late)
    yield gauge("schedule_lateness_seconds", "How far the most overdue is past its time.", value=late_seconds)


def _of_deliveries(measures: FarmMeasures) -> Iterator[Metric]:
    assert measures.store is not None
    found = measures.store.deliveries
    age_seconds = (measures.at - found.oldest_owed_at).total_seconds() if found.oldest_owed_at else 0
    counts = [(("owed",), found.owed), (("given_up",), found.given_up)]
    yield gauge("deliveries", "Webhooks and e-mails that are owed, and that were given up.", ("state",), counts)
    yield gauge("delivery_oldest_owed_age_seconds", "How long the oldest is owed.", value=max(0.0, age_seconds))
    tries = measures.store.activity.delivery_attempts
    attempts = [((outcome,), tries.get(outcome, 0)) for outcome in OUTCOMES]
    yield _counter("delivery_attempts", "Tries to deliver, by what came of them.", ("outcome",), attempts)


def _of_duties(activity: Activity) -> Iterator[Metric]:
    def samples(amount: Callable[[DutyRuns], float]) -> Samples:
        return [((duty,), amount(runs)) for duty, runs in sorted(activity.duties.items())]

    label = ("duty",)
    yield _counter("duty_runs", "Runs of a duty, in all processes.", label, samples(lambda runs: runs.runs))
    yield _counter("duty_failures", "Runs that ended in an error.", label, samples(lambda runs: runs.failures))
    yield _counter("duty_repairs", "What it has put right, or deleted.", label, samples(lambda runs: runs.repairs))
    yield _counter("duty_seconds", "Time that its runs have taken.", label, samples(lambda runs: runs.seconds))
    ended_well = [
        ((duty,), runs.last_success_at.timestamp())
        for duty, runs in sorted(activity.duties.items())
        if runs.last_success_at is not None
    ]
    yield gauge("duty_last_success_timestamp_seconds", "When a run last ended without an error.", label, ended_well)


def _of_queue(measures: FarmMeasures, queue: QueueMeasures) -> Iterator[Metric]:
    yield gauge("scheduler_leads", "Whether a scheduler leads.", value=queue.lead_age_seconds is not None)
    if queue.lead_age_seconds is not None:
        yield gauge("scheduler_lead_age_seconds", "How long ago it last said so.", value=queue.lead_age_seconds)
    labels, at = ("pool", "priority"), measures.at
    ages = {line: max(0.0, (at - since).total_seconds()) for line, since in queue.oldest.items()}
    yield gauge("queue_length", "Executions that wait for a node.", labels, by_pool(queue.lengths, sum))
    yield gauge("queue_oldest_age_seconds", "How long the oldest of them waits.", labels, by_pool(ages, max))


def by_pool(
    amounts: Mapping[tuple[str, Priority], float], together: Callable[[Iterable[float]], float]
) -> list[tuple[tuple[str, str], float]]:
    """A sample for each pool and priority. A job can name any pool: those after the first MOST_POOLS are one."""
    named = set(sorted({pool for pool, _ in amounts})[:MOST_POOLS])
    grouped: dict[tuple[str, str], list[float]] = {}
    for (pool, priority), amount in amounts.items():
        grouped.setdefault((pool if pool in named else OTHER_POOLS, str(priority)), []).append(amount)
    return [(labels, together(found)) for labels, found in sorted(grouped.items())]

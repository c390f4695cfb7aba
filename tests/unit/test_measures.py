"""How ended executions are counted, how processes count what they do, and which series come of it: without services."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from jobrunner.api.metrics.families import MOST_POOLS, OTHER_POOLS, by_pool, farm_families
from jobrunner.domain.events import Delivered, DeliveryFailed, Pruned, Repaired, Trouble
from jobrunner.domain.measures import (
    DURATION_BOUNDS_SECONDS,
    ENDS,
    START_DELAY_BOUNDS_SECONDS,
    Activity,
    DeliveryCounts,
    Distribution,
    DutyRuns,
    EndedRun,
    EndedTotals,
    WaitingForTime,
    count,
)
from jobrunner.domain.outcomes import Cause
from jobrunner.domain.placement import Priority
from jobrunner.domain.states import TERMINAL, State
from jobrunner.engine.measures import FarmMeasures, StoreMeasures
from jobrunner.errors import StoreUnavailable
from jobrunner.telemetry.activity import ActivityCounter

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def test_every_length_of_time_is_below_its_bound_and_above_the_one_before() -> None:
    lengths = [random.Random(7).uniform(0, 100_000) for _ in range(200)] + list(DURATION_BOUNDS_SECONDS)
    distribution = Distribution.of([timedelta(seconds=length) for length in lengths], DURATION_BOUNDS_SECONDS)
    for bound in (*DURATION_BOUNDS_SECONDS, math.inf):
        assert distribution.below(bound) == sum(length <= bound for length in lengths)
    assert distribution.sum_seconds == pytest.approx(sum(lengths))


def test_a_start_before_its_enqueueing_by_another_clock_took_no_time() -> None:
    run = EndedRun(State.DONE, Cause.SUCCESS, NOW, NOW - timedelta(seconds=3), NOW)
    totals = count([run])
    assert (totals.start_delay.below(START_DELAY_BOUNDS_SECONDS[0]), totals.start_delay.sum_seconds) == (1, 0)
    assert totals.duration.sum_seconds == 3


def test_what_never_started_is_counted_as_ended_and_has_no_length() -> None:
    totals = count([EndedRun(State.EXPIRED, Cause.EXPIRED, None, None, NOW)])
    assert totals == EndedTotals({(State.EXPIRED, Cause.EXPIRED): 1}, Distribution(), Distribution())


def test_every_cause_has_a_total_before_there_is_one() -> None:
    assert ENDS.keys() == TERMINAL
    assert {cause for causes in ENDS.values() for cause in causes} == set(Cause)


def test_a_pool_that_has_no_series_of_its_own_is_counted_with_others() -> None:
    amounts = {(f"pool-{n:04}", priority): 2 for n in range(MOST_POOLS + 30) for priority in Priority}
    samples = dict(by_pool(amounts, sum))
    assert len({pool for pool, _ in samples}) == MOST_POOLS + 1
    assert {samples[OTHER_POOLS, str(priority)] for priority in Priority} == {60}


def test_of_a_service_that_does_not_answer_nothing_is_told() -> None:
    told = {family.name: family for family in farm_families(FarmMeasures(NOW, None, None))}
    assert told.keys() == {"jobrunner_build_info", "jobrunner_store_up", "jobrunner_queue_up"}
    assert [told[f"jobrunner_{name}_up"].samples[0].value for name in ("store", "queue")] == [0, 0]


def test_what_was_due_and_owed_is_told_as_an_age() -> None:
    store = StoreMeasures(
        {State.RUNNING: 1},
        EndedTotals(),
        WaitingForTime(3, 1, NOW - timedelta(seconds=9)),
        DeliveryCounts(2, 1, NOW - timedelta(seconds=7)),
        *(1, 1, [], frozenset(), Activity({"prune": DutyRuns(2, 1, 3, 0.5, NOW)}, {"failed": 4})),
    )
    told = {s.name: s.value for f in farm_families(FarmMeasures(NOW, store, None)) for s in f.samples}
    assert told["jobrunner_schedule_lateness_seconds"] == 9
    assert told["jobrunner_delivery_oldest_owed_age_seconds"] == 7
    assert told["jobrunner_duty_last_success_timestamp_seconds"] == NOW.timestamp()
    assert told["jobrunner_duty_failures_total"] == 1


class Kept:
    """A farm whose store keeps what processes have done, or does not answer."""

    def __init__(self) -> None:
        self.is_away = False
        self.done: list[Activity] = []
        self.store = SimpleNamespace(measures=self)

    def add_activity(self, done: Activity) -> None:
        if self.is_away:
            raise StoreUnavailable("the test says so")
        self.done.append(done)


def duties(kept: Any) -> Mapping[str, DutyRuns]:
    (done,) = kept.done
    return {name: replace(runs, seconds=0) for name, runs in done.duties.items()}


def test_runs_of_a_duty_are_counted_also_those_that_fail() -> None:
    counter, kept = ActivityCounter(), Kept()

    def fails() -> None:
        raise StoreUnavailable("oh")

    counter.counted("rescue", lambda: None, lambda: NOW)()
    with pytest.raises(StoreUnavailable):
        counter.counted("rescue", fails, lambda: NOW)()
    counter.hear(Repaired("e", janitor="rescue", what="x"))
    counter.hear(Pruned("e", what="output"))
    counter.hear(Trouble(where="x"))
    counter.store(kept)  # type: ignore[arg-type]
    assert duties(kept) == {"rescue": DutyRuns(2, 1, 1, 0, NOW), "prune": DutyRuns(repairs=1)}


def test_tries_to_deliver_are_counted_by_what_came_of_them() -> None:
    counter, kept = ActivityCounter(), Kept()
    for event in (Delivered("e"), DeliveryFailed("e"), DeliveryFailed("e", given_up=True), Delivered("e")):
        counter.hear(event)
    counter.store(kept)  # type: ignore[arg-type]
    assert kept.done[0].delivery_attempts == {"delivered": 2, "failed": 1, "given_up": 1}


def test_what_the_store_did_not_take_is_added_later_and_once() -> None:
    counter, kept = ActivityCounter(), Kept()
    counter.counted("due", lambda: None, lambda: NOW)()
    kept.is_away = True
    with pytest.raises(StoreUnavailable):
        counter.store(kept)  # type: ignore[arg-type]
    counter.counted("due", lambda: None, lambda: NOW)()
    kept.is_away = False
    for _ in range(2):
        counter.store(kept)  # type: ignore[arg-type]
    assert duties(kept) == {"due": DutyRuns(2, 0, 0, 0, NOW)}

"""Ticks that come late: which of them run by each policy, how far the schedule jumps, and how much work that is."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobrunner.domain.misfire import Ticks, Verdict
from jobrunner.domain.specs import JobSpec

JOB = "5a023792-1445-44e9-8a8b-cfe5ad05d1c6"
FIRST = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
CRONS = ["* * * * *", "*/7 * * * *", "30 2 * * *", "0 */5 * * *", "0 0 1 * *", "15 1,2 * * sun"]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"]


def ticks(cron: str = "* * * * *", window_seconds: float = 60, **keys: Any) -> Ticks:
    return Ticks(JOB, JobSpec(image="a", cron=cron, **keys), timedelta(seconds=window_seconds))


def all_instants(made: Ticks, first: datetime, until: datetime) -> list[datetime]:
    found = [first]
    while (following := made.following(found[-1])) <= until:
        found.append(following)
    return found


def run_at(made: Ticks, first: datetime, as_of: datetime) -> list[datetime]:
    """The instants that run where nobody was there from `first` to `as_of`, as the engine goes through them."""
    runs, verdict, instant = [], made.judge(first, as_of), first
    while instant <= as_of:
        if verdict.runs:
            runs.append(instant)
        instant = verdict.following
        verdict = Verdict(True, made.following(instant))  # what is made late is judged once
    return runs


@pytest.mark.parametrize("policy", ["skip", "runOnce", "runAll"])
def test_a_tick_within_the_window_runs_whatever_the_policy(policy: str) -> None:
    made = ticks(misfire={"policy": policy})
    assert made.judge(FIRST, FIRST + MINUTE) == Verdict(True, FIRST + MINUTE)


def test_skip_runs_none_of_those_that_were_missed_and_all_within_the_window() -> None:
    made = ticks(window_seconds=150, misfire={"policy": "skip"})
    now = FIRST + 10 * MINUTE + timedelta(seconds=10)
    assert run_at(made, FIRST, now) == [FIRST + n * MINUTE for n in (8, 9, 10)]


def test_run_once_runs_the_latest_that_was_missed_and_all_within_the_window() -> None:
    made = ticks(window_seconds=150)
    now = FIRST + 10 * MINUTE + timedelta(seconds=10)
    assert run_at(made, FIRST, now) == [FIRST + n * MINUTE for n in (7, 8, 9, 10)]


@pytest.mark.parametrize(("most", "runs"), [(1, [7, 8, 9, 10]), (3, [5, 6, 7, 8, 9, 10]), (100, list(range(11)))])
def test_run_all_runs_the_latest_that_were_missed(most: int, runs: list[int]) -> None:
    made = ticks(window_seconds=150, misfire={"policy": "runAll", "most": most})
    now = FIRST + 10 * MINUTE + timedelta(seconds=10)
    assert run_at(made, FIRST, now) == [FIRST + n * MINUTE for n in runs]


def test_one_that_was_missed_alone_runs_once_itself() -> None:
    made = ticks("0 * * * *")
    assert made.judge(FIRST, FIRST + 5 * MINUTE) == Verdict(True, FIRST + 60 * MINUTE)


@pytest.mark.parametrize("policy", ["skip", "runOnce", "runAll"])
def test_a_month_without_a_scheduler_costs_no_more_than_a_moment_for_a_cron_of_every_second(policy: str) -> None:
    made = ticks("* * * * * *", misfire={"policy": policy, "most": 1000})
    now = FIRST + timedelta(days=30)
    began = time.process_time()
    verdict = made.judge(FIRST, now)
    assert time.process_time() - began < 2
    edge = now - timedelta(seconds=60)  # what is due then is not missed yet
    expected = {"skip": edge, "runOnce": edge - timedelta(seconds=1), "runAll": edge - timedelta(seconds=1000)}
    assert verdict == Verdict(False, expected[policy])


@settings(deadline=None)
@given(
    st.sampled_from(CRONS),
    st.sampled_from(ZONES),
    st.integers(1_735_000_000, 1_900_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.integers(0, 100_000),
    st.integers(1, 20),
    st.sampled_from([0, 50, 3600]),
)
def test_the_jump_ends_where_going_through_every_instant_would(
    cron: str, zone: str, begin: datetime, late_seconds: int, most: int, jitter: int
) -> None:
    keys: dict[str, Any] = {"timezone": zone, "jitterSeconds": jitter}
    made = ticks(cron, misfire={"policy": "runAll", "most": most}, **keys)
    first = made.following(begin)
    as_of = made.due_at(first) + timedelta(seconds=late_seconds)
    missed = [i for i in all_instants(made, first, as_of) if made.due_at(i) < as_of - timedelta(seconds=60)]
    verdict = made.judge(first, as_of)
    if first in missed[:-most]:
        assert verdict == Verdict(False, missed[-most])
    else:
        assert verdict == Verdict(True, made.following(first))


# ------------------------------------------------------------------------------------------------------- jitter


@settings(deadline=None)
@given(st.sampled_from(CRONS), st.sampled_from(ZONES), st.integers(1, 3600), st.integers(0, 10**8))
def test_jitter_is_the_same_each_time_and_keeps_the_ticks_in_order(
    cron: str, zone: str, jitter: int, offset: int
) -> None:
    made = ticks(cron, timezone=zone, jitterSeconds=jitter)
    instant = made.following(FIRST + timedelta(seconds=offset))
    due = made.due_at(instant)
    assert instant <= due < instant + timedelta(seconds=jitter)
    assert due < made.following(instant)
    assert ticks(cron, timezone=zone, jitterSeconds=jitter).due_at(instant) == due


def test_jitter_spreads_jobs_and_instants() -> None:
    spec = JobSpec(image="a", cron="0 * * * *", jitterSeconds=600)
    jobs = {Ticks(f"job {n}", spec, MINUTE).due_at(FIRST) for n in range(50)}
    hours = {Ticks(JOB, spec, MINUTE).due_at(FIRST + n * 60 * MINUTE) - (FIRST + n * 60 * MINUTE) for n in range(50)}
    assert len(jobs) > 40
    assert len(hours) > 40

"""Whether there is another attempt, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunner.domain.aftermath import BackOff, retry_due_at, wants_retry
from jobrunner.domain.executions import Execution
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.outcomes import Cause, Outcome
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import TERMINAL, State

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


def execution(retries: int, attempt: int = 1) -> Execution:
    spec = JobSpec(image="busybox", retries=retries)
    return Execution(new_id(), new_id(), "task", spec, State.RUNNING, NOW, attempt=attempt)


def outcome(state: State) -> Outcome:
    return Outcome(state, Cause.EXIT_CODE)


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_only_what_failed_timed_out_or_was_lost_is_tried_again(state: State) -> None:
    expected = state in {State.FAILED, State.TIMEDOUT, State.LOST}
    assert wants_retry(execution(retries=3), outcome(state)) is expected


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_there_are_as_many_attempts_as_retries_and_one(retries: int) -> None:
    attempt = 1
    while wants_retry(execution(retries, attempt), outcome(State.FAILED)):
        attempt += 1
    assert attempt == retries + 1


def test_each_wait_is_longer_by_the_factor_up_to_the_longest() -> None:
    back_off = BackOff(first_seconds=10, factor=2, longest_seconds=60)
    assert [back_off.delay(n).total_seconds() for n in range(1, 6)] == [10, 20, 40, 60, 60]


@given(st.integers(1, 200), st.floats(0.001, 1e6), st.floats(1, 1e6), st.floats(0.001, 1e6))
def test_no_wait_is_longer_than_the_longest_whatever_the_numbers(
    attempt: int, first: float, factor: float, longest: float
) -> None:
    delay = BackOff(first, factor, longest).delay(attempt)
    assert timedelta(0) <= delay <= timedelta(seconds=longest)


def test_the_wait_is_counted_from_the_end() -> None:
    assert retry_due_at(execution(3, attempt=2), NOW, BackOff(10, 2, 3600)) == NOW + timedelta(seconds=20)

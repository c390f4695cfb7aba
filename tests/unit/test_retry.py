"""Whether there is another attempt, and when: the counting, the policy of a job, and the jitter."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobrunner.domain.aftermath import LEFT_OUT
from jobrunner.domain.executions import Execution
from jobrunner.domain.identifiers import new_id
from jobrunner.domain.outcomes import Cause, Outcome
from jobrunner.domain.retry import NAMED_BY, BackOff, RetryOn, RetryPolicy, retry_due_at, wants_retry
from jobrunner.domain.specs import JobSpec
from jobrunner.domain.states import TERMINAL, State

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


def execution(retries: int, attempt: int = 1, **policy: Any) -> Execution:
    spec = JobSpec(image="busybox", retries=retries, retry_policy=RetryPolicy(**policy) if policy else None)
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


# ------------------------------------------------------------------------------------------------------- on what


def test_every_cause_of_a_failure_can_be_named() -> None:
    no_failures = {Cause.SUCCESS, Cause.STOPPED, Cause.EXPIRED, Cause.DEPENDENCY_FAILED, *LEFT_OUT}
    assert set(NAMED_BY) == set(Cause) - no_failures
    assert set(NAMED_BY.values()) == set(RetryOn)


def test_a_login_that_is_refused_is_tried_again_only_where_the_policy_names_it() -> None:
    refused = Outcome(State.FAILED, Cause.IMAGE_REFUSED)
    assert not wants_retry(execution(1), refused)
    assert wants_retry(execution(1, on=("imageRefused",)), refused)


@pytest.mark.parametrize("word", sorted(RetryOn))
def test_a_policy_covers_what_it_names_and_nothing_else(word: RetryOn) -> None:
    tried_again = {
        cause for cause in NAMED_BY if wants_retry(execution(1, on=(word,)), Outcome(State.FAILED, cause, exit_code=1))
    }
    assert tried_again == {cause for cause, name in NAMED_BY.items() if name is word}


@pytest.mark.parametrize(("exit_code", "expected"), [(1, True), (75, True), (2, False), (255, False)])
def test_only_the_exit_codes_that_are_listed_are_tried_again(exit_code: int, expected: bool) -> None:
    outcome = Outcome(State.FAILED, Cause.EXIT_CODE, exit_code=exit_code)
    assert wants_retry(execution(1, exit_codes=(1, 75)), outcome) is expected


def test_a_list_of_exit_codes_leaves_the_other_outcomes_as_they_are() -> None:
    lost = Outcome(State.LOST, Cause.NODE_LOST)
    no_command = Outcome(State.FAILED, Cause.COMMAND_NOT_FOUND, exit_code=127)
    assert wants_retry(execution(1, exit_codes=(1,)), lost)
    assert wants_retry(execution(1, exit_codes=(1,)), no_command)
    assert not wants_retry(execution(1, on=("exitCode",), exit_codes=(127,)), no_command)


def test_what_somebody_wants_stopped_is_not_tried_again() -> None:
    assert wants_retry(execution(3), outcome(State.FAILED))
    assert not wants_retry(replace(execution(3), stop_requested_at=NOW), outcome(State.FAILED))


# ---------------------------------------------------------------------------------------------------------- when


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"jitter": 0.5}, BackOff(10, 2, 3600, 0.5)),
        ({"first_delay_seconds": 0}, BackOff(0, 2, 3600, 0.1)),
        ({"factor": 3, "longest_delay_seconds": 60}, BackOff(10, 3, 60, 0.1)),
        ({"first_delay_seconds": 7200}, BackOff(7200, 2, 7200, 0.1)),
    ],
)
def test_what_a_policy_does_not_say_is_as_the_farm_says(policy: dict[str, Any], expected: BackOff) -> None:
    assert RetryPolicy(**policy).back_off(BackOff(10, 2, 3600, 0.1)) == expected


@given(st.uuids(version=4), st.integers(1, 20), st.floats(0, 1))
def test_jitter_is_within_its_fraction_and_always_the_same_for_an_execution(
    identifier: Any, attempt: int, jitter: float
) -> None:
    failed = replace(execution(100, attempt, jitter=jitter), id=str(identifier))
    farm = BackOff(10, 2, 3600)
    plain_seconds = farm.delay(attempt).total_seconds()
    wait_seconds = (retry_due_at(failed, NOW, farm) - NOW).total_seconds()
    assert plain_seconds * (1 - jitter) - 1e-5 <= wait_seconds <= plain_seconds * (1 + jitter) + 1e-5
    assert retry_due_at(failed, NOW, farm) == retry_due_at(failed, NOW, farm)


def test_jitter_spreads_what_failed_at_the_same_time() -> None:
    dues = {retry_due_at(execution(1, jitter=1), NOW, BackOff(10, 2, 3600)) for _ in range(50)}
    waits = sorted((due - NOW).total_seconds() for due in dues)
    assert len(dues) == 50
    assert waits[0] < 7 < 13 < waits[-1]

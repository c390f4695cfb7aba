"""How an ending is judged from the facts."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime, timedelta

import pytest

from jobrunner import errors
from jobrunner.domain import outcomes
from jobrunner.domain.outcomes import Cause, ContainerExit, Outcome, judge_error, judge_exit
from jobrunner.domain.states import TERMINAL, State
from jobrunner.errors import ContainerError

STARTED = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
FINISHED = STARTED + timedelta(seconds=3)
CONTAINER_ERRORS = [
    error
    for _, error in inspect.getmembers(errors, inspect.isclass)
    if issubclass(error, ContainerError) and error is not ContainerError
]


def judged(exit_code: int, oom_killed: bool = False, *, stopped: bool = False, timed_out: bool = False) -> Outcome:
    ended = ContainerExit(exit_code, oom_killed, STARTED, FINISHED)
    return judge_exit(ended, stopped=stopped, timed_out=timed_out, timeout_seconds=30)


def test_exit_code_zero_is_success() -> None:
    outcome = judged(0)
    assert (outcome.state, outcome.cause, outcome.reason) == (State.DONE, Cause.SUCCESS, "")


@pytest.mark.parametrize("exit_code", [1, 2, 7, 125, 126, 127, 128, 255])
def test_any_other_exit_code_is_a_failure_that_names_it(exit_code: int) -> None:
    outcome = judged(exit_code)
    assert (outcome.state, outcome.cause, outcome.exit_code) == (State.FAILED, Cause.EXIT_CODE, exit_code)
    assert outcome.reason == f"exited with code {exit_code}"


def test_a_command_that_succeeds_is_done_although_a_child_ran_out_of_memory() -> None:
    outcome = judged(0, oom_killed=True)
    assert (outcome.state, outcome.cause, outcome.oom_killed) == (State.DONE, Cause.SUCCESS, True)


@pytest.mark.parametrize("exit_code", [137, 1])
def test_out_of_memory_is_told_in_words(exit_code: int) -> None:
    outcome = judged(exit_code, oom_killed=True)
    assert (outcome.state, outcome.cause) == (State.FAILED, Cause.OUT_OF_MEMORY)
    assert outcome.reason == f"killed: out of memory (exit code {exit_code})"


def test_a_kill_from_outside_is_told_in_words() -> None:
    outcome = judged(137)
    assert (outcome.state, outcome.cause) == (State.FAILED, Cause.KILLED)
    assert outcome.reason == "killed from outside by SIGKILL (exit code 137)"


@pytest.mark.parametrize(("exit_code", "name"), [(139, "SIGSEGV"), (134, "SIGABRT"), (143, "SIGTERM"), (130, "SIGINT")])
def test_a_signal_is_named(exit_code: int, name: str) -> None:
    outcome = judged(exit_code)
    assert (outcome.state, outcome.cause) == (State.FAILED, Cause.EXIT_CODE)
    assert outcome.reason == f"exited with code {exit_code} ({name})"


@pytest.mark.parametrize("exit_code", [0, 1, 137, 143])
@pytest.mark.parametrize("oom_killed", [False, True])
def test_what_was_stopped_is_stopped_however_it_ended(exit_code: int, oom_killed: bool) -> None:
    outcome = judged(exit_code, oom_killed, stopped=True)
    assert (outcome.state, outcome.cause, outcome.exit_code) == (State.STOPPED, Cause.STOPPED, exit_code)
    assert outcome.reason == "stopped on request"


@pytest.mark.parametrize("exit_code", [0, 1, 137, 143])
def test_what_ran_too_long_is_timedout_however_it_ended(exit_code: int) -> None:
    outcome = judged(exit_code, timed_out=True)
    assert (outcome.state, outcome.cause, outcome.exit_code) == (State.TIMEDOUT, Cause.TIMEOUT, exit_code)
    assert outcome.reason == "ran longer than its timeout of 30 s"


def test_an_outcome_keeps_the_times_of_the_container() -> None:
    outcome = judged(0)
    assert (outcome.started_at, outcome.finished_at) == (STARTED, FINISHED)


def test_nothing_starts_after_its_end() -> None:
    late = ContainerExit(0, False, FINISHED + timedelta(milliseconds=2), FINISHED)
    outcome = judge_exit(late, stopped=False, timed_out=False, timeout_seconds=30)
    assert outcome.started_at == outcome.finished_at == FINISHED


@pytest.mark.parametrize("error", CONTAINER_ERRORS, ids=lambda error: error.__name__)
def test_every_container_error_has_a_cause_of_its_own_and_keeps_its_words(error: type[ContainerError]) -> None:
    outcome = judge_error(error("because of this"))
    assert outcome.cause.value.replace("_", "") == error.__name__.lower()
    assert outcome.reason == "because of this"
    assert outcome.state is (State.LOST if error is errors.ContainerVanished else State.FAILED)


@pytest.mark.parametrize(("error", "code"), [(errors.CommandNotFound, 127), (errors.CommandNotExecutable, 126)])
def test_a_command_that_cannot_be_run_has_the_exit_code_of_a_shell(error: type[ContainerError], code: int) -> None:
    assert judge_error(error("no")).exit_code == code


def test_an_ending_before_the_start_says_so() -> None:
    instant = datetime(2026, 5, 1, tzinfo=UTC)
    assert outcomes.stopped_before_start().reason == "stopped on request, before it started"
    assert "within its timeout of 1800 s" in outcomes.timed_out_before_start(1800).reason
    assert "2026-05-01T00:00:00+00:00" in outcomes.expired(instant).reason
    assert outcomes.node_lost("gpu-1", 30).reason == "its node 'gpu-1' has been silent for over 30 s"


def test_every_outcome_is_terminal() -> None:
    before_start = [
        outcomes.stopped_before_start(),
        outcomes.timed_out_before_start(1),
        outcomes.expired(STARTED),
        outcomes.node_lost("n", 1),
    ]
    errors_judged = [judge_error(error("x")) for error in CONTAINER_ERRORS]
    assert {outcome.state for outcome in [*before_start, *errors_judged, judged(0), judged(1)]} <= TERMINAL

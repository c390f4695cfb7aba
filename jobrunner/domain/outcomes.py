"""How an execution ended, as a value: judged from the facts, without I/O."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from jobrunner.domain.states import State
from jobrunner.domain.stored_files import Kept
from jobrunner.domain.usage import ResourceUsage
from jobrunner.errors import (
    CommandNotExecutable,
    CommandNotFound,
    ContainerError,
    ContainerRejected,
    ContainerVanished,
    EngineDiskFull,
    ImageNotFound,
    ImagePullFailed,
    ImageRefused,
    InputMissing,
)

SIGNAL_BASE = 128  # a program that died of signal N has exit code 128 + N (POSIX shells, and the Docker Engine)
SIGKILL_EXIT_CODE = SIGNAL_BASE + signal.SIGKILL


class Cause(StrEnum):
    """Why an execution ended as it did; what a retry policy can name."""

    SUCCESS = "success"
    EXIT_CODE = "exit_code"
    OUT_OF_MEMORY = "out_of_memory"
    KILLED = "killed"
    TIMEOUT = "timeout"
    STOPPED = "stopped"
    EXPIRED = "expired"
    MISFIRED = "misfired"
    OVERLAPPED = "overlapped"
    PAUSED = "paused"
    NODE_LOST = "node_lost"
    NODE_DRAINED = "node_drained"
    CONTAINER_VANISHED = "container_vanished"
    IMAGE_NOT_FOUND = "image_not_found"
    IMAGE_PULL_FAILED = "image_pull_failed"
    IMAGE_REFUSED = "image_refused"
    COMMAND_NOT_FOUND = "command_not_found"
    COMMAND_NOT_EXECUTABLE = "command_not_executable"
    CONTAINER_REJECTED = "container_rejected"
    DEPENDENCY_FAILED = "dependency_failed"
    INPUT_MISSING = "input_missing"
    OUTPUT_MISSING = "output_missing"


@dataclass(frozen=True)
class ContainerExit:
    """What the Engine says of a container that has ended."""

    exit_code: int
    oom_killed: bool
    started_at: datetime | None
    finished_at: datetime


@dataclass(frozen=True)
class Outcome:
    """The end of an execution: the terminal state, the cause, and the reason in words for people."""

    state: State
    cause: Cause
    reason: str = ""
    exit_code: int | None = None
    oom_killed: bool = False
    started_at: datetime | None = None
    finished_at: datetime | None = None
    usage: ResourceUsage | None = None
    kept: Kept = field(default_factory=Kept)


DRAINED = "its node was drained, and it did not end before the deadline of that"


def judge_exit(
    ended: ContainerExit, *, stopped: bool, timed_out: bool, timeout_seconds: float, drained: bool = False
) -> Outcome:
    """The outcome of a container that ended, by itself or because we ended it (`stopped`, `timed_out`, `drained`)."""
    state, cause, reason = State.FAILED, Cause.EXIT_CODE, f"exited with code {ended.exit_code}"
    died_of = _signal_name(ended.exit_code)
    if timed_out:
        state, cause, reason = State.TIMEDOUT, Cause.TIMEOUT, f"ran longer than its timeout of {timeout_seconds:g} s"
    elif stopped:
        state, cause, reason = State.STOPPED, Cause.STOPPED, "stopped on request"
    elif drained:
        state, cause, reason = State.LOST, Cause.NODE_DRAINED, DRAINED
    elif ended.exit_code == 0:
        # The Engine reports OOMKilled also when only a child was killed: the command itself succeeded.
        state, cause, reason = State.DONE, Cause.SUCCESS, ""
    elif ended.oom_killed:
        cause, reason = Cause.OUT_OF_MEMORY, f"killed: out of memory (exit code {ended.exit_code})"
    elif died_of == "SIGKILL":
        cause, reason = Cause.KILLED, "killed from outside by SIGKILL (exit code 137)"
    elif died_of:
        reason += f" ({died_of})"
    # The Engine notes the start of a container after the fact: a short one seems to start after its end.
    started_at = min(ended.started_at, ended.finished_at) if ended.started_at else None
    return Outcome(state, cause, reason, ended.exit_code, ended.oom_killed, started_at, ended.finished_at)


def _signal_name(exit_code: int) -> str:
    try:
        return signal.Signals(exit_code - SIGNAL_BASE).name
    except ValueError:
        return ""


_CAUSES: dict[type[ContainerError], Cause] = {
    ImageNotFound: Cause.IMAGE_NOT_FOUND,
    ImagePullFailed: Cause.IMAGE_PULL_FAILED,
    ImageRefused: Cause.IMAGE_REFUSED,
    CommandNotFound: Cause.COMMAND_NOT_FOUND,
    CommandNotExecutable: Cause.COMMAND_NOT_EXECUTABLE,
    ContainerRejected: Cause.CONTAINER_REJECTED,
    EngineDiskFull: Cause.CONTAINER_REJECTED,
    InputMissing: Cause.INPUT_MISSING,
    ContainerVanished: Cause.CONTAINER_VANISHED,
}


def judge_error(error: ContainerError) -> Outcome:
    """The outcome of an execution whose container could not be had, or was lost."""
    state = State.LOST if isinstance(error, ContainerVanished) else State.FAILED
    return Outcome(state, _CAUSES[type(error)], str(error), exit_code=getattr(error, "exit_code", None))


def stopped_before_start() -> Outcome:
    """The outcome of an execution that was stopped before a container of it started."""
    return Outcome(State.STOPPED, Cause.STOPPED, "stopped on request, before it started")


def drained_before_start() -> Outcome:
    """The outcome of an execution whose container had not started when its node was to be empty."""
    return Outcome(State.LOST, Cause.NODE_DRAINED, DRAINED)


def timed_out_before_start(timeout_seconds: float) -> Outcome:
    """The outcome of an execution whose image took longer to come than the whole execution may take."""
    return Outcome(
        State.TIMEDOUT, Cause.TIMEOUT, f"its image was not there within its timeout of {timeout_seconds:g} s"
    )


def dependency_failed(job_id: str, task_id: str, when: str, ended: State) -> Outcome:
    """The outcome of an execution that waited for a job that has ended otherwise. It has not failed."""
    wish = {"succeeds": "succeeded", "fails": "failed"}.get(when, when)
    reason = f"never started: it was to start once job {job_id} of task {task_id!r} had {wish}, and that is {ended}"
    return Outcome(State.STOPPED, Cause.DEPENDENCY_FAILED, reason)


def expired(expires_at: datetime) -> Outcome:
    """The outcome of an execution that could not start before its expiration."""
    return Outcome(State.EXPIRED, Cause.EXPIRED, f"did not start before its expiration, {expires_at.isoformat()}")


def superseded() -> Outcome:
    """The outcome of an execution that waited for its time when its job was given a new definition."""
    return Outcome(State.STOPPED, Cause.STOPPED, "its job was given a new definition before it started")


def misfired(due_at: datetime, window_seconds: float) -> Outcome:
    """The outcome of a tick that nobody was there to fire, and that does not run by its job's misfire policy."""
    late = f"its time, {due_at.isoformat()}, was missed by more than {window_seconds:g} s"
    return Outcome(State.EXPIRED, Cause.MISFIRED, f"{late}; it does not run, by the misfire policy of its job")


def overlapped(other_id: str) -> Outcome:
    """The outcome of a tick that did not start because of another execution of its job."""
    reason = f"did not start, by the overlap policy of its job, because of its execution {other_id}"
    return Outcome(State.EXPIRED, Cause.OVERLAPPED, reason)


def paused() -> Outcome:
    """The outcome of a tick whose time came while its job was paused."""
    return Outcome(State.EXPIRED, Cause.PAUSED, "its job was paused when its time came")


def node_lost(node: str, silent_seconds: float) -> Outcome:
    """The outcome of an execution whose node has not been heard of for too long."""
    return Outcome(State.LOST, Cause.NODE_LOST, f"its node {node!r} has been silent for over {silent_seconds:g} s")

"""Runs the programs of a farm: starts them in order, restarts those that die, ends them in order."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jobrunner.cli.local.log_files import LogFile
from jobrunner.cli.local.process_records import ProcessRecords
from jobrunner.cli.local.processes import Process, ProcessStartFailed
from jobrunner.cli.local.programs import NotReady, Program
from jobrunner.cli.local.stop_requests import StopRequests

LOOK_EVERY_SECONDS = 0.1
WATCH_EVERY_SECONDS = 0.5
LONGEST_BACK_OFF_SECONDS = 30.0
STEADY_AFTER_SECONDS = 60.0
HURRIED_SECONDS = 0.5
LEFTOVER_SECONDS = 10.0
TAIL_LINES = 8


class StartFailed(Exception):
    """A program could not be started, or did not get ready. The message says why, with its last lines."""


class StopRequested(Exception):
    """Somebody asked for the end while the farm was starting."""


@dataclass
class _Member:
    """A program, its present process, and when it may be started again."""

    program: Program
    log: LogFile
    process: Process | None = None
    started_at: float = 0.0
    failures: int = 0
    restart_at: float = field(default=0.0)


class Supervisor:
    """The programs of one farm, in the order in which they were started."""

    def __init__(self, logs: Path, records: ProcessRecords, requests: StopRequests, say: Callable[[str], None]) -> None:
        self._logs = logs
        self._records = records
        self._requests = requests
        self._say = say
        self._members: list[_Member] = []
        self._hurried = False

    # ------------------------------------------------------------------------------------------------ start

    def end_leftovers(self) -> None:
        """End what an earlier supervisor of this farm left behind when it was killed."""
        leftovers = self._records.alive()
        for record in leftovers:
            self._say(f"{record.name} (process {record.pid}) is left over from an earlier run: ending it")
            record.signal(signal.SIGTERM)
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while any(record.is_alive() for record in leftovers) and time.monotonic() < deadline:
            self._pause(LOOK_EVERY_SECONDS)
        for record in leftovers:
            record.signal(signal.SIGKILL)

    def start(self, programs: Iterable[Program]) -> None:
        """Start these programs side by side, and return once all are ready. Raises StartFailed, StopRequested."""
        members = [_Member(program, LogFile(self._logs / f"{program.file_name}.log")) for program in programs]
        for member in members:
            member.log.rotate()
            self._members.append(member)
            self._launch(member)
        for member in members:
            self._await_ready(member)

    def _launch(self, member: _Member) -> None:
        try:
            member.process = Process(member.program, member.log)
        except ProcessStartFailed as error:
            raise StartFailed(str(error)) from None
        member.started_at = time.monotonic()
        self._records.note(member.program.name, member.process.pid)

    def _await_ready(self, member: _Member) -> None:
        program, reason = member.program, "it gave no sign"
        while time.monotonic() < member.started_at + program.start_within_seconds:
            code = member.process.exit_code() if member.process else None
            if code is not None:
                raise StartFailed(f"{program.name} {describe_exit(code)}. {self._last_lines(member)}")
            try:
                line = program.ready() if program.ready else f"{program.name} started"
            except NotReady as error:
                reason = str(error)
                self._pause(LOOK_EVERY_SECONDS)
                continue
            self._say(f"{line} ({time.monotonic() - member.started_at:.1f} s)")
            return
        raise StartFailed(
            f"{program.name} was not ready within {program.start_within_seconds:g} s: {reason}. "
            f"{self._last_lines(member)}"
        )

    # ------------------------------------------------------------------------------------------------ watch

    def watch(self) -> None:
        """Keep the programs running until somebody asks for the end."""
        while not self._requests.came_within(WATCH_EVERY_SECONDS):
            for member in self._members:
                self._look_after(member)

    def _look_after(self, member: _Member) -> None:
        now = time.monotonic()
        if member.process is None:
            if now >= member.restart_at:
                self._restart(member)
        elif (code := member.process.exit_code()) is not None:
            self._plan_restart(member, describe_exit(code), now)
        else:
            member.log.keep_bounded()

    def _plan_restart(self, member: _Member, what_happened: str, now: float) -> None:
        member.failures = 1 if now - member.started_at > STEADY_AFTER_SECONDS else member.failures + 1
        delay = back_off_seconds(member.failures)
        member.process, member.restart_at = None, now + delay
        self._say(
            f"{member.program.name} {what_happened}; starting it again in {delay:g} s. {self._last_lines(member)}"
        )

    def _restart(self, member: _Member) -> None:
        try:
            self._launch(member)
        except StartFailed as error:
            self._plan_restart(member, f"did not start ({error})", time.monotonic())
        else:
            self._say(f"{member.program.name} started again")

    # ------------------------------------------------------------------------------------------------- stop

    def stop(self, stages: Iterable[Sequence[str]]) -> None:
        """End the programs, a stage of names after the other; those of one stage are asked in order, side by side.

        A request to stop that comes meanwhile hurries it.
        """
        members = {member.program.name: member for member in self._members}
        for stage in stages:
            self._stop_together([members[name] for name in stage if name in members])

    def _stop_together(self, members: list[_Member]) -> None:
        waiting = {member.program.name: member.process for member in members if member.process}
        for process in waiting.values():
            process.terminate()
        asked_at = time.monotonic()
        while waiting:
            for name, process in list(waiting.items()):
                if self._has_ended(process, time.monotonic() - asked_at):
                    del waiting[name]
            if waiting and self._requests.came_within(LOOK_EVERY_SECONDS):
                self._hurried = True
        for member in members:
            member.process = None

    def _has_ended(self, process: Process, seconds: float) -> bool:
        """Whether it has ended after these seconds, if need be because we kill it."""
        if process.exit_code() is not None:
            self._say(f"{process.program.name} stopped")
            return True
        if seconds <= (HURRIED_SECONDS if self._hurried else process.program.stop_within_seconds):
            return False
        process.kill()
        self._say(f"{process.program.name} did not stop in time and was killed")
        return True

    # ------------------------------------------------------------------------------------------------------

    def _pause(self, seconds: float) -> None:
        if self._requests.came_within(seconds):
            raise StopRequested

    @staticmethod
    def _last_lines(member: _Member) -> str:
        lines = member.log.tail(TAIL_LINES)
        if not lines:
            return f"It wrote nothing to {member.log.path}."
        return f"The last lines of {member.log.path}:\n" + "\n".join(f"    {line}" for line in lines)


def back_off_seconds(failures: int) -> float:
    """How long to wait before the next start: 1, 2, 4 ... 30 s."""
    return min(2.0 ** (failures - 1), LONGEST_BACK_OFF_SECONDS)


def describe_exit(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    name = str(-code)
    with suppress(ValueError):
        name = signal.Signals(-code).name
    return f"was ended by {name}"

"""One process of the farm: started, watched, and ended with us."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Callable

from jobrunner.cli.local.log_files import LogFile
from jobrunner.cli.local.programs import Program

PR_SET_PDEATHSIG = 1  # from linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)


class ProcessStartFailed(Exception):
    """The program's file could not be run."""


class Process:
    """A running program, in a session of its own: the terminal's Ctrl-C reaches the supervisor only."""

    def __init__(self, program: Program, log: LogFile) -> None:
        """Start it. Raises ProcessStartFailed."""
        self.program = program
        with log.open() as output:
            try:
                self._popen = subprocess.Popen(
                    program.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **program.environment},
                    start_new_session=True,
                    preexec_fn=_end_with(os.getpid()),  # safe beside threads: two system calls, no lock
                )
            except (OSError, subprocess.SubprocessError) as error:
                raise ProcessStartFailed(f"{program.name} cannot be started: {error}") from None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._popen.pid

    def exit_code(self) -> int | None:
        """Its exit code (negative: the signal that ended it); None while it runs."""
        return self._popen.poll()

    def terminate(self) -> None:
        """Ask it to end."""
        self._popen.terminate()

    def kill(self) -> None:
        """End it and everything in its session that it left behind, at once."""
        if self.exit_code() is None:  # not reaped: the id of its group is still its own
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait()


def _end_with(supervisor: int) -> Callable[[], None]:
    """What the child does before it becomes the program: ask the kernel for a SIGTERM when we die, even by SIGKILL."""

    def ask() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != supervisor:  # we died before it could ask
            os._exit(1)

    return ask

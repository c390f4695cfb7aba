"""The exit code of `jobrunner run`: that of the container, and for all else those of `docker run` and timeout(1)."""

from __future__ import annotations

from jobrunner.cli.answers import Execution
from jobrunner.domain.outcomes import SIGNAL_BASE, Cause
from jobrunner.domain.states import State

NOT_RUN = 125
TIMED_OUT = 124
STOPPED = SIGNAL_BASE + 15  # SIGTERM
BROKEN_PIPE = SIGNAL_BASE + 13  # SIGPIPE

EXPLAINED = """\b
Exit codes:
  0 to 255  that of the container
  124       the timeout was over
  125       it did not run, or its end is not known: the error is on stderr
  126, 127  the command cannot be executed, was not found
  130, 143  you stopped it by Ctrl-C, by SIGTERM (143 also: somebody else stopped it)
  141       the reader of the output went away; the execution goes on
"""


def exit_code_of(execution: Execution) -> int:
    """The exit code for an execution that has ended."""
    if execution.status is State.TIMEDOUT:
        return TIMED_OUT
    if execution.status is State.STOPPED:
        return execution.exit_code or STOPPED  # a container that ends well when told to has not done its work
    if execution.status in (State.DONE, State.FAILED) and execution.exit_code is not None:
        return execution.exit_code
    return NOT_RUN


def needs_words(execution: Execution) -> bool:
    """Whether the exit code alone does not say how it ended."""
    return execution.cause not in (Cause.SUCCESS, Cause.EXIT_CODE)

"""A part of the farm one of whose services dies in the midst of its start: right before STEP, a function by its dotted
name, is called for the first time, process PID is killed.

python -m tests.support.service_dies_at_start STEP PID COMMAND...
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from pydoc import locate
from typing import Any
from unittest.mock import patch

from jobrunner.cli.main import main


def deadly(step: str, pid: int) -> Any:
    """The function, with a death before its first call."""
    function: Any = locate(step)
    doomed = [pid]

    def called(*args: Any, **kwargs: Any) -> Any:
        if doomed:
            with suppress(ProcessLookupError):
                os.kill(doomed.pop(), signal.SIGKILL)
        return function(*args, **kwargs)

    return called


if __name__ == "__main__":
    step, pid, *command = sys.argv[1:]
    with patch(step, deadly(step, int(pid))):
        main(command)

"""A worker that gets SIGTERM in the midst of its start: right before STEP, a function by its dotted name.

python -m tests.support.worker_signalled_at_start STEP
"""

from __future__ import annotations

import os
import signal
import sys
from pydoc import locate
from typing import Any
from unittest.mock import patch

from jobrunner.cli.worker import run_worker
from jobrunner.settings import load_settings


def signalled_before(step: str) -> Any:
    """The function, with a signal before its first call."""
    function: Any = locate(step)
    signals = [signal.SIGTERM]

    def called(*args: Any, **kwargs: Any) -> Any:
        if signals:
            os.kill(os.getpid(), signals.pop())
        return function(*args, **kwargs)

    return called


if __name__ == "__main__":
    with patch(sys.argv[1], signalled_before(sys.argv[1])):
        run_worker(load_settings(None), drain=False)

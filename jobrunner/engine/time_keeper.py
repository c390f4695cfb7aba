"""End the containers on this node whose time is up, that somebody wants stopped, or that are left on a drained node:
SIGTERM, grace, SIGKILL.

And flush the output of all runs, so that a quiet container's last line is not kept back.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from jobrunner.domain.events import Trouble
from jobrunner.engine.node import Run, ThisNode
from jobrunner.errors import JobrunnerError, ServiceUnavailable, Superseded


def keep_time(node: ThisNode) -> None:
    """One look at every run."""
    now = node.farm.clock.now()
    for run in node.runs():
        if run.started_at is None or run.has_ended:
            # Before the container starts, the run itself looks at its time and its wishes; after its end there is
            # nobody to signal, and the Engine would not answer while files are read from it.
            continue
        try:
            _end_if_due(node, run, now)
        except JobrunnerError as error:
            node.farm.announce(Trouble(run.execution_id, "keep time", str(error)))


def flush_output(node: ThisNode) -> None:
    """Store what is buffered of every run. A run that was superseded is broken off."""
    for run in node.runs():
        if run.capture is None:
            continue
        try:
            run.capture.flush()
        except ServiceUnavailable as error:
            node.farm.announce(Trouble(run.execution_id, "flush", str(error)))
        except Superseded:
            if run.reader is not None:
                run.reader.interrupt()


def read_stop_wishes(node: ThisNode) -> None:
    """Learn from the store which runs are to be stopped: the signal through Redis may have been lost."""
    if node.runs():
        for execution_id in node.farm.store.executions.stop_wishes(node.name):
            node.wish_stop(execution_id)


def read_drain(node: ThisNode) -> None:
    """Learn from the store whether this node is to take nothing new, and until when it must be empty."""
    node.drain = node.farm.store.nodes.drain_of(node.name)


def _end_if_due(node: ThisNode, run: Run, now: datetime) -> None:
    if run.kill_at is None:
        stop_wished, is_overdue = run.stop_wished.is_set(), run.is_overdue(now)
        if not stop_wished and not is_overdue and not node.must_be_empty:
            return
        node.executor.signal(run.execution_id, "SIGTERM")
        run.timed_out = is_overdue and not stop_wished
        run.drained = not is_overdue and not stop_wished
        run.kill_at = now + timedelta(seconds=run.held.stop_grace_seconds)
    elif now >= run.kill_at:
        node.executor.signal(run.execution_id, "SIGKILL")

"""No more run at once than may, and what is counted and reserved is given back."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.checks.terms import Violation, container_of, kinds_of
from tests.chaos.jobs import KINDS, Kind
from tests.chaos.records import Run

CUT_SECONDS = 0.05  # by so much a container's own word of its start may be too early


def no_more_run_than_may(run: Run) -> Iterator[Violation]:
    """Of those that were watched to their exit. (What was given up with its node may run on, and is not counted.)"""
    for kind in KINDS.values():
        if kind.most_at_once is not None:
            most, at = _most_at_once(run, kind)
            if most > kind.most_at_once:
                yield Violation("limit", f"{most} of the kind {kind.name} ran at {at}; {kind.most_at_once} may")


def _most_at_once(run: Run, kind: Kind) -> tuple[int, float]:
    """How many containers of a kind ran at once, and when."""
    kinds, started = kinds_of(run), {start.container: start.at + CUT_SECONDS for start in run.starts}
    changes = []
    for execution in run.executions:
        at = started.get(container_of(execution))
        ended_at = execution.finished_at if execution.exit_code is not None else None
        if kinds[execution.job_id] is kind and at is not None and ended_at is not None and at < ended_at:
            changes += [(at, 1), (ended_at, -1)]
    running, most = 0, (0, 0.0)
    for at, change in sorted(changes):
        running += change
        most = max(most, (running, at))
    return most

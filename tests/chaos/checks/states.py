"""Closed once: states only go forward."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.checks.terms import OVER, Violation, container_of, named, rank_of
from tests.chaos.records import EVENTS, Run

SAME_SECONDS = 0.05  # the Engine and MongoDB cut their times differently


def terminal_states_stay(run: Run) -> Iterator[Violation]:
    """States only go forward; once an end was seen, nothing else is, and the end is the one that the API tells."""
    told = {execution.id: execution.status for execution in run.executions}
    by_source: dict[tuple[str, str], list[str]] = defaultdict(list)
    for seen in run.states:
        states = by_source[seen.execution_id, seen.source]
        if not states or states[-1] != seen.state:
            states.append(seen.state)
    for (execution_id, source), states in by_source.items():
        ranks = [rank_of(state) for state in states]
        if any(after <= before for before, after in pairwise(ranks)):
            yield Violation("reopened", f"{source}: execution {execution_id} was {', then '.join(states)}")
        elif ranks[-1] == OVER and states[-1] != told.get(execution_id, states[-1]):
            yield Violation("reopened", f"{source}: execution {execution_id} was {states[-1]}, is {told[execution_id]}")


def ends_are_told(run: Run) -> Iterator[Violation]:
    """The farm's events tell the end of each execution. (That it is the right one, the rule above sees.)"""
    told = {seen.execution_id for seen in run.states if seen.source == EVENTS and rank_of(seen.state) == OVER}
    for execution in run.executions:
        if execution.id not in told:
            yield Violation("events", f"the end of {named(execution)} was not told")


def times_are_in_order(run: Run) -> Iterator[Violation]:
    """What comes later in a life has a later time, whatever clocks are set meanwhile."""
    for execution in run.executions:
        moves = sorted(execution.times.items(), key=lambda move: rank_of(move[0]))
        lives = [("created", execution.created_at), *moves]
        runs = [("started", execution.started_at), ("finished", execution.finished_at), *moves[-1:]]
        runs = [("pulling", execution.times.get("pulling")), *runs]
        for (before, earlier), (after, later) in [*pairwise(lives), *pairwise(runs)]:
            if earlier is not None and later is not None and later < earlier - SAME_SECONDS:
                yield Violation(
                    "times", f"{named(execution)} was {after} {earlier - later:.3f} s before it was {before}"
                )


def what_has_started_was_running(run: Run) -> Iterator[Violation]:
    """An execution is running before its container starts."""
    started = {start.container for start in run.starts}
    for execution in run.executions:
        if container_of(execution) in started and "running" not in execution.times:
            yield Violation("times", f"{named(execution)} has a container that was started, and was never running")

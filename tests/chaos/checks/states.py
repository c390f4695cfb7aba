"""Closed once: states only go forward."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.chaos.checks.terms import OVER, Violation, rank_of
from tests.chaos.records import Run


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

"""Deliveries come at least once, under one id, and nothing comes that is not owed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.checks.terms import Violation, kinds_of, named
from tests.chaos.jobs import EVENTS, Kind
from tests.chaos.records import Run, SeenExecution


def owed_deliveries_arrive(run: Run) -> Iterator[Violation]:
    """Each one that is owed was taken by the receiver at least once, under one id, and nothing else came."""
    kinds = kinds_of(run)
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for call in run.calls:
        ids[call.execution_id, call.event].add(call.delivery_id)
    taken = {(call.execution_id, call.event) for call in run.calls if call.taken}
    for execution in run.executions:
        owed = _owed(execution, kinds[execution.job_id])
        for event in owed:
            if (execution.id, event) not in taken:
                state = execution.deliveries.get(event, "not there")
                yield Violation("delivery", f"{event} of {named(execution)} was not received; it is {state}")
        for event in EVENTS.values():
            if event not in owed and ids[execution.id, event]:
                yield Violation("delivery", f"{event} of {named(execution)} came, and was not owed")
    for (execution_id, event), of_one in ids.items():
        if len(of_one) > 1:
            yield Violation("delivery", f"{event} of execution {execution_id} came under ids {sorted(of_one)}")


def _owed(execution: SeenExecution, kind: Kind) -> set[str]:
    moments = {"starts"} if "running" in execution.times else set()
    if execution.retried_by is None and execution.status in ("done", "failed", "lost", "stopped"):
        moments |= {"finishes"}
        moments |= {"done": {"succeeds"}, "failed": {"fails"}, "lost": {"fails"}}.get(execution.status, set())
    return {EVENTS[moment] for moment in moments & set(kind.hooks)}

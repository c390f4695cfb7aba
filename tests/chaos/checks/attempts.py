"""One container an attempt, and as many attempts as the job asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.chaos.checks.terms import Violation, chains_of, ended_by_itself, kinds_of, named
from tests.chaos.records import ENGINE, Run


def attempts_follow_each_other(run: Run) -> Iterator[Violation]:
    """One execution for each attempt; as many as the job asks for, and none after a success."""
    kinds = kinds_of(run)
    for chain in chains_of(run).values():
        numbers, last = [execution.attempt for execution in chain], chain[-1]
        retries = kinds[last.job_id].retries
        if len(set(numbers)) < len(numbers):
            yield Violation("doubled", f"job {last.job_id} has attempts {numbers}")
        elif numbers != list(range(1, len(chain) + 1)):
            yield Violation("lost", f"job {last.job_id} has attempts {numbers}")
        if len(chain) > retries + 1 or any(execution.status == "done" for execution in chain[:-1]):
            yield Violation("doubled", f"{named(last)} is one too many")
        if last.status in ("failed", "lost") and last.attempt <= retries:
            yield Violation("lost", f"{named(last)} was {last.status}, and was not tried again")


def one_container_an_attempt(run: Run) -> Iterator[Violation]:
    """The Engine has made and started one container at most; exactly one for what ended by itself."""
    made = Counter(event.execution_id for event in run.container_events if event.action == "create")
    started = Counter(event.execution_id for event in run.container_events if event.action == "start")
    for execution_id in sorted(made.keys() | started.keys()):
        if made[execution_id] > 1 or started[execution_id] > 1:
            counts = f"{made[execution_id]} containers and {started[execution_id]} starts"
            yield Violation("doubled", f"execution {execution_id} had {counts}")
    sees_all = not any(fault.kind.startswith(ENGINE) for fault in run.faults)  # an Engine that died forgot its events
    kinds = kinds_of(run)
    for execution in run.executions:
        if sees_all and ended_by_itself(execution, kinds[execution.job_id]) and not started[execution.id]:
            yield Violation("witness", f"{named(execution)} is {execution.status}, and nobody saw it start")
    for execution_id in sorted(started.keys() - {execution.id for execution in run.executions}):
        yield Violation("lost", f"a container of execution {execution_id} was started, and nobody knows of it")

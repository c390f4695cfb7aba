"""One container an attempt, and as many attempts as the job asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tests.chaos.checks.absences import ended_with_its_engine, start_was_cut_off
from tests.chaos.checks.ends import was_removed
from tests.chaos.checks.terms import Violation, chains_of, container_of, kinds_of, named
from tests.chaos.records import Run


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
    """The Engine has made and started one container at most."""
    made = Counter(event.execution_id for event in run.container_events if event.action == "create")
    started = Counter(event.execution_id for event in run.container_events if event.action == "start")
    for execution_id in sorted(made.keys() | started.keys()):
        if made[execution_id] > 1 or started[execution_id] > 1:
            counts = f"{made[execution_id]} containers and {started[execution_id]} starts"
            yield Violation("doubled", f"execution {execution_id} had {counts}")
    for execution_id in sorted(started.keys() - {execution.id for execution in run.executions}):
        yield Violation("lost", f"a container of execution {execution_id} was started, and nobody knows of it")


def containers_start_once(run: Run) -> Iterator[Violation]:
    """By what they say themselves: each once, each for the execution that knows it; and none has an exit without it."""
    of_container = {container_of(execution): execution.job_id for execution in run.executions}
    counts = Counter(start.container for start in run.starts)
    for start in run.starts:
        if of_container.get(start.container) != start.job_id:
            yield Violation("doubled", f"container {start.container} of job {start.job_id} is that of no execution")
    for container, count in counts.items():
        if count > 1:
            yield Violation("doubled", f"container {container} was started {count} times")
    for execution in run.executions:
        by_engine = ended_with_its_engine(run, execution) or start_was_cut_off(run, execution)
        may_be_first_killed = by_engine or was_removed(run, execution)
        if execution.exit_code is not None and not counts[container_of(execution)] and not may_be_first_killed:
            yield Violation("witness", f"{named(execution)} is {execution.status}, and its container did not start")

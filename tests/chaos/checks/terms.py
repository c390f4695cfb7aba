"""What the rules speak in: a promise that was broken, attempts, ends, and how things are named to people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.chaos.jobs import KINDS, Kind
from tests.chaos.records import Run, SeenExecution, SentJob

ORDER = {"scheduled": 0, "enqueued": 1, "pulling": 2, "running": 3}  # all others are terminal
OVER = 4
CONTAINER_LETTERS = 12  # of its id: what a container knows of it, as its host name


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept. `promise`: one of lost, doubled, stuck, ended wrong, output, ..."""

    promise: str
    text: str


Rule = Callable[[Run], Iterator[Violation]]


def kinds_of(run: Run) -> dict[str, Kind]:
    """The kind of each job, by its id."""
    return {sent.id: KINDS[sent.kind] for sent in run.sent}


def chains_of(run: Run) -> dict[tuple[str, float | None], list[SeenExecution]]:
    """The attempts of each job, of a cron those of each tick, the first one first."""
    chains: dict[tuple[str, float | None], list[SeenExecution]] = defaultdict(list)
    for execution in sorted(run.executions, key=lambda execution: execution.attempt):
        chains[execution.job_id, execution.tick_at].append(execution)
    return chains


def container_of(execution: SeenExecution) -> str:
    """The container of an execution, as the containers themselves are called in what they say; empty: it has none."""
    return (execution.container_id or "")[:CONTAINER_LETTERS]


def ended_by_itself(execution: SeenExecution, kind: Kind) -> bool:
    """Whether it has ended as its kind does, and nothing from outside has ended it."""
    is_exit = (execution.status, execution.cause) in (("done", "success"), ("failed", "exit_code"))
    return is_exit and execution.exit_code == kind.exit_code


def rank_of(state: str) -> int:
    """How far a state is in a life; OVER: it ends it."""
    return ORDER.get(state, OVER)


def job_named(sent: SentJob) -> str:
    """A job, for people."""
    return f"the job {sent.id} ({sent.kind})"


def named(execution: SeenExecution) -> str:
    """An execution, for people."""
    return f"attempt {execution.attempt} of job {execution.job_id} (execution {execution.id})"

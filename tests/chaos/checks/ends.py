"""Each execution ends by its own exit code, or by a fault that explains it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.chaos.checks.absences import ended_with_its_engine, node_was_away, start_was_cut_off
from tests.chaos.checks.terms import OVER, Violation, kinds_of, named, rank_of
from tests.chaos.jobs import Kind
from tests.chaos.records import DISK_OF_ENGINE, IMAGE, Run, SeenExecution


def ends_as_it_should(run: Run) -> Iterator[Violation]:
    """By its own exit code; else there is a fault that explains the end."""
    kinds, stopped = kinds_of(run), {sent.id: sent.stopped_at for sent in run.sent}
    for execution in run.executions:
        if rank_of(execution.status) == OVER and not _explained(
            run, execution, kinds[execution.job_id], stopped[execution.job_id]
        ):
            what = f"{named(execution)} ended as {execution.status} ({execution.cause}, {execution.exit_code})"
            yield Violation("ended wrong", f"{what}, and no fault explains it: {execution.reason}")


def _explained(run: Run, execution: SeenExecution, kind: Kind, stopped_at: float | None) -> bool:
    match execution.status, execution.cause:
        case "done", "success":
            return execution.exit_code == kind.exit_code == 0
        case "failed", "exit_code":
            by_engine = ended_with_its_engine(run, execution) or start_was_cut_off(run, execution)
            return execution.exit_code == kind.exit_code != 0 or by_engine
        case "failed", "engine_disk_full":  # there was no room for it
            return ended_while(run, execution, DISK_OF_ENGINE)
        case "failed", "image_not_found":
            return ended_while(run, execution, IMAGE)
        case "failed", "killed":
            return was_removed(run, execution) or ended_with_its_engine(run, execution)
        case "lost", "container_vanished":
            return was_removed(run, execution) or start_was_cut_off(run, execution)
        case "lost", "node_lost":
            return node_was_away(run, execution)
        case "stopped", "stopped":  # or its container ended by itself, and the wish came before that was noted
            noted_at = execution.times.get("stopped", execution.finished_at or 0.0)
            return stopped_at is not None and noted_at >= stopped_at
    return False


def ended_while(run: Run, execution: SeenExecution, kind: str) -> bool:
    """Whether it ended after a fault of this kind of its Engine, and was there before that was over."""
    at, engine = execution.finished_at or 0.0, run.engine_of.get(execution.node or "")
    return any(
        (fault.kind, fault.target) == (kind, engine) and fault.began_at <= at and execution.created_at <= fault.ended_at
        for fault in run.faults
    )


def was_removed(run: Run, execution: SeenExecution) -> bool:
    """Whether somebody has removed its container by hand."""
    return execution.container_id in {fault.container_id for fault in run.faults} - {""}
